"""A checksum over rows that two engines compute alike: Snowflake over RAW, DuckDB over Iceberg's Parquet files.

What belongs here: how a value becomes text and how rows become one number, in both dialects. What does not: running the
queries and comparing (load.py, verify.py).

A row's text is its columns in order. A null is `-;`. A number, a decimal in units of its last digit, a timestamp in
microseconds and a date in days since 1970-01-01 are integers followed by `;`. A text is its length in characters, `:`, the
text and `;`, so that no value can imitate another column's beginning. The row's number is the lower 64 bits of the MD5 of
that text, and the checksum is the sum of those numbers: independent of order, and different when a row is doubled.

A column that is younger than its table comes after the others, in the order of names, as `name=` and its value; its null adds
nothing. So a day has the same checksum before and after the table gains a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecommerce_platform.contracts import Column, Contract, LogicalType
from ecommerce_platform.warehouse.connection import quoted


@dataclass(frozen=True)
class Content:
    """What a table's day holds: number of rows and their checksum (decimal digits)."""

    rows: int
    checksum: str

    def __str__(self) -> str:
        return f"{self.rows} rows, checksum {self.checksum}"


NO_ROWS = Content(0, "0")


def checked_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns under the checksum: all that the event has; load stamps differ from load to load."""
    return contract.all_event_columns


def snowflake_checksum(columns: Sequence[Column]) -> str:
    """SQL expression (an aggregate) for Snowflake over a table with these columns."""
    text = _row_text(columns, _snowflake_text)
    return f"to_varchar(coalesce(sum(md5_number_lower64({text})), 0))"


def duckdb_checksum(columns: Sequence[Column]) -> str:
    """SQL expression (an aggregate) for DuckDB over Parquet files with these columns."""
    text = _row_text(columns, _duckdb_text)
    # DuckDB's own md5_number_lower reads the bytes the other way round.
    return f"cast(coalesce(sum(cast('0x' || right(md5({text}), 16) as ubigint)), 0) as varchar)"


def _row_text(columns: Sequence[Column], text_of: Callable[[Column], str]) -> str:
    first = [f"coalesce({text_of(column)} || ';', '-;')" for column in columns if not column.late]
    late = sorted((column for column in columns if column.late), key=lambda column: column.name)
    # The names are those of contracts or checked like them: no quote can be in one.
    return " || ".join((*first, *(f"coalesce('{column.name}=' || {text_of(column)} || ';', '')" for column in late)))


def _snowflake_text(column: Column) -> str:
    name = quoted(column.name)
    match column.type:
        case LogicalType.TEXT:
            return f"to_varchar(length({name})) || ':' || {name}"
        case LogicalType.TIMESTAMP:
            return f"to_varchar(datediff('microsecond', '1970-01-01'::timestamp_ntz, {name}))"
        case LogicalType.DATE:
            return f"to_varchar(datediff('day', '1970-01-01'::date, {name}))"
        case LogicalType.BOOLEAN:
            return f"case when {name} then '1' when not {name} then '0' end"
        case LogicalType.DECIMAL:
            return f"to_varchar(cast({name} * {10 ** (column.scale or 0)} as number(38, 0)))"
        case _:
            return f"to_varchar({name})"


def _duckdb_text(column: Column) -> str:
    name = f'"{column.name}"'
    match column.type:
        case LogicalType.TEXT:
            return f"cast(length({name}) as varchar) || ':' || {name}"
        case LogicalType.TIMESTAMP:
            return f"cast(epoch_us({name}) as varchar)"
        case LogicalType.DATE:
            return f"cast({name} - date '1970-01-01' as varchar)"
        case LogicalType.BOOLEAN:
            return f"case when {name} then '1' when not {name} then '0' end"
        case LogicalType.DECIMAL:
            return f"cast(cast({name} * {10 ** (column.scale or 0)} as decimal(38, 0)) as varchar)"
        case _:
            return f"cast({name} as varchar)"
