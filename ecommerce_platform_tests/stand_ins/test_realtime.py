"""Order versions from Parquet into `orders_realtime`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.speed_layer.realtime import (
    RealtimeLoadError,
    create_orders_realtime,
    load_realtime,
)
from ecommerce_platform_tests.stand_ins.order_versions import (
    MILLIS,
    TABLE,
    UNCHANGED,
    Write,
    current,
    load,
)


def test_the_table_has_the_contracts_columns_and_the_metadata(table: Client) -> None:
    columns = [tuple(row[:2]) for row in table.query(f"describe table {TABLE}").result_rows]
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
    engine = table.command(f"select engine_full from system.tables where name = '{TABLE}'")
    assert str(engine).startswith("ReplacingMergeTree(__source_lsn, is_deleted) ORDER BY id")


def test_the_latest_version_wins_deletes_hide_and_missing_numbers_are_lowest(table: Client, write: Write) -> None:
    path = write(
        {"id": 1, "status": "shipped", "__source_lsn": 102, "__op": "u"},
        {"id": 1, "status": "pending", "__source_lsn": 101},
        {"id": 2, "__source_lsn": 101},
        {"id": 2, "__source_lsn": 102, "__op": "DELETE", "status": None, "total_amount": None, "created_at": None},
        {"id": 3, "__source_lsn": None, "__op": "READ", "status": "read"},
        {"id": 4, "__source_lsn": None, "__op": "r", "status": "read"},
        {"id": 4, "__source_lsn": 5, "__op": "u", "status": "updated", "__ts_ms": MILLIS + 1},
    )
    assert load(table, path) == 7
    assert current(table, "id, status, __source_lsn") == [(1, "shipped", 102), (3, "read", 0), (4, "updated", 5)]
    assert table.command(f"select is_deleted from {TABLE} where id = 2 and __op = 'DELETE'") == 1


def test_loading_twice_is_loading_once(table: Client, write: Write) -> None:
    path = write(
        {"id": 1, "status": "tied-later", "__ts_ms": MILLIS + 1},
        {"id": 1, "status": "tied-earlier"},
        {"id": 2, "shipping_address": "2 Low St", "__source_lsn": 1},
        {"id": 2, "shipping_address": UNCHANGED, "__source_lsn": 2},
    )
    load(table, path)
    once = current(table, "*")
    load(table, path)
    assert current(table, "*") == once
    assert current(table, "id, status, shipping_address") == [
        (1, "tied-later", "1 High St"),
        (2, "pending", "2 Low St"),
    ]


def test_of_tied_versions_the_later_file_wins(table: Client, write: Write, tmp_path: Path) -> None:
    write({"status": "later"}, name="tied/date=2026-01-02/a.parquet")
    write({"status": "earlier"}, name="tied/date=2026-01-01/z.parquet")
    load(table, tmp_path / "tied")
    assert current(table, "status") == [("later",)]


def test_a_snapshot_row_without_number_stands_after_what_the_load_had_seen_of_its_order(
    table: Client, write: Write
) -> None:
    def read(order: int, seen: int, amount: str) -> dict[str, Any]:
        return {"id": order, "__op": "r", "__source_lsn": None, "__ts_ms": MILLIS + seen, "total_amount": amount}

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
        {"id": 3, "__source_lsn": 101, "__ts_ms": MILLIS + 11, "status": UNCHANGED, "total_amount": "40.00"},
        # The initial snapshot is lowest, and the only thing there is of an order.
        read(4, -10, "20.00"),
        {"id": 4, "__source_lsn": 100},
        read(5, 0, "20.00"),
        # The row exists although it was deleted.
        {"id": 6, "__op": "d", "__source_lsn": 100, "total_amount": None},
        read(6, 10, "20.00"),
    )
    for _ in range(2):
        load(table, path)
        assert current(table, "id, total_amount, status, __source_lsn, is_deleted") == [
            (1, Decimal("30.00"), "pending", 100, 0),
            (2, Decimal("20.00"), "pending", 100, 0),
            (3, Decimal("40.00"), "pending", 101, 0),
            (4, Decimal("10.50"), "pending", 100, 0),
            (5, Decimal("20.00"), "pending", 0, 0),
            (6, Decimal("20.00"), "pending", 100, 0),
        ]


def test_unchanged_text_is_carried_from_the_load_and_from_the_table(table: Client, write: Write) -> None:
    load(
        table,
        write(
            {"id": 1, "shipping_address": "in the table", "__source_lsn": 1},
            {"id": 2, "shipping_address": "older", "__source_lsn": 1},
            {"id": 5, "shipping_address": "too late", "__source_lsn": 9},
        ),
    )
    load(
        table,
        write(
            {"id": 1, "shipping_address": UNCHANGED, "__source_lsn": 2},
            {"id": 2, "shipping_address": UNCHANGED, "__source_lsn": 3},
            {"id": 2, "shipping_address": "in the load", "__source_lsn": 2},
            {"id": 3, "shipping_address": UNCHANGED, "__source_lsn": 2},
            {"id": 4, "shipping_address": None, "__source_lsn": 1},
            {"id": 4, "shipping_address": UNCHANGED, "__source_lsn": 2},
            {"id": 5, "shipping_address": UNCHANGED, "__source_lsn": 8},
        ),
    )
    assert current(table, "id, shipping_address") == [
        (1, "in the table"),
        (2, "in the load"),
        (3, None),
        (4, None),
        (5, "too late"),
    ]
    assert table.command(f"select count() from {TABLE} where shipping_address = '{UNCHANGED}'") == 0


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
