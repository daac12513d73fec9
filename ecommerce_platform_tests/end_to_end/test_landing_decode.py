"""The oracle reads every physical form that a landing file may have, and sets aside what cannot be true."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform_tests.end_to_end.history import day
from ecommerce_platform_tests.end_to_end.landing_decode import Counts, decode_landing

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MILLISECONDS = int(NOON.timestamp()) * 1_000
SHARE = Decimal(1)


def product(**columns: pa.Array) -> pa.Table:
    """One product of Debezium's ordinary form, with other columns in place of its own."""
    ordinary = {
        "id": pa.array([1], pa.int64()),
        "name": pa.array(["Thing"]),
        "price": pa.array(["12.50"]),
        "stock_quantity": pa.array([3], pa.int32()),
        "created_at": pa.array([MILLISECONDS * 1_000], pa.int64()),
        "updated_at": pa.array([MILLISECONDS * 1_000], pa.int64()),
        "__op": pa.array(["c"]),
        "__ts_ms": pa.array([MILLISECONDS], pa.int64()),
        "__source_ts_ms": pa.array([MILLISECONDS], pa.int64()),
        "__source_lsn": pa.array([7], pa.int64()),
    }
    return pa.table(ordinary | columns)


def decoded(table: pa.Table, folder: Path, **options: Any) -> tuple[list[dict[str, Any]], Counts]:
    path = folder / "products" / f"date={day(1)}" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, **options)
    landing = decode_landing(folder, [day(1)], SHARE)
    return landing.events["products"], landing.counts["products", day(1)]


@pytest.mark.parametrize(
    ("column", "array"),
    [
        ("price", pa.array([Decimal("12.50")], pa.decimal128(10, 2))),
        ("price", pa.array([Decimal("12.5000")], pa.decimal128(20, 4))),
        ("price", pa.array([(1250).to_bytes(2, "big")], pa.binary())),
        ("price", pa.array(["12.500"])),
        ("created_at", pa.array([NOON], pa.timestamp("us", tz="UTC"))),
        ("created_at", pa.array([NOON], pa.timestamp("ms", tz="Europe/Paris"))),
        ("created_at", pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns"))),
        ("created_at", pa.array([MILLISECONDS], pa.int64())),
        ("created_at", pa.array([MILLISECONDS * 1_000_000], pa.int64())),
        ("created_at", pa.array(["2026-01-01T13:00:00+01:00"])),
        ("created_at", pa.array(["2026-01-01 12:00:00"])),
        ("__ts_ms", pa.array([NOON], pa.timestamp("ms", tz="UTC"))),
        ("__op", pa.array(["Insert"])),
        ("__op", pa.array(["C"])),
        ("comment", pa.array(["a column that no contract has"])),
    ],
)
def test_each_form_becomes_the_same_event(column: str, array: pa.Array, tmp_path: Path) -> None:
    ordinary, _ = decoded(product(), tmp_path / "ordinary")

    events, counts = decoded(product(**{column: array}), tmp_path / "form")

    assert events == ordinary
    assert counts == Counts(landed=1, published=1)
    assert ordinary[0]["price"] == Decimal("12.50")
    assert ordinary[0]["created_at"] == MILLISECONDS * 1_000
    assert ordinary[0]["description"] is None  # a nullable column that the file lacks


def test_int96_is_a_timestamp(tmp_path: Path) -> None:
    table = product(created_at=pa.array([NOON], pa.timestamp("us", tz="UTC")))

    events, _ = decoded(table, tmp_path, use_deprecated_int96_timestamps=True)

    assert events[0]["created_at"] == MILLISECONDS * 1_000


@pytest.mark.parametrize(
    ("column", "array"),
    [
        ("id", pa.array([None], pa.int64())),
        ("__op", pa.array(["x"])),
        ("__op", pa.array([None], pa.string())),
        ("__ts_ms", pa.array([None], pa.int64())),
        ("__source_ts_ms", pa.array([None], pa.int64())),
        ("__source_lsn", pa.array([None], pa.int64())),
        ("__source_lsn", pa.array(["0/16B3748"])),
        ("created_at", pa.array([None], pa.int64())),
        ("updated_at", pa.array(["yesterday"])),
        ("price", pa.array(["n/a"])),
        ("price", pa.array(["1.005"])),
        ("price", pa.array(["100000000.00"])),
        ("price", pa.array(["NaN"])),
        ("stock_quantity", pa.array([2**31], pa.int64())),
    ],
)
def test_what_cannot_be_true_goes_to_quarantine(column: str, array: pa.Array, tmp_path: Path) -> None:
    events, counts = decoded(product(**{column: array}), tmp_path)

    assert events == []
    assert counts == Counts(landed=1, quarantined=1)


@pytest.mark.parametrize(
    "table",
    [
        product(price=pa.array([12.5], pa.float64())),
        product(name=pa.array([5], pa.int64())),
        product().drop_columns("id"),
        product().drop_columns("__source_lsn"),
    ],
    ids=["a float", "a number for text", "no key", "no LSN column"],
)
def test_a_file_that_is_no_such_table_refuses_its_day(table: pa.Table, tmp_path: Path) -> None:
    _, counts = decoded(table, tmp_path)

    assert counts.refused is not None
