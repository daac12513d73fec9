"""One checksum of an order, written for two engines: equal values have equal checksums, whoever computes them.

What belongs here: SQL expressions that bring a value to the same text in ClickHouse and in Snowflake, and hash it. What does
not: queries (speed.py, batch.py) and the search (locate.py).

A row's text is its columns' texts in the contract's order, each closed by `;`: nulls are `N`; numbers are decimal digits,
money in millionths; times are microseconds since 1970 in UTC, dates days; booleans are 1 and 0; text is `V`, its length in
characters, `:` and itself, so that no text can be mistaken for two columns. The checksum is the lower 64 bits of the MD5 of that
text (Snowflake: MD5_NUMBER_LOWER64). Sums are taken modulo 2^64, as ClickHouse's UInt64 does by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ecommerce_platform.contracts import Column, LogicalType

MODULUS = 2**64
#: Money is compared to this many places, so that a speed layer with finer amounts shows its rounding.
_MICRO = 1_000_000
_NUMBERS = (LogicalType.BIGINT, LogicalType.INT)


def clickhouse_text(column: Column, expression: str) -> str:
    """Normalised text of one value in ClickHouse."""
    if column.type in _NUMBERS:
        text = f"toString(toInt64({expression}))"
    elif column.type is LogicalType.DECIMAL:
        text = f"toString(toInt128(toDecimal128({expression}, 6) * {_MICRO}))"
    elif column.type is LogicalType.TEXT:
        text = f"concat('V', toString(lengthUTF8({expression})), ':', toString({expression}))"
    elif column.type is LogicalType.TIMESTAMP:
        text = f"toString(toUnixTimestamp64Micro(toDateTime64({expression}, 6, 'UTC')))"
    elif column.type is LogicalType.DATE:
        text = f"toString(toInt32(toDate32({expression})))"
    else:
        text = f"toString(toUInt8({expression}))"
    return f"concat(ifNull({text}, 'N'), ';')"


def snowflake_text(column: Column, expression: str) -> str:
    """Normalised text of one value in Snowflake."""
    if column.type in _NUMBERS:
        text = f"to_varchar({expression}::number(38, 0))"
    elif column.type is LogicalType.DECIMAL:
        text = f"to_varchar(({expression} * {_MICRO})::number(38, 0))"
    elif column.type is LogicalType.TEXT:
        text = f"'V' || to_varchar(length({expression})) || ':' || {expression}"
    elif column.type is LogicalType.TIMESTAMP:
        text = f"to_varchar(datediff('microsecond', '1970-01-01 00:00:00'::timestamp_ntz, {expression}))"
    elif column.type is LogicalType.DATE:
        text = f"to_varchar(datediff('day', '1970-01-01'::date, {expression}))"
    else:
        text = f"case when {expression} then '1' when not {expression} then '0' end"
    return f"coalesce({text}, 'N') || ';'"


def clickhouse_checksum(columns: Sequence[Column], name_of: Callable[[str], str]) -> str:
    """UInt64 checksum of a row; `name_of` gives the expression of a column."""
    texts = ", ".join(clickhouse_text(column, name_of(column.name)) for column in columns)
    return f"reinterpretAsUInt64(reverse(substring(MD5(concat({texts}, '')), 9, 8)))"


def snowflake_checksum(columns: Sequence[Column], name_of: Callable[[str], str]) -> str:
    """The same number in Snowflake."""
    texts = " || ".join(snowflake_text(column, name_of(column.name)) for column in columns)
    return f"md5_number_lower64({texts})"
