"""One number for a row, the same in every engine: equal values give equal hashes, whoever computes them.

What belongs here: how a row becomes a text and the text a number, in the SQL of Snowflake, DuckDB, ClickHouse and Spark. What
does not: queries, and how a value of a ClickHouse type becomes the one form of its logical type
(reconciliation/layers/clickhouse_types.py).

The contract. A row's text is its columns' texts in order, each closed by `;`. A null is `-`. A whole number is its decimal
digits, a time microseconds and a date days since 1970-01-01 in UTC, a boolean 1 or 0. A text is its length in characters, `:`
and itself, so that no value can imitate another column's beginning. A decimal is written in one of two forms (`Decimals`). A
column that is younger than its table (`late`) comes after the others, in the order of names, as `name=` and its text; its null
adds nothing, so that a day has the same hash before and after the table gains a column. The hash is the lower 64 bits of the
MD5 of the row's text; the hash of rows is the sum of theirs, independent of order, and different when a row is doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.contracts.types import TEXTS

#: Sums of hashes are compared modulo this, as ClickHouse's UInt64 adds up by itself.
MODULUS = 2**64
_NULL, _END = "-", ";"


class Decimals(Enum):
    """How a decimal is written."""

    #: In units of the last digit of the column's scale: both engines have the same scale. RAW.LOAD_LEDGER keeps hashes of it.
    UNITS = "units"
    #: Its digits with a point and without zeros at the end (`10.`, `10.5`): the engines' scales may differ.
    DIGITS = "digits"


def snowflake_row_hash(
    columns: Sequence[Column], place: Callable[[str], str], decimals: Decimals = Decimals.UNITS
) -> str:
    """The row's hash in Snowflake, a NUMBER; `place` gives the SQL of a column by its name."""
    parts = ((column, _snowflake_text(column, place(column.name), decimals)) for column in columns)
    return f"md5_number_lower64({_row_text(parts)})"


def snowflake_rows_hash(columns: Sequence[Column], place: Callable[[str], str]) -> str:
    """The hash of all rows in Snowflake: an aggregate, decimal digits as text."""
    return f"to_varchar(coalesce(sum({snowflake_row_hash(columns, place)}), 0))"


def duckdb_rows_hash(columns: Sequence[Column]) -> str:
    """The same in DuckDB, over Parquet files with these columns."""
    parts = ((column, _text_in(_DUCKDB, column, f'"{column.name}"')) for column in columns)
    # DuckDB's own md5_number_lower reads the bytes the other way round.
    return f"cast(coalesce(sum(cast('0x' || right(md5({_row_text(parts)}), 16) as ubigint)), 0) as varchar)"


def spark_row_hash(columns: Sequence[Column]) -> str:
    """The row's hash in Spark, a bigint: its 64 bits, of which Spark takes the first for a sign."""
    parts = ((column, _text_in(_SPARK, column, f"`{column.name}`")) for column in columns)
    return f"cast(conv(substring(md5({_row_text(parts)}), 17), 16, -10) as bigint)"


def clickhouse_row_hash(texts: Iterable[tuple[Column, str]]) -> str:
    """The row's hash in ClickHouse, a UInt64, of columns whose text (decimals as digits) is given as SQL; null is null."""
    return f"reinterpretAsUInt64(reverse(substring(MD5({_row_text(texts)}), 9, 8)))"


def _row_text(parts: Iterable[tuple[Column, str]]) -> str:
    """The row's text, in SQL that all four engines read alike. One call joins the columns: with an operator between each two,
    every one would copy what is before it.
    """
    listed = list(parts)
    first = "".join(f"coalesce({text}, '{_NULL}'), " for column, text in listed if not column.late)
    # The names are those of contracts or checked like them: no quote can be in one.
    late = sorted((column.name, text) for column, text in listed if column.late)
    named = (f" || coalesce('{name}=' || {text} || '{_END}', '')" for name, text in late)
    # The empty text gives the last column its end.
    return f"concat_ws('{_END}', {first}''){''.join(named)}"


def _snowflake_text(column: Column, value: str, decimals: Decimals) -> str:
    match column.type:
        case kind if kind in TEXTS:
            return f"to_varchar(length({value})) || ':' || {value}"
        case LogicalType.TIMESTAMP:
            return f"to_varchar(datediff('microsecond', '1970-01-01'::timestamp_ntz, {value}))"
        case LogicalType.DATE:
            return f"to_varchar(datediff('day', '1970-01-01'::date, {value}))"
        case LogicalType.BOOLEAN:
            return f"case when {value} then '1' when not {value} then '0' end"
        case LogicalType.DECIMAL if decimals is Decimals.UNITS:
            if _is_wide(column):
                digits = f"ltrim(replace(to_varchar(abs({value})), '.', ''), '0')"
                return f"case when {value} = 0 then '0' when {value} < 0 then '-' || {digits} else {digits} end"
            return f"to_varchar(cast({value} * {10 ** (column.scale or 0)} as number(38, 0)))"
        case LogicalType.DECIMAL:
            text = f"to_varchar({value})"
            return f"regexp_replace({text}, '0+$', '')" if column.scale else f"{text} || '.'"
        case _ if column.scale:
            # The places of a number that is whole after all; any other number agrees with no whole one.
            return f"regexp_replace(to_varchar({value}), '\\\\.0+$', '')"
        case _:
            return f"to_varchar({value})"


def _is_wide(column: Column) -> bool:
    """Whether a decimal times ten to its scale may have more digits than a decimal can have: engines round it, or fail."""
    return (column.precision or 38) + (column.scale or 0) + 2 > 38


@dataclass(frozen=True)
class _Engine:
    """What differs in the text of a value between DuckDB and Spark: the type of texts, microseconds and days since 1970."""

    text: str
    microseconds: str
    days: str


_DUCKDB = _Engine("varchar", "epoch_us({})", "{} - date '1970-01-01'")
_SPARK = _Engine("string", "unix_micros({})", "unix_date({})")


def _text_in(engine: _Engine, column: Column, value: str) -> str:
    match column.type:
        case kind if kind in TEXTS:
            return f"cast(length({value}) as {engine.text}) || ':' || {value}"
        case LogicalType.TIMESTAMP:
            return f"cast({engine.microseconds.format(value)} as {engine.text})"
        case LogicalType.DATE:
            return f"cast({engine.days.format(value)} as {engine.text})"
        case LogicalType.BOOLEAN:
            return f"case when {value} then '1' when not {value} then '0' end"
        case LogicalType.DECIMAL:
            units = f"{value} * {10 ** (column.scale or 0)}"
            if _is_wide(column):
                units = f"replace(cast({value} as {engine.text}), '.', '')"
            return f"cast(cast({units} as decimal(38, 0)) as {engine.text})"
        case _:
            return f"cast({value} as {engine.text})"
