"""Statements that take long: answered in time with "still running", as Snowflake does, and run once however often they are sent.

fakesnow answers when the statement is done. The connector gives up waiting after a minute and sends the statement again, which
would run it beside itself or a second time. What belongs here: when a request is answered. What does not: sessions (sessions.py).

The protocol is that of Snowflake's own drivers: code 333333 with `getResultUrl`, which is asked until it has the result; and
`requestId`, by which a statement that is sent again is known.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ecommerce_platform.stand_ins.snowflake_shims.sessions import Application, Scope, Sessions, token_of

#: An answer comes after so long, if only that the statement is still running. Snowflake takes 45 s; clients wait for 60 s.
ANSWER_SECONDS = 40.0
_STATEMENTS = "/queries/v1/query-request"
_IN_PROGRESS = "333333"

_Messages = list[Any]


@dataclass(frozen=True)
class _Statement:
    """A statement that a session has sent last; the task gives the messages of its answer."""

    request_id: str
    answer: asyncio.Task[_Messages]

    @property
    def result_url(self) -> str:
        return f"/queries/{self.request_id}/result"


def answered_in_time(application: Application, sessions: Sessions) -> Application:
    """The application, whose statements run on while their clients ask for the result.

    A session's last statement is kept until the next one, so that one whose answer was lost is not run again.
    """
    last: dict[str, _Statement] = {}

    async def handle(scope: Scope, receive: Any, send: Any) -> None:
        token, path = token_of(scope), scope.get("path")
        known = last.get(token) if token else None
        if token is not None and token in sessions and path == _STATEMENTS and (request_id := _request_id(scope)):
            if known is None or known.request_id != request_id:
                for ended in last.keys() - sessions.keys():
                    del last[ended]
                body = await Request(scope, receive).body()
                known = _Statement(request_id, asyncio.create_task(_messages(application, scope, body)))
                last[token] = known
        elif known is None or path != known.result_url:
            await application(scope, receive, send)
            return
        await asyncio.wait([known.answer], timeout=ANSWER_SECONDS)
        if not known.answer.done():
            await _still_running(known)(scope, receive, send)
            return
        for message in known.answer.result():
            await send(message)

    return handle


def _request_id(scope: Scope) -> str:
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("requestId", [""])[0]


async def _messages(application: Application, scope: Scope, body: bytes) -> _Messages:
    messages: _Messages = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await application(scope, receive, send)
    return messages


def _still_running(statement: _Statement) -> Response:
    data = {"getResultUrl": statement.result_url, "queryId": statement.request_id}
    return JSONResponse({"data": data, "code": _IN_PROGRESS, "message": "Query execution in progress", "success": True})
