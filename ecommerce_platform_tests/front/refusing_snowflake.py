"""Snowflake as a role without grants sees it: each login succeeds, each statement is refused."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFUSED = "SQL access control error: Insufficient privileges to operate on database 'ECOMMERCE_DW'"
_LOGIN = {
    "token": "token",
    "masterToken": "master",
    "validityInSeconds": 3600,
    "masterValidityInSeconds": 14400,
    "sessionId": 1,
    "parameters": [{"name": "AUTOCOMMIT", "value": True}],
    "sessionInfo": {"databaseName": "ECOMMERCE_DW", "schemaName": "RAW", "warehouseName": "W", "roleName": "R"},
}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            gzip.decompress(body)
        if self.path.startswith("/queries/v1/query-request"):
            self._answer({"sqlState": "42501", "queryId": "1"}, False, "003001", REFUSED)
        else:
            self._answer(_LOGIN if "login-request" in self.path else {}, True, None, None)

    def do_GET(self) -> None:
        self._answer({}, True, None, None)

    def _answer(self, data: dict[str, Any], success: bool, code: str | None, message: str | None) -> None:
        body = json.dumps({"data": data, "success": success, "code": code, "message": message}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """A test's output is not an access log."""


@contextmanager
def refusing_snowflake() -> Iterator[int]:
    """The port that it listens on, on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
