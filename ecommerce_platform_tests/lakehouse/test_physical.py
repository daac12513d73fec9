"""Files that cannot be of their table are refused by name, before any row is read."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.lakehouse.decode.physical import Footer, UnreadableFileError, read_footer
from ecommerce_platform.lakehouse.decode.schemas import schema_problem, unknown_columns
from ecommerce_platform_tests.lakehouse.lake import ORDER_SCHEMA

ORDERS = load_contracts()["orders"]


def footer_of(table: pa.Table) -> Footer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return read_footer(pa.BufferReader(sink.getvalue()))


def orders_with(**columns: pa.Array) -> pa.Table:
    table = ORDER_SCHEMA.empty_table()
    rows = len(next(iter(columns.values())))
    filled = {name: pa.array([None] * rows, table.schema.field(name).type) for name in table.column_names}
    return pa.table(filled | columns)


@pytest.mark.parametrize(
    ("column", "values", "actual", "expected"),
    [
        ("total_amount", pa.array([1.5]), "double", "decimal(10,2)"),
        ("total_amount", pa.array([1.5], pa.float32()), "float", "decimal(10,2)"),
        ("total_amount", pa.array([150]), "bigint", "decimal(10,2)"),
        ("id", pa.array([1.0]), "double", "bigint"),
        ("id", pa.array([True]), "boolean", "bigint"),
        ("status", pa.array([1]), "bigint", "string"),
        ("status", pa.array([["a"]]), "nested", "string"),
        ("created_at", pa.array([1.5], pa.float32()), "float", "timestamp"),
        ("created_at", pa.array([time(12)], pa.time64("us")), "Time", "timestamp"),
        ("created_at", pa.array([Decimal("1.0")]), "decimal(2,1)", "timestamp"),
        ("__source_lsn", pa.array([1.0]), "double", "bigint"),
        ("__ts_ms", pa.array([1.0]), "double", "timestamp"),
    ],
)
def test_a_column_of_another_type_is_named_with_what_was_found_and_expected(
    column: str, values: pa.Array, actual: str, expected: str
) -> None:
    problem = schema_problem(ORDERS, footer_of(orders_with(**{column: values})))
    assert problem is not None
    assert problem.startswith(f"column {column} is ")
    assert actual in problem
    assert f"expected {expected}" in problem


@pytest.mark.parametrize("column", ["id", "created_at", "__op", "__ts_ms", "__source_ts_ms"])
def test_a_required_column_that_is_missing_is_named(column: str) -> None:
    problem = schema_problem(ORDERS, footer_of(ORDER_SCHEMA.empty_table().drop_columns([column])))
    assert problem is not None
    assert problem.startswith(f"column {column} is missing; found ")


@pytest.mark.parametrize("column", ["user_id", "status", "updated_at", "__source_lsn"])
def test_a_nullable_column_may_be_missing(column: str) -> None:
    assert schema_problem(ORDERS, footer_of(ORDER_SCHEMA.empty_table().drop_columns([column]))) is None


def test_a_column_twice_in_different_cases_is_refused_since_spark_could_not_tell_them_apart() -> None:
    table = ORDER_SCHEMA.empty_table().append_column("ID", pa.array([], pa.int64()))
    assert "column id is present more than once" in str(schema_problem(ORDERS, footer_of(table)))


def test_columns_unknown_to_the_contract_are_named_and_the_folders_date_wins() -> None:
    table = ORDER_SCHEMA.empty_table()
    table = table.append_column("coupon", pa.array([], pa.string())).append_column("date", pa.array([], pa.string()))
    assert unknown_columns(ORDERS, footer_of(table)) == ("coupon",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty (0 bytes)"),
        (b"id,status\n1,new\n", "footer cannot be read"),
        (b"PAR1" + b"\0" * 100, "footer cannot be read"),
        (b"PAR1\xff\xff\xff\x7fPAR1", "footer cannot be read"),
    ],
)
def test_a_file_that_is_no_parquet_says_what_was_found(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_footer(pa.BufferReader(content))
    assert message in str(caught.value)


def test_a_file_that_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "whole.parquet"
    pq.write_table(orders_with(id=pa.array(list(range(1000)))), path)
    content: Any = path.read_bytes()
    with pytest.raises(UnreadableFileError):
        read_footer(pa.BufferReader(content[:-20]))
