"""Rows of landed days through Spark and Iceberg: events, quarantine or duplicates, with the file and the day of each."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform_tests.lakehouse.lake import (
    FIRST,
    NOON,
    ORDER_SCHEMA,
    SECOND,
    THIRD,
    SmallLake,
    counts,
    good_rows,
    order,
)


@pytest.mark.parametrize("handed_over", [True, False], ids=["few rows", "many rows"])
def test_every_landed_row_is_published_quarantined_or_a_duplicate(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    if not handed_over:
        monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.quarantine.HANDED_OVER_ROWS", 0)
    lake.land(FIRST, *good_rows(200), order(7, 7), order(None, 900), order(901, 901, total_amount="much"))
    lake.land(SECOND, order(1, 1001, "U", status="shipped"), order(2, 1002, "d", total_amount=None, created_at=None))

    result = lake.ingest(FIRST, SECOND, THIRD)

    assert result.refused == {}
    assert counts(result, FIRST) == (203, 200, 2, 1)
    assert counts(result, SECOND) == (2, 2, 0, 0)
    assert counts(result, THIRD) == (0, 0, 0, 0)
    assert lake.quarantined("reason", "column_name", "source_row", "detail") == [
        ("null_key", "id", 201, "found nothing, expected bigint"),
        ("value_does_not_fit", "total_amount", 202, "found much, expected decimal(10,2)"),
    ]
    assert '"total_amount":"much"' in lake.quarantined("original_values")[1][0]
    assert [row for row in lake.rows("id", "__op", "status", "date") if row[3] == SECOND] == [
        (1, "UPDATE", "shipped", SECOND),
        (2, "DELETE", "pending", SECOND),
    ]
    assert lake.branches() == []


UNFIT = [
    (order(None, 1), "null_key", "id"),
    (order(1, 1, None), "unknown_operation", "__op"),
    (order(1, 1, "truncate"), "unknown_operation", "__op"),
    (order(1, None), "missing_lsn", "__source_lsn"),
    (order(1, -5), "unreadable_lsn", "__source_lsn"),
    (order(1, 1, __ts_ms=None), "missing_timestamp", "__ts_ms"),
    (order(1, 1, __source_ts_ms=None), "missing_timestamp", "__source_ts_ms"),
    (order(1, 1, __ts_ms=NOON * 1000), "unreadable_timestamp", "__ts_ms"),
    (order(1, 1, created_at=None), "missing_timestamp", "created_at"),
    (order(1, 1, total_amount="1,5"), "value_does_not_fit", "total_amount"),
    (order(1, 1, total_amount="100000000.00"), "value_does_not_fit", "total_amount"),
    (order(1, 1, total_amount="0.001"), "value_does_not_fit", "total_amount"),
    (order(1, 1, total_amount="NaN"), "value_does_not_fit", "total_amount"),
    (order(1, 1, "d", total_amount="free"), "value_does_not_fit", "total_amount"),
]


def test_each_row_that_cannot_be_an_event_is_kept_with_its_reason(lake: SmallLake) -> None:
    lake.land(FIRST, *good_rows(1400), *(row for row, _, _ in UNFIT))

    result = lake.ingest(FIRST)

    assert counts(result, FIRST) == (1414, 1400, 14, 0)
    assert lake.quarantined("reason", "column_name") == [(reason, column) for _, reason, column in UNFIT]


def test_flags_are_no_reason_for_quarantine(lake: SmallLake) -> None:
    """Business rules never drop a row: a negative amount, an unknown status, a user that nobody knows."""
    lake.land(
        FIRST,
        order(1, 1, total_amount="-5.00", status="lost", user_id=None, shipping_address=None),
        order(2, None, "r"),
        order(3, 3, "D", user_id=None, status=None, total_amount=None, created_at=None, updated_at=None),
        order(4, 4, "u", shipping_address="__debezium_unavailable_value"),
    )
    result = lake.ingest(FIRST)
    assert counts(result, FIRST) == (4, 4, 0, 0)
    assert lake.rows("id", "__op") == [(1, "INSERT"), (2, "READ"), (3, "DELETE"), (4, "UPDATE")]


def test_only_neighbours_of_one_key_and_lsn_are_duplicates(lake: SmallLake) -> None:
    """Insert, delete, insert in one transaction share an LSN: the second insert equals the first and is another event."""
    lake.land(FIRST, order(1, 5), order(1, 5, "d"), order(1, 5), order(1, 5), order(2, 6), order(2, 7), order(2, 6))
    lake.land(
        FIRST, order(1, 5), order(2, 6, status="shipped"), order(3, None, "r"), order(3, None, "r"), file="b.parquet"
    )
    lake.land(SECOND, order(2, 6))

    result = lake.ingest(FIRST, SECOND)

    # Of key 1: insert, delete, insert; the other two inserts follow an equal one. Of key 2 at LSN 6: shipped, then pending.
    assert counts(result, FIRST) == (11, 7, 0, 4)
    assert lake.rows("__source_file", "__source_row", "id", "__op", "__source_lsn") == [
        ("date=2026-01-01/b.parquet", 0, 1, "INSERT", 5),
        ("date=2026-01-01/b.parquet", 1, 2, "INSERT", 6),
        ("date=2026-01-01/b.parquet", 2, 3, "READ", None),
        ("date=2026-01-01/part-0.parquet", 1, 1, "DELETE", 5),
        ("date=2026-01-01/part-0.parquet", 2, 1, "INSERT", 5),
        ("date=2026-01-01/part-0.parquet", 4, 2, "INSERT", 6),
        ("date=2026-01-01/part-0.parquet", 5, 2, "INSERT", 7),
        ("date=2026-01-02/part-0.parquet", 0, 2, "INSERT", 6),
    ]


@pytest.mark.parametrize("name", ["part 0.parquet", "größe+1%20[a].parquet", "{a,b}*?.parquet"])
def test_file_names_are_taken_as_they_are(lake: SmallLake, name: str) -> None:
    lake.land(FIRST, order(1, 1), file=name)
    lake.ingest(FIRST)
    assert lake.rows("__source_file") == [(f"date=2026-01-01/{name}",)]


@pytest.mark.parametrize("files", [1, 4, 5])
def test_each_row_knows_its_file_and_day_however_many_files_a_day_has(lake: SmallLake, files: int) -> None:
    # Eight files in all are distinguished in one way, ten in another. Each name ends like the one before it.
    names = [f"{'p' * number}art.parquet" for number in range(1, files + 1)]
    for number, name in enumerate(names):
        lake.land(FIRST, order(number, 1), file=name)
        lake.land(SECOND, order(number, 2), file=name)
    lake.ingest(FIRST, SECOND)
    places = [(f"date={day}/{name}", day) for day in (FIRST, SECOND) for name in names]
    assert sorted(lake.rows("__source_file", "date")) == sorted(places)


def test_files_of_different_forms_make_one_day(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    typed = pa.Table.from_pylist([order(2, 2)], ORDER_SCHEMA).drop_columns(["updated_at"])
    typed = typed.set_column(3, "total_amount", typed["total_amount"].cast(pa.decimal128(12, 2)))
    lake.land_table(FIRST, typed.append_column("coupon", pa.array(["x"])), "b.parquet")
    lake.land_table(FIRST, pa.table({"id": pa.array([], pa.null())}), "empty.parquet")

    result = lake.ingest(FIRST)

    assert counts(result, FIRST) == (2, 2, 0, 0)
    assert [str(amount) for (amount,) in lake.rows("total_amount")] == ["10.00", "10.00"]
    assert result.unknown_columns == {FIRST: ("coupon",)}
    assert lake.rows("coupon") == [("x",), (None,)]


def test_a_column_that_the_contract_gains_appears_and_history_stays_readable(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.ingest(FIRST)
    orders = load_contracts()["orders"]
    coupon = Column("coupon", LogicalType.TEXT)
    wider = replace(orders, columns=(*orders.columns, coupon))
    table = pa.Table.from_pylist([order(2, 2)], ORDER_SCHEMA).append_column("coupon", pa.array(["x"]))
    lake.land_table(SECOND, table)

    lake.ingest(SECOND, contract=wider)

    assert lake.rows("id", "coupon") == [(1, None), (2, "x")]
    # The first day's rows would now be read by another contract: materialized again, it is written again.
    assert sorted(lake.ingest(FIRST, contract=wider).published) == [FIRST]


def test_a_large_day_is_spread_over_several_files_and_stays_free_of_duplicates(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.duplicates.ROWS_PER_BUCKET", 100)
    lake.land(FIRST, *good_rows(300), *good_rows(300))
    assert counts(lake.ingest(FIRST), FIRST) == (600, 300, 0, 300)
