"""Sessions whose client has gone: their open transactions are rolled back.

A client that is killed leaves its rows locked for every later load; Snowflake ends such sessions in time. What belongs here:
which session a client connection serves, and ending it. What does not: statements.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from ecommerce_platform.stand_ins.snowflake_shims import transactions
from ecommerce_platform.stand_ins.snowflake_shims.pipeline import fakesnow_server

#: A statement is ended after so long, whoever waits for it (Snowflake's STATEMENT_TIMEOUT_IN_SECONDS).
STATEMENT_SECONDS = 3600.0
#: A client may come back on another connection within this time.
GRACE_SECONDS = 3.0
#: Sessions without a client that are kept because nothing of theirs is open.
_KEPT_IDLE_SESSIONS = 100
_LOGIN = "/session/v1/login-request"
_fakesnow_login = fakesnow_server.login_request
_TOKEN = re.compile(rb'Token="([^"]+)"')

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


class Sessions(dict[str, Any]):
    """fakesnow's sessions by token, closing what is removed."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[str, tuple[str, int]] = {}
        self._busy: dict[str, int] = {}
        self._without_client: OrderedDict[str, None] = OrderedDict()

    def __delitem__(self, token: str) -> None:
        session = self.pop(token)
        self._clients.pop(token, None)
        self._without_client.pop(token, None)
        session._duck_conn.close()

    def close(self) -> None:
        """Close every session; what is open in them is rolled back."""
        for token in list(self):
            del self[token]

    def request_starts(self, token: str, client: tuple[str, int]) -> None:
        """Note which connection the session's latest request came by."""
        self._clients[token] = client
        self._without_client.pop(token, None)
        self._busy[token] = self._busy.get(token, 0) + 1

    def interrupt(self, token: str) -> None:
        """End what the session is running; its client learns so as of a failed statement."""
        if (session := self.get(token)) is not None:
            session._duck_conn.interrupt()

    def request_ends(self, token: str) -> None:
        self._busy[token] -= 1
        if not self._busy[token]:
            del self._busy[token]

    def client_lost(self, client: tuple[str, int]) -> None:
        """End, after the grace time, the sessions that this connection served last and that have work open."""
        for token in [token for token, last in self._clients.items() if last == client]:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._end_unless_back, token, client)

    def _end_unless_back(self, token: str, client: tuple[str, int]) -> None:
        session = self.get(token)
        if session is None or self._clients.get(token) != client:
            return
        if token in self._busy:
            session._duck_conn.interrupt()
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._end_unless_back, token, client)
        elif transactions.is_open(session):
            del self[token]
        else:
            self._without_client[token] = None
            while len(self._without_client) > _KEPT_IDLE_SESSIONS:
                del self[next(iter(self._without_client))]


def token_of(scope: Scope) -> str | None:
    """The token of the session that a request belongs to."""
    match = _TOKEN.search(dict(scope.get("headers") or ()).get(b"authorization", b""))
    return match[1].decode() if match else None


def tracked(application: Application, sessions: Sessions) -> Application:
    """The application, telling the sessions of each request's client and token."""

    async def handle(scope: Scope, receive: Any, send: Any) -> None:
        token = token_of(scope)
        if token is None or token not in sessions or not scope.get("client"):
            await application(scope, receive, send)
            return
        sessions.request_starts(token, tuple(scope["client"]))
        limit = asyncio.get_running_loop().call_later(STATEMENT_SECONDS, sessions.interrupt, token)
        try:
            await application(scope, receive, send)
        finally:
            limit.cancel()
            sessions.request_ends(token)

    return handle


def protocol(sessions: Sessions) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, telling the sessions of each connection that ends."""

    class Protocol(H11Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.client is not None:
                host, port = self.client[:2]
                sessions.client_lost((host, port))

    return Protocol


async def login(request: Request) -> Response:
    """fakesnow's login, which forgets the session's QUERY_TAG and role."""
    response: Response = await _fakesnow_login(request)
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    parameters = json.loads(body)["data"].get("SESSION_PARAMETERS") or {}
    token = json.loads(bytes(response.body))["data"]["token"]
    session = fakesnow_server.sessions[token]
    session.query_tag, session.role = (
        parameters.get("QUERY_TAG", ""),
        (request.query_params.get("roleName") or "").upper(),
    )
    return response


def install() -> Sessions:
    """Replace fakesnow's table of sessions, and its login."""
    sessions = Sessions()
    fakesnow_server.sessions = sessions
    routes = fakesnow_server.app.router.routes
    position = next(i for i, route in enumerate(routes) if route.path == _LOGIN)
    routes[position] = Route(_LOGIN, login, methods=["POST"])
    return sessions
