"""Order versions from Parquet into `orders_realtime`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
    create_orders_realtime,
    load_realtime,
)

_TABLE = "orders_realtime"
_CREATED = datetime(2026, 1, 1, 10, 11, 12, 123456, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNCHANGED = "__debezium_unavailable_value"
_MICROS = (_CREATED - _EPOCH) // timedelta(microseconds=1)
_MILLIS = _MICROS // 1000

Write = Callable[..., Path]


@pytest.fixture
def table(clickhouse: Client) -> Client:
    """A client, and the empty table of order versions."""
    clickhouse.command(f"drop table if exists {_TABLE}")
    create_orders_realtime(clickhouse, _TABLE)
    return clickhouse


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes versions as Debezium leaves them; a row's keys replace those of a plain insert."""

    def write(
        *rows: Mapping[str, Any], name: str = "versions.parquet", types: Mapping[str, pa.DataType] | None = None
    ) -> Path:
        plain = {
            "id": 1,
            "user_id": 7,
            "status": "pending",
            "total_amount": "10.50",
            "shipping_address": "1 High St",
            "created_at": _MICROS,
            "updated_at": _MICROS,
            "__op": "c",
            "__ts_ms": _MILLIS,
            "__source_ts_ms": _MILLIS,
            "__source_lsn": 100,
        }
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {column: [{**plain, **row}[column] for row in rows] for column in {**plain, **rows[0]}}
        arrays = {column: pa.array(values, (types or {}).get(column)) for column, values in columns.items()}
        pq.write_table(pa.table(arrays), path)
        return path

    return write


def _load(client: Client, path: Path) -> int:
    return load_realtime(client, _TABLE, path, load_contracts()["orders"]).rows


def _current(client: Client, columns: str) -> Sequence[Any]:
    return list(client.query(f"select {columns} from {_TABLE} final order by id").result_rows)


def test_the_table_has_the_contracts_columns_and_the_metadata(table: Client) -> None:
    columns = [tuple(row[:2]) for row in table.query(f"describe table {_TABLE}").result_rows]
    assert columns == [
        ("id", "Int64"),
        ("user_id", "Nullable(Int64)"),
        ("status", "Nullable(String)"),
        ("total_amount", "Nullable(Decimal(10, 2))"),
        ("shipping_address", "Nullable(String)"),
        ("created_at", "Nullable(DateTime64(6, 'UTC'))"),
        ("updated_at", "Nullable(DateTime64(6, 'UTC'))"),
        ("__op", "String"),
        ("__source_lsn", "UInt64"),
        ("__source_ts_ms", "DateTime64(3, 'UTC')"),
        ("is_deleted", "UInt8"),
    ]
    engine = table.command(f"select engine_full from system.tables where name = '{_TABLE}'")
    assert str(engine).startswith("ReplacingMergeTree(__source_lsn, is_deleted) ORDER BY id")


_EXPECTED = [
    (1, 7, "pending", Decimal("10.50"), str(_CREATED)[:26], "INSERT", 100, str(_CREATED)[:23]),
]
_VALUES = "id, user_id, status, total_amount, toString(created_at), __op, __source_lsn, toString(__source_ts_ms)"


@pytest.mark.parametrize(
    ("row", "types"),
    [
        ({}, {}),
        ({"total_amount": Decimal("10.50"), "__op": "INSERT"}, {"total_amount": pa.decimal128(12, 4)}),
        ({"created_at": _CREATED, "__source_ts_ms": _CREATED}, {}),
        ({"created_at": _CREATED.replace(tzinfo=None)}, {"created_at": pa.timestamp("ns")}),
        ({"created_at": "2026-01-01T10:11:12.123456Z", "__op": " Insert "}, {}),
        ({"created_at": _MICROS * 1000}, {}),
        ({"id": "1", "user_id": 7}, {"user_id": pa.int32(), "__source_lsn": pa.uint64()}),
        ({"date": "2026-01-01", "extra": 5, "is_deleted": 1}, {}),
    ],
    ids=["debezium", "decimal", "timestamps", "nanoseconds", "text", "epoch-nanoseconds", "integers", "extra-columns"],
)
def test_every_form_of_a_version_becomes_the_same_row(
    table: Client, write: Write, row: dict[str, Any], types: dict[str, Any]
) -> None:
    assert _load(table, write(row, types=types)) == 1
    assert _current(table, _VALUES) == _EXPECTED


def test_epoch_milliseconds_are_distinguished_from_microseconds_by_size(table: Client, write: Write) -> None:
    _load(table, write({"created_at": _MILLIS}))
    assert _current(table, "toString(created_at)") == [("2026-01-01 10:11:12.123000",)]


def test_the_latest_version_wins_deletes_hide_and_missing_numbers_are_lowest(table: Client, write: Write) -> None:
    path = write(
        {"id": 1, "status": "shipped", "__source_lsn": 102, "__op": "u"},
        {"id": 1, "status": "pending", "__source_lsn": 101},
        {"id": 2, "__source_lsn": 101},
        {"id": 2, "__source_lsn": 102, "__op": "DELETE", "status": None, "total_amount": None, "created_at": None},
        {"id": 3, "__source_lsn": None, "__op": "READ", "status": "read"},
        {"id": 4, "__source_lsn": None, "__op": "r", "status": "read"},
        {"id": 4, "__source_lsn": 5, "__op": "u", "status": "updated", "__ts_ms": _MILLIS + 1},
    )
    assert _load(table, path) == 7
    assert _current(table, "id, status, __source_lsn") == [(1, "shipped", 102), (3, "read", 0), (4, "updated", 5)]
    assert table.command(f"select is_deleted from {_TABLE} where id = 2 and __op = 'DELETE'") == 1


def test_loading_twice_is_loading_once(table: Client, write: Write) -> None:
    path = write(
        {"id": 1, "status": "tied-later", "__ts_ms": _MILLIS + 1},
        {"id": 1, "status": "tied-earlier"},
        {"id": 2, "shipping_address": "2 Low St", "__source_lsn": 1},
        {"id": 2, "shipping_address": _UNCHANGED, "__source_lsn": 2},
    )
    _load(table, path)
    once = _current(table, "*")
    _load(table, path)
    assert _current(table, "*") == once
    assert _current(table, "id, status, shipping_address") == [
        (1, "tied-later", "1 High St"),
        (2, "pending", "2 Low St"),
    ]


def test_a_folder_is_loaded_with_all_that_is_below_it(table: Client, write: Write, tmp_path: Path) -> None:
    write({"id": 1}, name="all/date=2026-01-01/a.parquet")
    write({"id": 2, "total_amount": Decimal("1.00")}, name="all/date=2026-01-02/b.parquet")
    write({"id": 3}, name="all/_hidden.parquet")
    assert _load(table, tmp_path / "all") == 2
    assert _current(table, "id") == [(1,), (2,)]


def test_of_tied_versions_the_later_file_wins(table: Client, write: Write, tmp_path: Path) -> None:
    write({"status": "later"}, name="tied/date=2026-01-02/a.parquet")
    write({"status": "earlier"}, name="tied/date=2026-01-01/z.parquet")
    _load(table, tmp_path / "tied")
    assert _current(table, "status") == [("later",)]


def test_a_snapshot_row_without_number_stands_after_what_the_load_had_seen_of_its_order(
    table: Client, write: Write
) -> None:
    def read(order: int, seen: int, amount: str) -> dict[str, Any]:
        return {"id": order, "__op": "r", "__source_lsn": None, "__ts_ms": _MILLIS + seen, "total_amount": amount}

    path = write(
        # Repaired by an incremental snapshot; of two the later.
        {"id": 1, "__source_lsn": 100},
        read(1, 10, "30.00"),
        read(1, 5, "20.00"),
        # An equal time counts as seen; a later change of the stream wins.
        {"id": 2, "__source_lsn": 100},
        read(2, 0, "20.00"),
        {"id": 3, "__source_lsn": 100},
        read(3, 10, "20.00"),
        {"id": 3, "__source_lsn": 101, "__ts_ms": _MILLIS + 11, "status": _UNCHANGED, "total_amount": "40.00"},
        # The initial snapshot is lowest, and the only thing there is of an order.
        read(4, -10, "20.00"),
        {"id": 4, "__source_lsn": 100},
        read(5, 0, "20.00"),
        # The row exists although it was deleted.
        {"id": 6, "__op": "d", "__source_lsn": 100, "total_amount": None},
        read(6, 10, "20.00"),
    )
    for _ in range(2):
        _load(table, path)
        assert _current(table, "id, total_amount, status, __source_lsn, is_deleted") == [
            (1, Decimal("30.00"), "pending", 100, 0),
            (2, Decimal("20.00"), "pending", 100, 0),
            (3, Decimal("40.00"), "pending", 101, 0),
            (4, Decimal("10.50"), "pending", 100, 0),
            (5, Decimal("20.00"), "pending", 0, 0),
            (6, Decimal("20.00"), "pending", 100, 0),
        ]


def test_unchanged_text_is_carried_from_the_load_and_from_the_table(table: Client, write: Write) -> None:
    _load(
        table,
        write(
            {"id": 1, "shipping_address": "in the table", "__source_lsn": 1},
            {"id": 2, "shipping_address": "older", "__source_lsn": 1},
            {"id": 5, "shipping_address": "too late", "__source_lsn": 9},
        ),
    )
    _load(
        table,
        write(
            {"id": 1, "shipping_address": _UNCHANGED, "__source_lsn": 2},
            {"id": 2, "shipping_address": _UNCHANGED, "__source_lsn": 3},
            {"id": 2, "shipping_address": "in the load", "__source_lsn": 2},
            {"id": 3, "shipping_address": _UNCHANGED, "__source_lsn": 2},
            {"id": 4, "shipping_address": None, "__source_lsn": 1},
            {"id": 4, "shipping_address": _UNCHANGED, "__source_lsn": 2},
            {"id": 5, "shipping_address": _UNCHANGED, "__source_lsn": 8},
        ),
    )
    assert _current(table, "id, shipping_address") == [
        (1, "in the table"),
        (2, "in the load"),
        (3, None),
        (4, None),
        (5, "too late"),
    ]
    assert table.command(f"select count() from {_TABLE} where shipping_address = '{_UNCHANGED}'") == 0


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
        _load(table, path)
    assert table.command(f"select count() from {_TABLE}") == 0


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
    loaded = load_realtime(table, _TABLE, path, load_contracts()["orders"], skip_unreadable=True)
    assert loaded == LoadedVersions(rows=2, skipped=5)
    assert [row[0] for row in table.query(f"select id from {_TABLE} order by id").result_rows] == [1, 6]


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
            _load(table, tmp_path / name)


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
        assert load_realtime(table, _TABLE, folder, orders, ignore=("date=*/report.csv",)).rows == 2
    assert _current(table, "id") == [(1,), (2,)]
    (day / "rows.csv").write_text("id,status\n")
    with pytest.raises(
        RealtimeLoadError, match=r"rows.csv cannot be read as Parquet: .* comma-separated text; expected Parquet"
    ):
        load_realtime(table, _TABLE, day, orders)


def test_optional_columns_may_be_missing_and_be_null(table: Client, write: Write, tmp_path: Path) -> None:
    rows = pq.read_table(write({"status": None})).drop_columns(["updated_at", "__ts_ms", "__source_lsn"])
    pq.write_table(rows, tmp_path / "short.parquet")
    _load(table, tmp_path / "short.parquet")
    assert _current(table, "id, status, updated_at, __source_lsn") == [(1, None, None, 0)]


@pytest.mark.parametrize("name", ["orders; drop table x", "a.b.c", "`orders`", ""])
def test_names_of_tables_are_names(clickhouse: Client, write: Write, name: str) -> None:
    with pytest.raises(RealtimeLoadError, match="name"):
        create_orders_realtime(clickhouse, name)
    with pytest.raises(RealtimeLoadError, match="name"):
        load_realtime(clickhouse, name, write({}), load_contracts()["orders"])


def test_a_table_of_another_database_can_be_loaded(clickhouse: Client, write: Write) -> None:
    clickhouse.command("create database if not exists speed")
    create_orders_realtime(clickhouse, "speed.order_versions")
    load_realtime(clickhouse, "speed.order_versions", write({}), load_contracts()["orders"])
    assert clickhouse.command("select count() from speed.order_versions") == 1
