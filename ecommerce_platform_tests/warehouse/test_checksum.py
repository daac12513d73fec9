"""The checksum: the same number from Snowflake and from DuckDB, and different when any value differs."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.row_hash import snowflake_rows_hash
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.load.lake_files import FileGroup, content
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all, quoted

COLUMNS = (
    Column("id", LogicalType.BIGINT, primary_key=True),
    Column("amount", LogicalType.DECIMAL, precision=10, scale=2),
    Column("note", LogicalType.TEXT),
    Column("at", LogicalType.TIMESTAMP),
    Column("on_day", LogicalType.DATE),
    Column("flag", LogicalType.BOOLEAN),
    Column("wide", LogicalType.DECIMAL, precision=38, scale=18),
)
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("amount", pa.decimal128(10, 2)),
        ("note", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("on_day", pa.date32()),
        ("flag", pa.bool_()),
        ("wide", pa.decimal128(38, 18)),
    ]
)
Row = tuple[Any, ...]
NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
#: More digits than a product with its scale could have.
WIDE = Decimal("-12345678901234567890.123456789012345678")
PLAIN: Row = (1, Decimal("12.50"), "text", NOON, date(2026, 1, 1), True, WIDE)


def from_parquet(rows: list[Row], folder: Path) -> Content:
    path = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA), path)
    return content([FileGroup(tuple(SCHEMA.names), (path,))], COLUMNS)


def from_snowflake(rows: list[Row], connection: SnowflakeConnection) -> Content:
    columns = ", ".join(f'"{column.name.upper()}" {column.snowflake_type}' for column in COLUMNS)
    execute(connection, f"create or replace table RAW.CHECKED ({columns})")
    for row in rows:
        plain = [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in row]
        execute(connection, "insert into RAW.CHECKED select %s, %s, %s, %s::timestamp_ntz, %s::date, %s, %s", plain)
    content = fetch_all(connection, f"select count(*), {snowflake_rows_hash(COLUMNS, quoted)} from RAW.CHECKED")[0]
    execute(connection, "drop table RAW.CHECKED")
    return Content(content[0], content[1])


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [PLAIN],
        [PLAIN, PLAIN],
        [(None,) * 7],
        [
            (
                -1,
                Decimal("-0.05"),
                "",
                datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                date(1969, 12, 31),
                False,
                Decimal("-0.000000000000000001"),
            )
        ],
        [
            (
                2,
                Decimal("0.00"),
                "ä😀 e\u0301 \\ ' \" : ; -; 5:x\n\t",
                datetime(9999, 1, 1, tzinfo=UTC),
                date(9999, 12, 31),
                None,
                Decimal(0),
            )
        ],
        [(9223372036854775807, Decimal("99999999.99"), "-", None, None, None, -WIDE), PLAIN],
    ],
    ids=["no rows", "plain", "doubled", "nulls", "before 1970", "unicode and separators", "largest values"],
)
def test_snowflake_and_duckdb_compute_the_same_checksum(
    rows: list[Row], connection: SnowflakeConnection, tmp_path: Path
) -> None:
    assert from_snowflake(rows, connection) == from_parquet(rows, tmp_path)


def test_the_checksum_is_the_sum_of_the_lower_64_bits_of_each_rows_md5(tmp_path: Path) -> None:
    microseconds = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000 + 123456
    text = f"1;1250;4:text;{microseconds};20454;1;-12345678901234567890123456789012345678;"
    expected = int.from_bytes(hashlib.md5(text.encode()).digest()[8:], "big")

    assert from_parquet([PLAIN, PLAIN], tmp_path) == Content(2, str(2 * expected))


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    other: Row = (2, None, "other", NOON, None, None, None)

    assert from_parquet([PLAIN, other], tmp_path) == from_parquet([other, PLAIN], tmp_path)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        *((0, 2), (1, Decimal("12.51")), (1, None), (2, "Text"), (2, ""), (2, None)),
        *((3, NOON.replace(microsecond=123457)), (3, None), (4, date(2026, 1, 2)), (5, False), (5, None)),
        (6, WIDE + Decimal("0.000000000000000001")),
    ],
)
def test_every_column_counts(position: int, value: object, tmp_path: Path) -> None:
    changed = (*PLAIN[:position], value, *PLAIN[position + 1 :])

    assert from_parquet([changed], tmp_path) != from_parquet([PLAIN], tmp_path)


def test_a_text_cannot_imitate_its_neighbours(tmp_path: Path) -> None:
    split = [(1, None, "a;2:b", None, None, None, None)]
    other = [(1, None, "a", None, None, None, None)]

    assert from_parquet(split, tmp_path) != from_parquet(other, tmp_path)
    assert from_parquet([(1, None, "-;", *(None,) * 4)], tmp_path) != from_parquet([(1, *(None,) * 6)], tmp_path)
