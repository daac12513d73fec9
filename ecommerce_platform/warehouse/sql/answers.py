"""A limit of the whole time that a statement of Snowflake may take: queue, execution, and its answer to the last byte.

What belongs here: giving a statement up, and its session with it. What does not: how long (settings), and Snowflake's own limits
(connection.py).

Snowflake ends a statement that runs too long, but an answer that drips, byte after byte, holds a client forever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from ecommerce_platform.settings.sections import SnowflakeSettings
from ecommerce_platform.time_limits import TimeLimitError, within
from ecommerce_platform.warehouse.sql.connection import StatementUnanswered

Result = TypeVar("Result")
#: For rows to travel, after the longest wait and the longest run that Snowflake allows.
_TRANSFER_SECONDS = 3600


def limit_answers(connection: SnowflakeConnection, snowflake: SnowflakeSettings) -> SnowflakeConnection:
    """The same connection, whose statements raise StatementUnanswered when their answer has no end in time."""
    seconds = snowflake.answer_seconds or (
        snowflake.statement_timeout_seconds + snowflake.queue_timeout_seconds + _TRANSFER_SECONDS
    )
    limited = type("LimitedCursor", (_LimitedCursor,), {"limit": float(seconds)})
    opened = connection.cursor

    def cursor(cursor_class: type[Any] = limited) -> Any:
        return opened(limited if cursor_class is SnowflakeCursor else cursor_class)

    connection.cursor = cursor  # type: ignore[method-assign]
    return connection


class _LimitedCursor(SnowflakeCursor):
    """A cursor whose calls share the time of one statement; the time between them is its user's."""

    limit: ClassVar[float]
    _left: float = 0
    _inside: bool = False

    def execute(self, *arguments: Any, **named: Any) -> Any:
        if not self._inside:
            self._left = self.limit
        return self._in_time(lambda: SnowflakeCursor.execute(self, *arguments, **named))

    def fetchone(self) -> Any:
        return self._in_time(lambda: SnowflakeCursor.fetchone(self))

    def fetchmany(self, size: int | None = None) -> Any:
        return self._in_time(lambda: SnowflakeCursor.fetchmany(self, size))

    def fetchall(self) -> Any:
        return self._in_time(lambda: SnowflakeCursor.fetchall(self))

    def _in_time(self, action: Callable[[], Result]) -> Result:
        if self._inside:  # the connector's methods call each other
            return action()
        started = time.monotonic()
        self._inside = True
        try:
            return within(self._left, action, "snowflake-statement")
        except TimeLimitError as error:
            _give_up(self.connection)
            raise StatementUnanswered(
                f"Snowflake gave no whole answer to a statement within {self.limit:g} s, and its session is given up; look at "
                "the network and at Snowflake's query history, or raise ECOMMERCE_SNOWFLAKE__ANSWER_SECONDS"
            ) from error
        finally:
            self._inside = False
            self._left = max(0.0, self._left - (time.monotonic() - started))


def _give_up(connection: SnowflakeConnection) -> None:
    """Closed without a logout: no later statement, a rollback least of all, may wait behind the one that has no end."""
    connection._cancel_heartbeat()
    connection._rest = None
