"""Which files and values are read as order versions, and what is said of those that are not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.speed_layer.realtime import (
    LoadedVersions,
    RealtimeLoadError,
    load_realtime,
)
from ecommerce_platform_tests.stand_ins.order_versions import CREATED, MICROS, MILLIS, TABLE, Write, current, load

_EXPECTED = [
    (1, 7, "pending", Decimal("10.50"), str(CREATED)[:26], "INSERT", 100, str(CREATED)[:23]),
]


_VALUES = "id, user_id, status, total_amount, toString(created_at), __op, __source_lsn, toString(__source_ts_ms)"


@pytest.mark.parametrize(
    ("row", "types"),
    [
        ({}, {}),
        ({"total_amount": Decimal("10.50"), "__op": "INSERT"}, {"total_amount": pa.decimal128(12, 4)}),
        ({"created_at": CREATED, "__source_ts_ms": CREATED}, {}),
        ({"created_at": CREATED.replace(tzinfo=None)}, {"created_at": pa.timestamp("ns")}),
        ({"created_at": "2026-01-01T10:11:12.123456Z", "__op": " Insert "}, {}),
        ({"created_at": MICROS * 1000}, {}),
        ({"id": "1", "user_id": 7}, {"user_id": pa.int32(), "__source_lsn": pa.uint64()}),
        ({"date": "2026-01-01", "extra": 5, "is_deleted": 1}, {}),
    ],
    ids=["debezium", "decimal", "timestamps", "nanoseconds", "text", "epoch-nanoseconds", "integers", "extra-columns"],
)
def test_every_form_of_a_version_becomes_the_same_row(
    table: Client, write: Write, row: dict[str, Any], types: dict[str, Any]
) -> None:
    assert load(table, write(row, types=types)) == 1
    assert current(table, _VALUES) == _EXPECTED


def test_epoch_milliseconds_are_distinguished_from_microseconds_by_size(table: Client, write: Write) -> None:
    load(table, write({"created_at": MILLIS}))
    assert current(table, "toString(created_at)") == [("2026-01-01 10:11:12.123000",)]


def test_a_folder_is_loaded_with_all_that_is_below_it(table: Client, write: Write, tmp_path: Path) -> None:
    write({"id": 1}, name="all/date=2026-01-01/a.parquet")
    write({"id": 2, "total_amount": Decimal("1.00")}, name="all/date=2026-01-02/b.parquet")
    write({"id": 3}, name="all/_hidden.parquet")
    assert load(table, tmp_path / "all") == 2
    assert current(table, "id") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"total_amount": 10.5}, "column total_amount is double; expected decimal(10,2)"),
        ({"total_amount": "10.505"}, "row 1 has total_amount = '10.505'"),
        ({"total_amount": "123456789.00"}, "row 1 has total_amount = '123456789.00'"),
        ({"id": None}, "row 1 has id = None; expected whole numbers"),
        ({"__op": "x"}, "row 1 has __op = 'x'; expected c, u, d, r"),
        ({"__source_ts_ms": None}, "row 1 has __source_ts_ms = None"),
        ({"__source_lsn": -5}, "row 1 has __source_lsn = '-5'"),
        ({"status": 5}, "column status is bigint; expected string"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_loaded(
    table: Client, write: Write, row: dict[str, Any], expected: str
) -> None:
    first = (
        {name: type(value)() if value is not None else None for name, value in row.items()} if "status" in row else {}
    )
    good = {"total_amount": 1.5} if isinstance(row.get("total_amount"), float) else first
    path = write(good, row)
    with pytest.raises(
        RealtimeLoadError, match=f"versions.parquet: {expected.replace('(', '[(]').replace(')', '[)]')}"
    ):
        load(table, path)
    assert table.command(f"select count() from {TABLE}") == 0


def test_rows_that_cannot_be_events_are_left_out_and_counted_when_asked(table: Client, write: Write) -> None:
    path = write(
        {"id": 1},
        {"id": None},
        {"id": 2, "__op": "x"},
        {"id": 3, "__source_ts_ms": None},
        {"id": 4, "__ts_ms": None},
        {"id": 5, "__source_lsn": None},
        {"id": 6, "__source_lsn": None, "__op": "r"},
    )
    loaded = load_realtime(table, TABLE, path, load_contracts()["orders"], skip_unreadable=True)
    assert loaded == LoadedVersions(rows=2, skipped=5)
    assert [row[0] for row in table.query(f"select id from {TABLE} order by id").result_rows] == [1, 6]


def test_a_missing_column_a_missing_path_and_a_file_that_is_no_parquet_are_named(
    table: Client, write: Write, tmp_path: Path
) -> None:
    pq.write_table(pq.read_table(write({})).drop_columns(["created_at"]), tmp_path / "short.parquet")
    (tmp_path / "text.parquet").write_text("text")
    (tmp_path / "empty").mkdir()
    for name, message in {
        "short.parquet": "short.parquet: column created_at is missing",
        "text.parquet": "text.parquet cannot be read as Parquet",
        "nowhere": "nowhere is not there",
        "empty": "holds no file to read",
    }.items():
        with pytest.raises(RealtimeLoadError, match=message):
            load(table, tmp_path / name)


def test_a_folder_is_listed_as_the_landing_zone_is(table: Client, write: Write, tmp_path: Path) -> None:
    day = tmp_path / "orders" / "date=2026-01-01"
    (day / "hour=05").mkdir(parents=True)
    (day / "_temporary").mkdir()
    content = {key: write({"id": key}, name=f"{key}.parquet").read_bytes() for key in range(1, 4)}
    for name, key in {
        "part-0": 1,
        "hour=05/part-0.PARQUET": 2,
        "report.csv": 3,
        "_temporary/part-0.parquet": 3,
    }.items():
        (day / name).write_bytes(content[key])
    (day / "_SUCCESS").write_bytes(b"")
    (day / ".part-0.parquet.crc").write_bytes(b"crc")
    orders = load_contracts()["orders"]
    for folder in (tmp_path / "orders", day):
        assert load_realtime(table, TABLE, folder, orders, ignore=("date=*/report.csv",)).rows == 2
    assert current(table, "id") == [(1,), (2,)]
    (day / "rows.csv").write_text("id,status\n")
    with pytest.raises(
        RealtimeLoadError, match=r"rows.csv cannot be read as Parquet: .* comma-separated text; expected Parquet"
    ):
        load_realtime(table, TABLE, day, orders)


def test_optional_columns_may_be_missing_and_be_null(table: Client, write: Write, tmp_path: Path) -> None:
    rows = pq.read_table(write({"status": None})).drop_columns(["updated_at", "__ts_ms", "__source_lsn"])
    pq.write_table(rows, tmp_path / "short.parquet")
    load(table, tmp_path / "short.parquet")
    assert current(table, "id, status, updated_at, __source_lsn") == [(1, None, None, 0)]
