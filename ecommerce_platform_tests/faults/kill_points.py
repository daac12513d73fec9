"""Where a process can be made to die: around every write, audit, commit, statement and event-log entry of the platform.

What belongs here: wrapping the platform's own functions in a process that a test owns, and the kill. What does not: choosing
them (soak.py, test_kills.py). The platform knows nothing of it: `install` replaces functions in the calling process only.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Kill:
    """The process dies when `point` is passed for the n-th time, right before or right after it.

    With `alone` only the Python process dies, and its JVM lives on until it notices.
    """

    point: str
    side: str
    nth: int
    alone: bool = False


class Passages:
    """Counts the points that a process passes, and kills it at the chosen one."""

    def __init__(self, kill: Kill | None = None) -> None:
        self._kill = kill
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()

    def reached(self, point: str) -> None:
        """A moment between two steps: before and after are the same."""
        self._die_at(point, AFTER, self._enter(point))

    def around(self, name: Callable[..., str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Wraps a function; `name` derives the point from its arguments."""

        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def passed(*arguments: Any, **named: Any) -> Any:
                point = name(*arguments, **named)
                number = self._enter(point)
                self._die_at(point, BEFORE, number)
                result = function(*arguments, **named)
                self._die_at(point, AFTER, number)
                return result

            return passed

        return wrap

    def _enter(self, point: str) -> int:
        with self._lock:
            self.seen[point] += 1
            return self.seen[point]

    def _die_at(self, point: str, side: str, number: int) -> None:
        if self._kill and (self._kill.point, self._kill.side, self._kill.nth) == (point, side, number):
            if self._kill.alone:
                os.kill(os.getpid(), signal.SIGKILL)
            os.killpg(0, signal.SIGKILL)


#: The object that holds a function, the function's name there, and the point's name from the call's arguments.
Point = tuple[Any, str, Callable[..., str]]


def platform_points() -> list[Point]:
    """Iceberg commits, Spark writes, SQL statements, event-log and run-log entries."""
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.runs import SqliteRunStorage
    from pyiceberg.catalog.sql import SqlCatalog
    from snowflake.connector.cursor import SnowflakeCursor

    from ecommerce_platform.analytics import compute
    from ecommerce_platform.analytics.follow import buyers, following, incremental
    from ecommerce_platform.lakehouse.ingest import audit, branch_writer, quarantine

    return [
        (SqlCatalog, "commit_table", lambda _, table, *__, **___: f"iceberg commit {table.name()[-1]}"),
        (branch_writer, "write_events", lambda _, __, contract, *___: f"write {contract.table}"),
        (audit, "count_days", lambda _, __, contract, *___: f"audit {contract.table}"),
        (quarantine, "write_rows", fixed("quarantine write")),
        (quarantine, "drop", fixed("quarantine drop")),
        (compute, "replace", lambda _, __, table, *___: f"analytics write {table.name}"),
        (incremental, "replace", lambda _, __, table, *___: f"analytics write {table.name}"),
        (following, "write_state", lambda _, __, contract, *___: f"analytics write latest {contract.table}"),
        (buyers, "write", fixed("analytics write purchases_by_user")),
        (SnowflakeCursor, "execute", lambda _, command, *__, **___: statement_name(command)),
        (SqliteEventLogStorage, "store_event", lambda _, event: f"event log {event.dagster_event_type or 'message'}"),
        (SqliteRunStorage, "handle_run_event", fixed("run log")),
    ]


def fixed(point: str) -> Callable[..., str]:
    """The point has one name, whatever the call's arguments are."""
    return lambda *_, **__: point


def install(passages: Passages, points: Iterable[Point]) -> None:
    """Puts the points into this process."""
    for owner, name, point in points:
        setattr(owner, name, passages.around(point)(getattr(owner, name)))


_NODE = re.compile(r'"node_id":\s*"[a-z_]+\.\w+\.(\w+)')
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TARGET = re.compile(
    r"(insert into|delete from|update|copy into|create \w+|alter \w+|drop \w+)\s+([\w.\"]+)", re.IGNORECASE
)


def statement_name(sql: str) -> str:
    """A statement's kind, target and dbt model, without what differs from run to run."""
    node = _NODE.search(sql)
    text = " ".join(_COMMENT.sub(" ", sql).split()).lower()
    target = _TARGET.match(text)
    words = f"{target[1]} {target[2]}" if target else text.split(" ", 1)[0]
    words = re.sub(r"[0-9a-f]*\d[0-9a-f_]*", "#", words)
    return f"dbt {node[1]}: {words}" if node else f"sql {words}"
