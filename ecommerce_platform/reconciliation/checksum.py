"""One checksum of an order, written for two engines: equal values have equal checksums, whoever computes them.

What belongs here: SQL expressions that hash a row in ClickHouse and in Snowflake, and Snowflake's side of what is hashed. What
does not: ClickHouse's side of it (clickhouse_types.py), queries (speed.py, batch.py) and the search (locate.py).

A row's text is its columns' texts in the contract's order, each closed by `;`: nulls are `N`; whole numbers are decimal digits,
decimals their digits with a point and without zeros at the end (`10.`, `10.5`); times are microseconds since 1970 in UTC, dates
days; booleans are 1 and 0; text is `V`, its length in characters, `:` and itself, so that no text is mistaken for two columns.
The checksum is the lower 64 bits of the MD5 of that text (Snowflake: MD5_NUMBER_LOWER64). Sums are taken modulo 2^64, as
ClickHouse's UInt64 does by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.contracts.model import TEXTS
from ecommerce_platform.reconciliation.clickhouse_types import Comparable

MODULUS = 2**64
_NUMBERS = (LogicalType.BIGINT, LogicalType.INT)


def snowflake_text(column: Column, expression: str) -> str:
    """Normalised text of one value in Snowflake, of a number with the scale of the column (none: whole numbers)."""
    if column.type in _NUMBERS:
        text = f"to_varchar({expression})"
        if column.scale:
            # The places of a number that is whole after all; any other number agrees with no whole one.
            text = f"regexp_replace({text}, '\\\\.0+$', '')"
    elif column.type is LogicalType.DECIMAL:
        text = f"to_varchar({expression})"
        text = f"regexp_replace({text}, '0+$', '')" if column.scale else f"{text} || '.'"
    elif column.type in TEXTS:
        text = f"'V' || to_varchar(length({expression})) || ':' || {expression}"
    elif column.type is LogicalType.TIMESTAMP:
        text = f"to_varchar(datediff('microsecond', '1970-01-01 00:00:00'::timestamp_ntz, {expression}))"
    elif column.type is LogicalType.DATE:
        text = f"to_varchar(datediff('day', '1970-01-01'::date, {expression}))"
    else:
        text = f"case when {expression} then '1' when not {expression} then '0' end"
    return f"coalesce({text}, 'N') || ';'"


def clickhouse_checksum(columns: Iterable[Comparable]) -> str:
    """UInt64 checksum of a row."""
    texts = ", ".join(f"concat(ifNull({column.text}, 'N'), ';')" for column in columns)
    return f"reinterpretAsUInt64(reverse(substring(MD5(concat({texts}, '')), 9, 8)))"


def snowflake_checksum(columns: Sequence[Column], name_of: Callable[[str], str]) -> str:
    """The same number in Snowflake; `name_of` gives the expression of a column."""
    texts = " || ".join(snowflake_text(column, name_of(column.name)) for column in columns)
    return f"md5_number_lower64({texts})"
