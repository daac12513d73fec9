"""What the server processes have in common: arguments, the listening socket, and how errors at start are reported.

What belongs here: the frame around a stand-in's own main function. What does not: any protocol.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ecommerce_platform.stand_ins.access import Gate
from ecommerce_platform.stand_ins.server_state import EmbeddedServerError, ServerFiles, ServerKind

#: Serves on the socket until it is asked to end; calls the last argument once when ready.
Serve = Callable[[ServerFiles, socket.socket, Gate, Callable[[], None]], None]

_WATCH_SECONDS = 2.0


class HttpServer(ThreadingHTTPServer):
    """Answers on a socket that listens already, each client in a thread of its own."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are not news; anything else belongs in the log."""
        if not isinstance(sys.exception(), ConnectionError):
            logging.getLogger(__name__).exception("a request of %s failed", client_address)


def run_server(kind: ServerKind, serve: Serve, arguments: Sequence[str] | None = None) -> int:
    """Run one server in this process until SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m ecommerce_platform.stand_ins.{kind}_server")
    parser.add_argument("--data-dir", type=Path, required=True, help=f"data is kept in its folder {kind}/")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 in a container")
    parser.add_argument("--name", action="append", default=[], help="a further host name under which clients call it")
    parser.add_argument("--password-from", metavar="VARIABLE", help="environment variable; default: the file run/token")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    files = ServerFiles(options.data_dir.expanduser().resolve(), kind)
    try:
        with files.hold(), _listen(kind, options.host, options.port) as listener:
            _end_with_the_folder(files)
            port = listener.getsockname()[1]
            gate = Gate.of(_password(files, options.password_from), [*options.name, options.host])
            serve(files, listener, gate, lambda: files.write_state(options.host, port))
    except EmbeddedServerError as error:
        print(f"{kind.label}: {error}", file=sys.stderr)
        return 1
    return 0


def _password(files: ServerFiles, variable: str | None) -> str:
    if variable is None:
        return files.token()
    if password := os.environ.get(variable):
        return password
    raise EmbeddedServerError(f"the environment variable {variable} is empty; expected the password of this server")


def _end_with_the_folder(files: ServerFiles) -> None:
    """End this process when its data directory is deleted: nobody could find it any more to end it."""
    ours = files.lock_path.stat().st_ino

    def watch() -> None:
        while True:
            time.sleep(_WATCH_SECONDS)
            try:
                inode = files.lock_path.stat().st_ino
            except OSError:
                inode = None
            if inode != ours:
                logging.getLogger(__name__).warning("%s is gone or another's; ending", files.lock_path)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=watch, daemon=True).start()


def _listen(kind: ServerKind, host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio turns off Nagle's algorithm only then: 45 ms of every answer otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise EmbeddedServerError(
            f"port {port} on {host} cannot be used ({error.strerror}); end what listens there, or choose another port "
            f"(0 takes a free one) for the {kind.label}"
        ) from error
    listener.listen(128)
    return listener
