"""Something between the client and Snowflake that stops answering, or answers with errors, on request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

_ERROR = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Mode(Enum):
    FORWARD = "forward"
    SILENT = "silent"
    ERRORS = "errors"


class Proxy:
    """Forwards TCP to a server. Silent: takes requests and gives no answer. Errors: answers each with HTTP 503."""

    def __init__(self, host: str, port: int) -> None:
        self.mode = Mode.FORWARD
        self.refused = 0
        self.errors_left: int | None = None
        self._target = (host, port)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(self._target) as server:
            self._sockets.append(server)
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
            try:
                self._forward(client, server)
            finally:
                # The server hears of it only so: the other thread still reads, and that keeps a closed socket open.
                server.shutdown(socket.SHUT_RDWR)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(1 << 16):
            if self.mode is Mode.SILENT:
                self.refused += 1
            elif self.mode is Mode.ERRORS and self._takes_an_error():
                self.refused += 1
                client.sendall(_ERROR)
                client.close()
                return
            else:
                server.sendall(data)

    def _takes_an_error(self) -> bool:
        if self.errors_left is None:
            return True
        self.errors_left -= 1
        return self.errors_left >= 0

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                each.close()


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
