"""A statement that takes longer than a client waits for an answer: it runs once, and its result arrives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.stand_ins.snowflake_shims import running
from ecommerce_platform.stand_ins.snowflake_shims.sessions import Scope, Sessions

TOKEN = "one"


class Server:
    """An application that takes its time, and what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "ANSWER_SECONDS", 0.05)
        self.asked: list[str] = []
        self.may_end = asyncio.Event()
        sessions = Sessions()
        dict.__setitem__(sessions, TOKEN, object())
        self.application = running.answered_in_time(self._slow, sessions)

    async def _slow(self, scope: Scope, receive: Any, send: Any) -> None:
        self.asked.append((await receive())["body"].decode())
        await self.may_end.wait()
        body = json.dumps({"success": True, "data": self.asked[-1]}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def ask(self, path: str, query: str = "", body: str = "", token: str = TOKEN) -> Any:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body.encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f'Snowflake Token="{token}"'.encode())]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": headers}
        await self.application(scope, receive, send)
        return json.loads(b"".join(message.get("body", b"") for message in sent))

    async def statement(self, request_id: str, sql: str) -> Any:
        return await self.ask("/queries/v1/query-request", f"requestId={request_id}", sql)


def test_a_long_statement_is_answered_with_where_its_result_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trial() -> None:
        server = Server(monkeypatch)
        first = await server.statement("a", "insert")
        assert first["code"] == "333333"
        url = first["data"]["getResultUrl"]
        assert (await server.ask(url))["code"] == "333333"
        server.may_end.set()
        assert await server.ask(url) == {"success": True, "data": "insert"}
        assert server.asked == ["insert"]

    asyncio.run(trial())


def test_a_statement_that_is_sent_again_runs_once_and_the_next_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trial() -> None:
        server = Server(monkeypatch)
        assert (await server.statement("a", "insert"))["code"] == "333333"
        server.may_end.set()
        assert (await server.statement("a", "insert"))["data"] == "insert"
        # Its answer was lost.
        assert (await server.statement("a", "insert"))["data"] == "insert"
        assert (await server.statement("b", "delete"))["data"] == "delete"
        assert server.asked == ["insert", "delete"]

    asyncio.run(trial())


def test_another_session_does_not_get_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trial() -> None:
        server = Server(monkeypatch)
        url = (await server.statement("a", "insert"))["data"]["getResultUrl"]
        server.may_end.set()
        # It reaches the application, which knows no such address.
        assert await server.ask(url, body="asked", token="two") == {"success": True, "data": "asked"}

    asyncio.run(trial())


@pytest.mark.soak
def test_the_connector_waits_for_a_statement_of_more_than_a_minute(
    open_session: Callable[..., SnowflakeConnection],
) -> None:
    """The connector sends a statement again after a minute without an answer: as the one before is at work, it fails then."""
    with open_session(network_timeout=None) as session:
        cursor = session.cursor()
        cursor.execute("create or replace table RAW.LONG_STATEMENT (counted number)")
        cursor.execute(
            """
            insert into RAW.LONG_STATEMENT
            with recursive numbers as (
                select 1 as number
                union all
                select number + 1 from numbers where number < 16000000
            )
            select count(*) from numbers
            """
        )
        assert cursor.execute("select * from RAW.LONG_STATEMENT").fetchall() == [(16000000,)]
        cursor.execute("drop table RAW.LONG_STATEMENT")
