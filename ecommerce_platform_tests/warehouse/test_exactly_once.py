"""A day is in RAW exactly once, whatever happens: crashes, lost answers, conflicts, two runs at once, corrupted rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import OperationalError

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.days import load_table
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.outcome import TableLoad
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.faults import Crash, Hook, WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, event, events, publish

ORDERS = load_contracts()["orders"]


def load_watched(settings: Settings, days: list[date], hook: Hook) -> TableLoad:
    """A load whose connections call the hook around each statement; numbers go on over reconnections."""
    return load_table(LoadSource.of(settings), lambda: WatchedConnection(settings, hook), ORDERS, days, RUN)  # type: ignore[arg-type]


def once(action: Callable[[], None], word: str, after: bool = False) -> Hook:
    """A hook that acts the first time a statement that begins with `word` is reached."""
    done = threading.Event()

    def hook(number: int, sql: str, is_after: bool) -> None:
        if sql.startswith(word) and is_after is after and not done.is_set():
            done.set()
            action()

    return hook


def raw_rows(connection: SnowflakeConnection, table: str = "RAW.ORDERS") -> list[tuple[Any, ...]]:
    return fetch_all(connection, f"select date, id, status, batch_id from {table} order by date, id, batch_id")


def raise_lost_connection() -> None:
    raise OperationalError(msg="the connection was lost", errno=250003)


def raise_crash() -> None:
    raise Crash


def statements_of_a_reload(settings: Settings) -> int:
    """How many statements the load of a day that was loaded before takes."""
    seen: list[str] = []
    publish(settings, "orders", {day(100): events(ORDERS, day(100), 2)})
    load_watched(settings, [day(100)], lambda *_: None)
    publish(settings, "orders", {day(100): events(ORDERS, day(100), 3)})
    load_watched(settings, [day(100)], lambda number, sql, after: None if after else seen.append(sql))
    assert seen[-2].startswith("commit"), seen
    return len(seen)


@pytest.mark.slow
def test_a_crash_before_or_after_any_statement_is_mended_by_running_again(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    # After one statement is before the next: only the very first needs both sides.
    boundaries = [(0, False), *((number, True) for number in range(statements_of_a_reload(settings)))]
    days = [day(number) for number in range(1, len(boundaries) + 1)]
    publish(settings, "orders", {on: [event(ORDERS, on, 1, status="old")] for on in days})
    old = {row.day: row.batch_id for row in load(days=days).loaded}
    publish(settings, "orders", {on: [event(ORDERS, on, 1, status="new"), event(ORDERS, on, 2)] for on in days})

    new: dict[date, str] = {}
    for on, boundary in zip(days, boundaries, strict=True):

        def hook(number: int, sql: str, after: bool, boundary: tuple[int, bool] = boundary) -> None:
            if (number, after) == boundary:
                raise Crash

        with pytest.raises(Crash):
            load_watched(settings, [on], hook)
        states = {row[2] for row in raw_rows(connection) if row[0] == on and row[1] == 1}
        assert states in ({"old"}, {"new"}), f"half a load is visible after a crash at {boundary}"
        new[on] = load(days=[on]).loaded[0].batch_id

    expected = [row for on in days for row in ((on, 1, "new", new[on]), (on, 2, "status 2", new[on]))]
    assert [row for row in raw_rows(connection) if row[0] in days] == expected
    assert [row for row in raw_rows(connection, "RAW.SUPERSEDED_ORDERS") if row[0] in days] == [
        (on, 1, "old", old[on]) for on in days
    ]
    ledger = fetch_all(connection, "select date, batch_id, row_count from RAW.LOAD_LEDGER order by date")
    assert [row for row in ledger if row[0] in days] == [(on, new[on], 2) for on in days]


@pytest.mark.parametrize("word", ["select", "create", "put", "copy", "begin", "update", "delete", "insert", "commit"])
def test_a_connection_lost_at_a_statement_is_made_up_for_by_the_same_load(
    word: str, settings: Settings, connection: SnowflakeConnection
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})

    result = load_watched(settings, [day(1)], once(raise_lost_connection, word))

    assert [row.day for row in result.loaded] == [day(1)]
    assert [row[1] for row in raw_rows(connection)] == [1, 2]


def test_a_lost_answer_to_commit_is_answered_by_the_ledger(settings: Settings, connection: SnowflakeConnection) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})

    result = load_watched(settings, [day(1)], once(raise_lost_connection, "commit", after=True))

    assert result.loaded[0].already_loaded
    assert [row[1] for row in raw_rows(connection)] == [1, 2]
    assert fetch_all(connection, "select count(*) from RAW.LOAD_LEDGER") == [(1,)]


def test_two_loads_of_a_day_at_once_leave_one_copy(settings: Settings, connection: SnowflakeConnection) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})
    both_have_planned = threading.Barrier(2, timeout=60)

    def run(_: int) -> TableLoad:
        return load_watched(settings, [day(1)], once(lambda: void(both_have_planned.wait()), "begin"))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, range(2)))

    assert sorted(result.loaded[0].already_loaded for result in results) == [False, True]
    assert [row[1] for row in raw_rows(connection)] == [1, 2]
    assert raw_rows(connection, "RAW.SUPERSEDED_ORDERS") == []


def void(_: object) -> None:
    """For lambdas that must return nothing."""


def test_older_content_never_replaces_newer(settings: Settings, connection: SnowflakeConnection, load: Any) -> None:
    publish(settings, "orders", {day(1): [event(ORDERS, day(1), 1, status="older")]})

    def another_run_publishes_and_loads() -> None:
        publish(settings, "orders", {day(1): [event(ORDERS, day(1), 1, status="newer")]})
        load(days=[day(1)])

    load_watched(settings, [day(1)], once(another_run_publishes_and_loads, "begin"))

    assert [row[2] for row in raw_rows(connection)] == ["newer"]


def test_a_day_that_does_not_arrive_intact_is_named_and_the_others_are_loaded(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    publish(settings, "orders", {day(1): [event(ORDERS, day(1), 1)]})
    load(days=[day(1)])
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3), day(2): [event(ORDERS, day(2), 9)]})
    watched: list[WatchedConnection] = []

    def corrupt(number: int, sql: str, after: bool) -> None:
        if after and sql.startswith('insert into RAW."ORDERS"'):
            watched[-1]._real.cursor().execute("update RAW.ORDERS set status = 'other' where id = 3")

    def open_connection() -> WatchedConnection:
        watched.append(WatchedConnection(settings, corrupt))
        return watched[-1]

    result = load_table(LoadSource.of(settings), open_connection, ORDERS, [day(1), day(2)], RUN)  # type: ignore[arg-type]

    assert list(result.failed) == [day(1)]
    assert "Iceberg has 3 rows" in result.failed[day(1)]
    assert [row.day for row in result.loaded] == [day(2)]
    assert [row[:2] for row in raw_rows(connection)] == [(day(1), 1), (day(2), 9)]
    assert raw_rows(connection, "RAW.SUPERSEDED_ORDERS") == []


_KILLED_IN_TRANSACTION = """
import os, signal, sys
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.warehouse import test_exactly_once as here
from ecommerce_platform_tests.warehouse.lake import day
settings = Settings.model_validate_json(sys.argv[1])
kill = here.once(lambda: os.kill(os.getpid(), signal.SIGKILL), "delete", after=True)
here.load_watched(settings, [day(1)], kill)
"""


def test_a_killed_process_leaves_nothing_behind_that_stops_the_next_load(
    settings: Settings, connection: SnowflakeConnection, load: Any, embedded_only: None
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})
    load(days=[day(1)])
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)})

    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_IN_TRANSACTION, settings.model_dump_json()],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=120,
    )

    assert killed.returncode == -signal.SIGKILL
    assert [row[1] for row in raw_rows(connection)] == [1, 2]
    load(days=[day(1)])
    assert [row[1] for row in raw_rows(connection)] == [1, 2, 3]
    assert [row[1] for row in raw_rows(connection, "RAW.SUPERSEDED_ORDERS")] == [1, 2]
