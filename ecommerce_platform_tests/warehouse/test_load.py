"""Loading published days into RAW: what arrives, what replaces what, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.settings import S3Settings, Settings
from ecommerce_platform.warehouse.load.days import load_table, load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource, in_parts
from ecommerce_platform.warehouse.load.verify import measure, problems
from ecommerce_platform.warehouse.sql.connection import Opener, WarehouseError, execute, fetch_all
from ecommerce_platform_tests.s3_server import s3_bucket
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.lake import day, event, events, publish

ORDERS = load_contracts()["orders"]


def ids(connection: SnowflakeConnection, table: str = "RAW.ORDERS") -> list[int]:
    return [row[0] for row in fetch_all(connection, f"select id from {table} order by id")]


def test_every_value_arrives_as_it_was_published(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    full = event(ORDERS, day(1), 7, total_amount=Decimal("-0.05"), shipping_address="ä😀 \\ ' \"\n")
    delete = event(ORDERS, day(1), 8, __op="DELETE") | dict.fromkeys(
        ("user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at", "__source_lsn")
    )
    publish(settings, "orders", {day(1): [full, delete]})

    load(days=[day(1)])

    columns = [column.name for column in ORDERS.all_event_columns]
    rows = fetch_all(connection, f"select {', '.join(columns)} from RAW.ORDERS order by id")
    expected = [
        [value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for value in (row[name] for name in columns)]
        for row in (full, delete)
    ]
    assert [list(row) for row in rows] == expected


def test_a_day_has_its_rows_and_one_ledger_row_with_snapshot_count_and_checksum(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    record = publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)})[day(1)]

    (loaded,) = load(days=[day(1)]).loaded

    assert loaded.batch_id == f"orders-2026-01-01-{record.content_id}"
    ledger = fetch_all(
        connection,
        "select table_name, date, batch_id, iceberg_snapshot_id, row_count, checksum, run_id, loaded_at "
        "from RAW.LOAD_LEDGER",
    )
    assert [row[:7] for row in ledger] == [
        ("orders", day(1), loaded.batch_id, record.snapshot_id, 3, loaded.content.checksum, RUN)
    ]
    stamps = fetch_all(connection, "select distinct batch_id, loaded_at from RAW.ORDERS")
    assert stamps == [(loaded.batch_id, ledger[0][7])]


def test_the_four_tables_load_side_by_side_and_unpublished_days_are_named(
    settings: Settings, connection: SnowflakeConnection, opener: Opener
) -> None:
    contracts = load_contracts()
    for number, (table, contract) in enumerate(contracts.items(), start=1):
        publish(settings, table, {day(1): events(contract, day(1), number)})

    loads = load_tables(LoadSource.of(settings), opener, list(contracts), [day(1), day(2)], RUN)

    assert {table: len(load.loaded) for table, load in loads.items()} == dict.fromkeys(contracts, 1)
    assert {load.not_published for load in loads.values()} == {(day(2),)}
    counts = [fetch_all(connection, f"select count(*) from RAW.{table}")[0][0] for table in contracts]
    assert counts == [1, 2, 3, 4]


def test_loading_the_same_content_again_changes_nothing(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)})
    load(days=[day(1)])
    before = fetch_all(connection, "select * from RAW.ORDERS order by id")

    (again,) = load(days=[day(1)]).loaded

    assert again.already_loaded
    assert fetch_all(connection, "select * from RAW.ORDERS order by id") == before
    assert ids(connection, "RAW.SUPERSEDED_ORDERS") == []


def test_new_content_replaces_the_day_and_keeps_the_old_rows_as_superseded_with_their_batch(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2), day(2): [event(ORDERS, day(2), 50)]})
    first = load(days=[day(1), day(2)]).loaded[0]
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)[1:]})

    second = load(days=[day(1), day(2)]).loaded[0]

    assert ids(connection) == [2, 3, 50]
    assert fetch_all(connection, "select distinct batch_id from RAW.ORDERS where id < 50") == [(second.batch_id,)]
    assert ids(connection, "RAW.SUPERSEDED_ORDERS") == [1, 2]
    assert fetch_all(connection, "select distinct batch_id from RAW.SUPERSEDED_ORDERS") == [(first.batch_id,)]


def test_a_day_without_rows_has_a_ledger_row_and_empties_what_the_day_had(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})
    load(days=[day(1)])
    publish(settings, "orders", {day(1): [], day(2): []})

    load(days=[day(1), day(2)])

    assert ids(connection) == []
    assert ids(connection, "RAW.SUPERSEDED_ORDERS") == [1, 2]
    ledger = fetch_all(connection, "select date, row_count, checksum from RAW.LOAD_LEDGER order by date")
    assert ledger == [(day(1), 0, "0"), (day(2), 0, "0")]


def test_a_long_range_is_loaded_in_several_transactions(
    settings: Settings, connection: SnowflakeConnection, opener: Opener
) -> None:
    publish(settings, "orders", {day(number): [event(ORDERS, day(number), number)] for number in range(1, 6)})
    few = settings.model_copy(update={"snowflake": settings.snowflake.model_copy(update={"days_per_transaction": 2})})

    result = load_table(LoadSource.of(few), opener, ORDERS, [day(number) for number in range(1, 6)], RUN)

    assert len(result.loaded) == 5
    assert ids(connection) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([1, 1, 1, 1, 1], [2, 2, 1]),
        ([0, 0, 1, 0, 1, 0, 1, 0], [6, 2]),
        ([0] * 800, [366, 366, 68]),
    ],
    ids=["none", "full", "few", "empty"],
)
def test_days_without_rows_do_not_count_for_a_transaction(rows: list[int], expected: list[int]) -> None:
    records = [
        DayRecord("orders", day(1) + timedelta(days=number), 1, "content", count, count, 0, 0, 1, 1, RUN)
        for number, count in enumerate(rows)
    ]

    parts = list(in_parts(records, 2))

    assert [len(part) for part in parts] == expected
    assert [record for part in parts for record in part] == records


def test_a_column_added_to_the_contract_is_added_to_raw_and_is_null_for_older_days(
    settings: Settings, connection: SnowflakeConnection, opener: Opener
) -> None:
    channel = Column("sales_channel", LogicalType.TEXT, "Where the order came from.")
    wider = replace(ORDERS, columns=(*ORDERS.columns, channel))
    publish(settings, "orders", {day(1): [event(ORDERS, day(1), 1)]})
    publish(settings, "orders", {day(2): [event(wider, day(2), 2, sales_channel="app")]}, contract=wider)
    contracts = dict(load_contracts()) | {"orders": wider}
    try:
        load_tables(LoadSource.of(settings), opener, ["orders"], [day(1), day(2)], RUN, contracts)

        assert fetch_all(connection, "select id, sales_channel from RAW.ORDERS order by id") == [(1, None), (2, "app")]
        superseded = fetch_all(connection, "select sales_channel from RAW.SUPERSEDED_ORDERS")
        assert superseded == []
    finally:
        for table in ("RAW.ORDERS", "RAW.SUPERSEDED_ORDERS"):
            execute(connection, f"alter table {table} drop column sales_channel")


def test_files_that_do_not_hold_what_the_day_ledger_says_are_refused_by_name(settings: Settings, load: Any) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)}, claimed_rows=4)

    with pytest.raises(WarehouseError, match=r"orders, 2026-01-01.*hold 3 rows, the day ledger says 4"):
        load(days=[day(1)])


@pytest.mark.parametrize("with_checksums", [True, False], ids=["of this release", "of an earlier release"])
def test_a_day_is_loaded_with_and_without_a_checksum_in_the_day_ledger(
    settings: Settings, connection: SnowflakeConnection, load: Any, with_checksums: bool
) -> None:
    days = {day(1): events(ORDERS, day(1), 3), day(2): []}
    published = publish(settings, "orders", days, with_checksums=with_checksums)
    of_other_kind = publish(settings, "orders", {day(3): [event(ORDERS, day(3), 9)]}, with_checksums=not with_checksums)

    result = load(days=[day(1), day(2), day(3)])

    assert result.failed == {}
    assert ids(connection) == [1, 2, 3, 9]
    assert problems(measure(connection, ORDERS, published | of_other_kind, [day(1), day(2), day(3)])) == {}


def test_a_data_file_that_was_changed_since_it_was_published_is_not_loaded_and_is_named(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    record = publish(settings, "orders", {day(1): events(ORDERS, day(1), 3), day(2): [event(ORDERS, day(2), 9)]})[
        day(1)
    ]
    (path,) = Path(settings.lakehouse.warehouse or "").glob("ecommerce/orders/data/date=2026-01-01/*.parquet")
    rows = pq.read_table(path, partitioning=None)
    values = [row | {"status": "changed"} if row["id"] == 2 else row for row in rows.to_pylist()]
    pq.write_table(pa.Table.from_pylist(values, rows.schema), path)

    result = load(days=[day(1), day(2)])

    assert ids(connection) == [9]
    problem = result.failed[day(1)]
    assert f"Iceberg has 3 rows, checksum {record.checksum}; Snowflake got 3 rows, checksum" in problem
    assert "have changed since they were published" in problem
    assert str(path) in problem


def test_the_check_finds_a_day_that_is_not_what_the_day_ledger_says(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    published = publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)}, with_checksums=False)
    load(days=[day(1)])

    of_ledger = {day(1): replace(published[day(1)], checksum="7")}

    assert (
        "Iceberg published 3 rows, checksum 7, RAW holds 3 rows"
        in problems(measure(connection, ORDERS, of_ledger, [day(1)]))[day(1)]
    )


def test_an_error_of_one_table_names_it_and_leaves_the_others_loaded(
    settings: Settings, connection: SnowflakeConnection, opener: Opener
) -> None:
    users = load_contracts()["users"]
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)}, claimed_rows=4)
    publish(settings, "users", {day(1): events(users, day(1), 2)})

    with pytest.raises(WarehouseError, match="raw load failed for orders"):
        load_tables(LoadSource.of(settings), opener, ["users", "orders"], [day(1)], RUN)

    assert ids(connection, "RAW.USERS") == [1, 2]


def test_the_check_finds_rows_that_were_changed_after_the_load(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    published = publish(settings, "orders", {day(1): events(ORDERS, day(1), 3), day(2): [event(ORDERS, day(2), 9)]})
    load(days=[day(1), day(2)])
    assert problems(measure(connection, ORDERS, published, [day(1), day(2), day(3)])) == {}

    execute(connection, "update RAW.ORDERS set status = 'delivered' where id = 2")

    problems_by_day = problems(measure(connection, ORDERS, published, [day(1), day(2)]))
    assert list(problems_by_day) == [day(1)]
    assert "the ledger says 3 rows" in problems_by_day[day(1)]


def test_the_check_finds_published_days_that_are_not_loaded_or_have_changed_since(
    settings: Settings, connection: SnowflakeConnection, load: Any
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 3)})
    load(days=[day(1)])
    published = publish(settings, "orders", {day(1): events(ORDERS, day(1), 4), day(2): []})

    problems_by_day = problems(measure(connection, ORDERS, published, [day(1), day(2)]))

    assert "has published" in problems_by_day[day(1)]
    assert "absent from RAW.LOAD_LEDGER" in problems_by_day[day(2)]


def test_files_on_s3_are_fetched_and_loaded(
    settings: Settings, connection: SnowflakeConnection, opener: Opener, s3: S3Settings
) -> None:
    lake = settings.lakehouse.model_copy(update={"warehouse": "s3://warehouse-lake/warehouse"})
    remote = settings.model_copy(update={"lakehouse": lake, "s3": s3, "scratch_uri": "s3://warehouse-lake/scratch"})
    publish(remote, "orders", {day(1): events(ORDERS, day(1), 2)})

    result = load_table(LoadSource.of(remote), opener, ORDERS, [day(1)], RUN)

    assert result.failed == {}
    assert ids(connection) == [1, 2]


@pytest.fixture
def s3() -> Iterator[S3Settings]:
    """An S3 server with the bucket `warehouse-lake`."""
    with s3_bucket("warehouse-lake") as bucket:
        yield bucket.settings
