"""Servers that answer one byte now and then, or nothing at all; of their own, or in front of a real one."""

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
    """Its port. `first` is sent at once, then `x` forever; nothing at all when it is empty."""
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


@contextmanager
def dripping_in_front_of(port: int, every: float = 0.2) -> Iterator[tuple[int, threading.Event]]:
    """Another port of the server at `port`, and an event: once it is set, answers come byte after byte."""
    slow, over = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def forward(source: socket.socket, target: socket.socket, answers: bool) -> None:
            with contextlib.suppress(OSError):
                while piece := source.recv(65536):
                    drips = answers and slow.is_set()
                    for start in range(0, len(piece), 1 if drips else len(piece)):
                        if drips and over.wait(every):
                            return
                        target.sendall(piece[start : start + 1] if drips else piece)
            for side in (source, target):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not over.is_set():
                    client = server.accept()[0]
                    real = socket.create_connection(("127.0.0.1", port))
                    for ends in ((client, real, False), (real, client, True)):
                        threading.Thread(target=forward, args=ends, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1], slow
        finally:
            over.set()
