"""Connections that fail, or let something happen, at a chosen statement: the real connection is behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.sql.connection import connect

#: Called before (after=False) and after (after=True) each statement with its number from 0 and its text.
Hook = Callable[[int, str, bool], None]


class Crash(BaseException):
    """The process ends here: no handler of errors runs."""


class WatchedConnection:
    """The session of a client that calls `hook` around each statement. After a Crash nothing more reaches the server but
    the end of the session, as when the server notices that the client has gone."""

    def __init__(self, settings: Settings, hook: Hook) -> None:
        self._real = connect(settings)
        self._hook = hook
        self._statements = 0
        self._dead = False

    def cursor(self) -> Any:
        return _WatchedCursor(self)

    def close(self) -> None:
        self._real.close()

    def is_closed(self) -> bool:
        return self._real.is_closed()

    def __enter__(self) -> WatchedConnection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, cursor: Any, sql: str, parameters: object) -> None:
        if self._dead:
            raise Crash("nothing runs in a process that has ended")
        number, self._statements = self._statements, self._statements + 1
        try:
            self._hook(number, sql, False)
            cursor.execute(sql, parameters)
            self._hook(number, sql, True)
        except Crash:
            self._dead = True
            self._real.cursor().execute("rollback")
            raise


class _WatchedCursor:
    def __init__(self, connection: WatchedConnection) -> None:
        self._connection = connection
        self._real = connection._real.cursor()

    def execute(self, sql: str, parameters: object = None) -> None:
        self._connection.run(self._real, sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
