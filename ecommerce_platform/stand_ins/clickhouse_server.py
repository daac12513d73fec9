"""The ClickHouse stand-in: chDB behind ClickHouse's HTTP interface, so that the ordinary client works from any process.

What belongs here: the server process and its HTTP side (https://clickhouse.com/docs/interfaces/http). What does not: how a
request becomes chDB calls (clickhouse_requests.py), and tables
(speed_layer/realtime.py).

    python -m ecommerce_platform.stand_ins.clickhouse_server --data-dir data --port 8123
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import zlib
from base64 import b64decode
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler
from types import FrameType
from urllib.parse import parse_qsl, urlsplit

from ecommerce_platform.stand_ins.access import Gate
from ecommerce_platform.stand_ins.clickhouse_requests import Answer, ChdbEngine, ClickHouseError, Request
from ecommerce_platform.stand_ins.server_process import HttpServer, run_server
from ecommerce_platform.stand_ins.server_state import EmbeddedServerError, ServerFiles, ServerKind

_REFUSED = {"X-ClickHouse-Exception-Code": "516"}


class _Handler(BaseHTTPRequestHandler):
    """One client connection."""

    protocol_version = "HTTP/1.1"
    # Small answers must not wait for the client's delayed acknowledgement (40 ms each).
    disable_nagle_algorithm = True
    engine: ChdbEngine
    gate: Gate

    def do_GET(self) -> None:
        self._handle(reads_only=True)

    def do_POST(self) -> None:
        self._handle(reads_only=False)

    def _handle(self, *, reads_only: bool) -> None:
        url = urlsplit(self.path)
        arguments = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path in ("/ping", "/replicas_status"):
            # Asked by name of a pod's address, and of everybody: it says whether statements are answered, nothing else.
            self._send_ping()
            return
        if refusal := self._refusal(arguments):
            # What follows on this connection is not read: the body may be of any size.
            self.close_connection = True
            self._send(403, Answer(f"Code: 516. DB::Exception: {refusal}\n".encode(), "TabSeparated", _REFUSED))
            return
        try:
            body = self._body()
            if self.headers.get_content_type() == "multipart/form-data":
                # The client's way of sending parameters that are too long for an address.
                arguments |= _form_fields(self.headers["Content-Type"], body)
                body = b""
        except ClickHouseError as error:
            self._send_error(error)
            return
        try:
            answer = self.engine.run(Request(arguments, body, reads_only))
        except ClickHouseError as error:
            self._send_error(error)
        else:
            self._send(200, answer)

    def _send_ping(self) -> None:
        if self.engine.is_stuck():
            self._send(503, Answer(b"a statement has been running for longer than it may\n", "TabSeparated"))
        else:
            self._send(200, Answer(b"Ok.\n", "TabSeparated"))

    def _refusal(self, arguments: dict[str, str]) -> str | None:
        """Why this client is not answered; the password comes in any of the interface's three ways."""
        if refusal := self.gate.refusal(self.headers.get("Host"), self.headers.get("Origin")):
            return refusal
        given = self.headers.get("X-ClickHouse-Key") or arguments.get("password") or _basic_password(self.headers)
        if self.gate.admits(given):
            return None
        return (
            "Authentication failed: the password is in the file run/token of the data directory (any user name will do). "
            "(AUTHENTICATION_FAILED)"
        )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            raw = self._chunks()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return _decompressed(raw, self.headers.get("Content-Encoding"))

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def _send_error(self, error: ClickHouseError) -> None:
        answer = Answer(f"{error}\n".encode(), "TabSeparated", {"X-ClickHouse-Exception-Code": str(error.code)})
        self._send(500, answer)

    def _send(self, status: int, answer: Answer) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("X-ClickHouse-Server-Display-Name", "chdb")
        self.send_header("X-ClickHouse-Format", answer.format)
        self.send_header("X-ClickHouse-Timezone", self.engine.time_zone)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Requests are not logged: they hold data."""


def _basic_password(headers: Message) -> str | None:
    scheme, _, encoded = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(encoded).decode().partition(":")[2]
    except ValueError:
        return None


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in form.walk():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() or (isinstance(name, str) and name.endswith(("_structure", "_format", "_types"))):
            raise ClickHouseError(48, "the ClickHouse stand-in takes no external tables; insert into a temporary table")
        value = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            fields[name] = value.decode()
    return fields


def _decompressed(body: bytes, encoding: str | None) -> bytes:
    match encoding:
        case None | "" | "identity":
            return body
        case "gzip" | "deflate":
            return zlib.decompress(body, wbits=zlib.MAX_WBITS | 32)
        case "lz4":
            import lz4.frame

            return bytes(lz4.frame.decompress(body))
        case "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    raise ClickHouseError(
        48, f"the ClickHouse stand-in cannot read Content-Encoding {encoding!r}; use lz4, zstd or gzip"
    )


def serve(files: ServerFiles, listener: socket.socket, gate: Gate, ready: Callable[[], None]) -> None:
    """Serve ClickHouse's HTTP interface on the socket until SIGTERM."""
    try:
        inserts = files.run_dir / "clickhouse-inserts"
        engine = ChdbEngine(files.storage_dir, inserts)
        # chDB takes the name of a table that is not there for that of a file of the working directory.
        os.chdir(inserts)
    except ClickHouseError as error:
        raise EmbeddedServerError(
            f"{files.storage_dir} cannot be opened ({error}); another program may have it open: end that program"
        ) from error
    server = HttpServer(listener, type("Handler", (_Handler,), {"engine": engine, "gate": gate}))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    # chDB sets handlers of its own when it opens, so ours come after.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    ready()
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(run_server(ServerKind.CLICKHOUSE, serve))
