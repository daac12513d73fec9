"""The two SQL dialects in which a value is decoded: Spark's, for the lakehouse, and DuckDB's, for the speed layer's loader.

What belongs here: how each engine spells what the rules need. What does not: the rules (values.py, iso8601.py), which are
written once for both.

Nothing here may depend on an engine's idea of a blank, a regular expression's dialect, or rounding: patterns use the part that
Java's and RE2's have in common, and characters to trim are named.
"""

from __future__ import annotations

from typing import Protocol

from ecommerce_platform.contracts import Column
from ecommerce_platform.lakehouse.decode.physical import PhysicalKind

#: What may stand around a number, time, word or operation in a text: space, tab, line feed, carriage return.
BLANKS = " \t\n\r"


class Dialect(Protocol):
    """SQL expressions from SQL expressions; the arguments' names say their types."""

    #: The type of any text.
    text_type: str

    def text(self, raw: str, kind: PhysicalKind) -> str:
        """Text from text or bytes; what is not UTF-8 is null or matches no pattern."""

    def valid_text(self, raw: str, kind: PhysicalKind) -> str:
        """Text from text or bytes; null when it is not UTF-8."""

    def matches(self, text: str, pattern: str) -> str:
        """Boolean: the pattern occurs in the text."""

    def group(self, text: str, pattern: str, number: int) -> str:
        """Text of a group of the pattern; empty where the group took no part."""

    def try_cast(self, value: str, column: Column) -> str:
        """The value as the column's type; null where it does not fit."""

    def try_integer(self, value: str) -> str:
        """The value as a 64-bit integer; null where it does not fit."""

    def to_big_integer(self, number: str) -> str:
        """An integer as one of 64 bits."""

    def plain_timestamp(self, text: str) -> str | None:
        """A timestamp from `YYYY-MM-DD hh:mm:ss`, with a fraction and `Z` or without; None where a cast gains nothing."""

    def try_date(self, text: str) -> str:
        """A date from `YYYY-MM-DD`; null for a day that the calendar lacks."""

    def divide(self, number: str, by: int) -> str:
        """The integer quotient of two integers that leave no rest."""

    def from_microseconds(self, number: str) -> str:
        """A timestamp in UTC from microseconds since 1970."""

    def microseconds(self, timestamp: str) -> str:
        """Microseconds since 1970 of a timestamp in UTC."""

    def physical_days(self, raw: str) -> str:
        """Days since 1970 of a date as it lies in the file."""

    def from_days(self, number: str) -> str:
        """A date from days since 1970."""

    def days(self, date: str) -> str:
        """Days since 1970 of a date."""

    def from_hexadecimal(self, digits: str) -> str:
        """A decimal(20,0) from up to 16 hexadecimal digits without a sign."""

    def null(self, column: Column) -> str:
        """The null of the column's type."""


def literal(text: str) -> str:
    """A text as both dialects write it; backslashes, which only Spark would take for more, do not occur."""
    if "\\" in text:
        raise ValueError(f"{text!r} has a backslash, which the dialects read differently")
    return "'" + text.replace("'", "''") + "'"


def trimmed(text: str) -> str:
    """The text without the blanks around it; both engines know `TRIM(BOTH … FROM …)`."""
    return f"TRIM(BOTH {literal(BLANKS)} FROM {text})"


class SparkDialect:
    """Spark SQL; the session's time zone is UTC."""

    text_type = "STRING"

    def text(self, raw: str, kind: PhysicalKind) -> str:
        return raw if kind is PhysicalKind.TEXT else f"CAST({raw} AS STRING)"

    def valid_text(self, raw: str, kind: PhysicalKind) -> str:
        text = self.text(raw, kind)
        return f"CASE WHEN is_valid_utf8({text}) THEN {text} END"

    def matches(self, text: str, pattern: str) -> str:
        return f"{text} RLIKE {literal(pattern)}"

    def group(self, text: str, pattern: str, number: int) -> str:
        return f"regexp_extract({text}, {literal(pattern)}, {number})"

    def try_cast(self, value: str, column: Column) -> str:
        return f"TRY_CAST({value} AS {column.spark_type})"

    def try_integer(self, value: str) -> str:
        return f"TRY_CAST({value} AS BIGINT)"

    def to_big_integer(self, number: str) -> str:
        return f"CAST({number} AS BIGINT)"

    def plain_timestamp(self, text: str) -> str | None:
        return f"TRY_CAST({text} AS TIMESTAMP)"

    def try_date(self, text: str) -> str:
        return f"TRY_CAST({text} AS DATE)"

    def divide(self, number: str, by: int) -> str:
        return f"({number} DIV {by})"

    def from_microseconds(self, number: str) -> str:
        return f"timestamp_micros({number})"

    def microseconds(self, timestamp: str) -> str:
        return f"unix_micros(CAST({timestamp} AS TIMESTAMP))"

    def physical_days(self, raw: str) -> str:
        return f"unix_date({raw})"

    def from_days(self, number: str) -> str:
        return f"date_from_unix_date(CAST({number} AS INT))"

    def days(self, date: str) -> str:
        return f"unix_date({date})"

    def from_hexadecimal(self, digits: str) -> str:
        return f"CAST(conv({digits}, 16, 10) AS DECIMAL(20,0))"

    def null(self, column: Column) -> str:
        return f"CAST(NULL AS {column.spark_type})"


class DuckDbDialect:
    """DuckDB; texts arrive as bytes, and timestamps and dates as whole numbers (speed_layer/order_versions.py)."""

    text_type = "VARCHAR"

    def text(self, raw: str, kind: PhysicalKind) -> str:
        return f"TRY(decode({raw}))"

    def valid_text(self, raw: str, kind: PhysicalKind) -> str:
        return self.text(raw, kind)

    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_matches({text}, {literal(pattern)})"

    def group(self, text: str, pattern: str, number: int) -> str:
        return f"regexp_extract({text}, {literal(pattern)}, {number})"

    def try_cast(self, value: str, column: Column) -> str:
        return f"TRY_CAST({value} AS {column.duckdb_type})"

    def try_integer(self, value: str) -> str:
        return f"TRY_CAST({value} AS BIGINT)"

    def to_big_integer(self, number: str) -> str:
        return f"CAST({number} AS BIGINT)"

    def plain_timestamp(self, text: str) -> str | None:
        return None

    def try_date(self, text: str) -> str:
        return f"TRY_CAST({text} AS DATE)"

    def divide(self, number: str, by: int) -> str:
        return f"({number} // {by})"

    def from_microseconds(self, number: str) -> str:
        return f"make_timestamp(CAST({number} AS BIGINT))"

    def microseconds(self, timestamp: str) -> str:
        return timestamp

    def physical_days(self, raw: str) -> str:
        return raw

    def from_days(self, number: str) -> str:
        return f"(DATE '1970-01-01' + CAST({number} AS INTEGER))"

    def days(self, date: str) -> str:
        return f"({date} - DATE '1970-01-01')"

    def from_hexadecimal(self, digits: str) -> str:
        return f"CAST(CAST('0x' || {digits} AS UBIGINT) AS DECIMAL(20,0))"

    def null(self, column: Column) -> str:
        return f"CAST(NULL AS {column.duckdb_type})"


SPARK: Dialect = SparkDialect()
DUCKDB: Dialect = DuckDbDialect()
