"""A webhook receiver on this machine that behaves as a test asks: well, slow, 500s, rejections, or not there at all."""

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
    kept = known or Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.attempts += 1
            kept.hold.wait(30)
            if kept.answer < 300:
                kept.bodies.append(json.loads(body))
                kept.headers.append(dict(self.headers))
            try:
                self.send_response(kept.answer)
                if kept.location:
                    self.send_header("Location", kept.location)
                self.end_headers()
            except OSError:
                pass

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", kept.port), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        kept.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
