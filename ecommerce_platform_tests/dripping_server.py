"""A server that takes every connection and then answers one byte now and then, or nothing at all, and never ends its answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: The beginning of an answer in HTTP, whose headers never end.
HTTP = b"HTTP/1.1 200 OK\r\nX-Slow: "


@contextmanager
def dripping(first: bytes = HTTP, every: float = 0.2) -> Iterator[int]:
    """Its port. `first` is sent at once, then `x` for ever; nothing at all when it is empty."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                if first:
                    connection.recv(65536)
                    connection.sendall(first)
                while not over.wait(every):
                    if first:
                        connection.sendall(b"x")

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not over.is_set():
                    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
