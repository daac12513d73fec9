"""Which requests a web server without passwords may answer: those for its own names, from its own pages.

What belongs here: the decision and the ASGI middleware that asks for it. What does not: the server (server.py).

Dagster's server runs whatever it is asked for, also by GET, and from any page that is open in the same browser. A page of
another site can send a request, but not without `Origin` (POST, web sockets) or as what it is not (GET of an image); one that
lets its own name point at this machine sends that name as `Host`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def refusal(scope: Mapping[str, Any], hosts: frozenset[str]) -> str:
    """Why a request is not answered; empty when it is. `hosts` are names without ports, in lower case."""
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    of = {name: [value for other, value in headers if other == name] for name, _ in headers}
    host = of.get("host", [])
    if len(host) != 1 or _name(f"//{host[0]}") not in hosts | LOOPBACK:
        shown = host[0] if len(host) == 1 else f"{len(host)} names"
        return f"this server does not answer to {shown}; ECOMMERCE_OPERATIONS__UI_HOSTS names what it answers to"
    for origin in of.get("origin", []):
        if not _same(origin, host[0]) and _name(origin) not in hosts:
            return f"a page of {origin} asks; only pages of this server may"
    # Fetch metadata: browsers say from where a request without Origin comes.
    if set(of.get("sec-fetch-site", [])) & {"cross-site", "same-site"} and of.get("sec-fetch-mode") != ["navigate"]:
        return "a page of another site asks; only pages of this server may"
    if scope["type"] == "http" and scope["method"] not in ("POST", "OPTIONS"):
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if scope["path"].rstrip("/").endswith("/graphql") and "query" in asked:
            return "a GraphQL query by GET may write; send it by POST"
    return ""


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _same(origin: str, host: str) -> bool:
    """Whether a page's origin is the server that it asks; a proxy may have changed the scheme on the way."""
    try:
        page = urlsplit(origin)
        default = _DEFAULT_PORTS.get(page.scheme)
        server = urlsplit(f"//{host}")
        ports = page.port or default, server.port or default
    except ValueError:
        return False
    return default is not None and page.hostname == server.hostname and ports[0] == ports[1]


class Door:
    """ASGI middleware: refuses with 403, and a web socket before it opens."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]], hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        reason = refusal(scope, self._hosts) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": f"Refused: {reason}\n".encode()})
