"""Who may use a stand-in: a random token for each data directory, and nothing that a web page can send.

What belongs here: the token's file, and what both servers ask of a request before they read it. What does not: protocols.

A server on the loopback address is within reach of every user of the machine and of every page that is open in a browser. A page
cannot leave out its `Origin`, and a name that it made point here (DNS rebinding) stays in `Host`.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TOKEN_FILE = "token"  # noqa: S105 (a file's name)
_PORT = re.compile(r":\d+\Z")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


def read_or_create_token(run_dir: Path) -> str:
    """The token of the data directory whose `run` folder this is; made on first use, in a file that only its owner reads.

    Processes that ask at once get the same token. Raises OSError when the folder cannot be written.
    """
    path = run_dir / TOKEN_FILE
    if not path.exists():
        draft = run_dir / f".{TOKEN_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            # A hard link never replaces a token that another process has made meanwhile.
            with suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink()
    return path.read_text()


@dataclass(frozen=True)
class Gate:
    """What a server asks of each request. `hosts` are the names beside the loopback's under which it may be called."""

    password: str = field(repr=False)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, password: str, hosts: Iterable[str] = ()) -> Gate:
        return cls(password, _LOOPBACK_HOSTS | {host.lower() for host in hosts})

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Why a request with these headers is refused, or None. A request without a password is another matter."""
        if origin is not None:
            return "requests of web pages are refused (Origin)"
        if _PORT.sub("", (host or "").lower()) not in self.hosts:
            return "this server is not called by that name (Host)"
        return None

    def admits(self, password: str | None) -> bool:
        """Whether the password is this data directory's token."""
        return password is not None and hmac.compare_digest(password.encode(), self.password.encode())
