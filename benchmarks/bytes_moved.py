"""Bytes that this process has received over sockets, for contenders in any environment (standard library only).

What belongs here: counting. Count from the moment that `install` is called; both stand-ins speak plain HTTP.
"""

from __future__ import annotations

import socket
from typing import Any

_received = 0


def install() -> None:
    """Count what arrives at every socket of this process from now on."""
    into, plain = socket.socket.recv_into, socket.socket.recv

    def recv_into(self: socket.socket, *arguments: Any) -> int:
        global _received
        size = into(self, *arguments)
        _received += size
        return size

    def recv(self: socket.socket, *arguments: Any) -> bytes:
        global _received
        data = plain(self, *arguments)
        _received += len(data)
        return data

    socket.socket.recv_into = recv_into  # type: ignore[assignment, method-assign]
    socket.socket.recv = recv  # type: ignore[assignment, method-assign]


def received() -> int:
    """Bytes so far."""
    return _received
