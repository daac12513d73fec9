"""A webhook receiver on this machine that does what a test tells it: well, slow, 500s, rejections, or not there at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """`answer` is the status it gives; `hold` keeps it from answering until it is set."""

    port: int = 0
    answer: int = 200
    location: str = ""
    hold: threading.Event = field(default_factory=threading.Event)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for body in self.bodies]


@contextmanager
def receiver(known: Receiver | None = None) -> Iterator[Receiver]:
    """Serves; a `known` one comes back on its old port."""
    found = known or Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.attempts += 1
            found.hold.wait(30)
            if found.answer < 300:
                found.bodies.append(json.loads(body))
                found.headers.append(dict(self.headers))
            try:
                self.send_response(found.answer)
                if found.location:
                    self.send_header("Location", found.location)
                self.end_headers()
            except OSError:
                pass

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", found.port), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
