"""RAW that was damaged is named day by day, and is made again from Iceberg, row for row as it was."""

from __future__ import annotations

from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.rebuild import Range, rebuild_raw, rebuild_spark_copies, verify_raw
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.sql.connection import Opener, execute, fetch_all
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.faults import Crash, WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, events, publish

CONTRACTS = load_contracts()
TABLES = ("orders", "order_items")
DAYS = [day(number) for number in (1, 2, 3)]
EVERYTHING = Range()

#: What is done to RAW, and which days of which tables `rebuild --verify` must name.
DAMAGE: dict[str, tuple[tuple[str, ...], set[tuple[str, int]]]] = {
    "rows lost": (("delete from RAW.ORDERS where date = '2026-01-02' and id = 1",), {("orders", 2)}),
    "a day lost": (("delete from RAW.ORDERS where date = '2026-01-03'",), {("orders", 3)}),
    "rows doubled": (
        ("insert into RAW.ORDERS select * from RAW.ORDERS where date = '2026-01-01'",),
        {("orders", 1)},
    ),
    "a value altered": (
        ("update RAW.ORDER_ITEMS set quantity = quantity + 1 where date = '2026-01-02' and id = 2",),
        {("order_items", 2)},
    ),
    "a row moved to another day": (
        ("update RAW.ORDERS set date = '2026-01-03' where date = '2026-01-02' and id = 1",),
        {("orders", 2), ("orders", 3)},
    ),
    "a row's day lost": (("update RAW.ORDERS set date = null where date = '2026-01-02' and id = 1",), {("orders", 2)}),
    "rows of a day that was never published": (
        ("insert into RAW.ORDERS (id, date) select 99, '2026-02-01'::date",),
        {("orders", 32)},
    ),
    "table dropped": (("drop table RAW.ORDERS",), {("orders", 1), ("orders", 2), ("orders", 3)}),
    "superseded table dropped": (("drop table RAW.SUPERSEDED_ORDERS",), set()),
    "ledger emptied": (
        ("delete from RAW.LOAD_LEDGER",),
        {(table, number) for table in TABLES for number in (1, 2, 3)},
    ),
    "ledger dropped": (
        ("drop table RAW.LOAD_LEDGER",),
        {(table, number) for table in TABLES for number in (1, 2, 3)},
    ),
    "ledger row doubled": (
        (
            "insert into RAW.LOAD_LEDGER select * from RAW.LOAD_LEDGER where table_name = 'orders' and date = '2026-01-01'",
        ),
        {("orders", 1)},
    ),
    "ledger row altered": (
        ("update RAW.LOAD_LEDGER set checksum = '0' where table_name = 'orders' and date = '2026-01-01'",),
        {("orders", 1)},
    ),
}


@pytest.fixture
def loaded(settings: Settings, opener: Opener) -> None:
    for table in TABLES:
        publish(settings, table, {on: events(CONTRACTS[table], on, 3) for on in DAYS})
    load_tables(LoadSource.of(settings), opener, TABLES, DAYS, RUN)


def state(connection: SnowflakeConnection) -> dict[str, list[Any]]:
    """RAW and its ledger, row for row, without the load's stamps."""
    rows: dict[str, list[Any]] = {}
    for table in TABLES:
        columns = ddl.names_of([*CONTRACTS[table].all_event_columns]) + ", batch_id"
        rows[table] = fetch_all(connection, f"select {columns} from {ddl.raw_table(table)} order by date, id")
    rows["ledger"] = fetch_all(
        connection, "select table_name, date, batch_id, row_count, checksum from RAW.LOAD_LEDGER order by 1, 2"
    )
    return rows


@pytest.mark.parametrize("kind", spread(DAMAGE, everyday=2, slow=1))
def test_damage_is_named_and_mended(
    kind: str, settings: Settings, opener: Opener, connection: SnowflakeConnection, loaded: None
) -> None:
    statements, named = DAMAGE[kind]
    before = state(connection)
    assert [
        verdict for verdict in verify_raw(LoadSource.of(settings), connection, TABLES, EVERYTHING) if verdict.problem
    ] == []
    for statement in statements:
        execute(connection, statement)

    damage = {
        (verdict.table, (verdict.day - DAYS[0]).days + 1)
        for verdict in verify_raw(LoadSource.of(settings), connection, TABLES, EVERYTHING)
        if verdict.problem
    }
    lines: list[str] = []
    equal = rebuild_raw(LoadSource.of(settings), opener, TABLES, EVERYTHING, "rebuild", lines.append)

    assert damage == named
    assert equal, lines
    assert state(connection) == before
    assert sum(line.startswith("found: ") for line in lines) == len(named)
    assert lines[-1].startswith("RAW compared with Iceberg: 6 of 6 days of 2 tables are equal")


def test_only_the_days_of_the_range_are_touched_and_only_damaged_ones_are_applied_again(
    settings: Settings, opener: Opener, connection: SnowflakeConnection, loaded: None
) -> None:
    execute(
        connection,
        "insert into STAGING.APPLIED_DAYS (table_name, date, batch_id) "
        "select table_name, date, batch_id from RAW.LOAD_LEDGER",
    )
    execute(connection, "update RAW.ORDERS set status = 'other' where id = 1")

    assert rebuild_raw(LoadSource.of(settings), opener, ["orders"], Range(day(2), day(3)), "rebuild", lambda line: None)

    assert fetch_all(connection, "select date from RAW.ORDERS where status = 'other'") == [(day(1),)]
    left = fetch_all(connection, "select date from STAGING.APPLIED_DAYS where table_name = 'orders'")
    assert left == [(day(1),)]
    assert fetch_all(connection, "select count(*) from STAGING.APPLIED_DAYS where table_name = 'order_items'") == [(3,)]
    kept = fetch_all(connection, "select distinct date from RAW.SUPERSEDED_ORDERS order by date")
    assert kept == [(day(2),), (day(3),)]
    rebuild_raw(LoadSource.of(settings), opener, ["orders"], Range(day(2), day(3)), "rebuild", lambda line: None)
    assert fetch_all(connection, "select count(*) from RAW.SUPERSEDED_ORDERS") == [(6,)], "nothing was damaged any more"


@pytest.mark.soak
def test_a_rebuild_that_breaks_off_leaves_each_day_as_it_was_or_mended(
    settings: Settings, connection: SnowflakeConnection, opener: Opener, loaded: None
) -> None:
    before = state(connection)
    for word in ("insert into RAW.SUPERSEDED", "delete from STAGING.APPLIED", 'insert into RAW."ORDERS"', "commit"):
        execute(connection, "delete from RAW.ORDERS where id = 1")
        damaged = state(connection)

        def hook(number: int, sql: str, after: bool, word: str = word) -> None:
            if after and sql.replace('"', "").startswith(word.replace('"', "")):
                raise Crash

        def watched(hook: Any = hook) -> WatchedConnection:
            return WatchedConnection(settings, hook)

        with pytest.raises(Crash):
            rebuild_raw(LoadSource.of(settings), watched, TABLES, EVERYTHING, "rebuild", lambda line: None)  # type: ignore[arg-type]
        content = state(connection)
        assert content == damaged or content["orders"] == before["orders"], f"half a rebuild after {word}"
        assert rebuild_raw(LoadSource.of(settings), opener, TABLES, EVERYTHING, "rebuild", lambda line: None)
        assert state(connection) == before


def test_sparks_copies_come_again_from_iceberg(settings: Settings, opener: Opener) -> None:
    lines: list[str] = []
    rebuild_spark_copies(LoadSource.of(settings), opener, RUN, lines.append)
    assert lines == [
        f"spark_{table}: Spark has not written it yet"
        for table in ("customer_metrics", "product_analytics", "daily_business_metrics")
    ]
