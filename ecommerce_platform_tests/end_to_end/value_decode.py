"""Values of landing files in the contract's types, one Python value at a time.

What belongs here: types, units and bounds of single values. What does not: files, rows and days (landing_decode.py). Nothing is
imported from ecommerce_platform, on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

FIRST_MICROSECOND = -62_135_596_800_000_000  # 0001-01-01
LAST_MICROSECOND = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999
PER_SECOND = (1, 10**3, 10**6, 10**9)  # the units of epoch numbers, from coarse to fine
COMMON_SECONDS = (
    315_532_800,
    4_102_444_800,
)  # 1980 to 2100: under which unit a number lies there shows the column's unit
INFINITE = 9_223_372_036_800_000_000  # beyond lie PostgreSQL's infinities, as drivers and connectors write them


BIGINT, INT, MONEY, TEXT, TIMESTAMP = "bigint", "int", "money", "text", "timestamp"


class UnfitValue(ValueError):
    """A value that cannot become its column's type: its row goes to quarantine."""


def units_of(number: int) -> list[int]:
    """The units, by their number in a second, under which a number lies in the common span: one at most."""
    first, end = COMMON_SECONDS
    return [unit for unit in PER_SECOND if first * unit <= number < end * unit]


def likely_unit(values: list[Any]) -> int | None:
    """The unit of the most values of a column; None when no value shows one."""
    votes = [unit for value in values if isinstance(value, int) for unit in units_of(value)]
    return max(PER_SECOND, key=votes.count) if votes else None


def as_microseconds(value: int, unit: int) -> tuple[int]:
    """A 1-tuple, as for Parquet's timestamps; out of all bounds for what is not a valid time of this column."""
    ambiguous = any(other != unit for other in units_of(value))
    return (LAST_MICROSECOND + 1,) if ambiguous or abs(value) >= INFINITE else (value * 10**6 // unit,)


def decode_integer(value: Any, name: str, bits: int = 64) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value):
        value = int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise UnfitValue(f"{value!r} is not a {bits}-bit integer")
    return value


def decode_money(value: Any, name: str) -> Decimal:
    """decimal(10,2) from a decimal, a string, an integer, or Debezium's unscaled big-endian bytes."""
    if isinstance(value, bytes):
        value = Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-2)
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise UnfitValue(f"{value!r} is not a number") from error
    if not amount.is_finite() or amount != amount.quantize(Decimal("0.01")) or abs(amount) >= 10**8:
        raise UnfitValue(f"{value!r} is not a decimal(10,2)")
    return amount.quantize(Decimal("0.01"))


def decode_timestamp(value: Any, name: str) -> int:
    """Microseconds of the epoch, UTC."""
    if isinstance(value, tuple):
        micros = value[0]
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise UnfitValue(f"{value!r} is not a timestamp") from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    elif isinstance(value, int):
        micros = value * 1_000  # of the metadata alone: read_rows knows the units of the others
    else:
        raise UnfitValue(f"{value!r} is not a timestamp")
    if not FIRST_MICROSECOND <= micros <= LAST_MICROSECOND:
        raise UnfitValue(f"{value!r} lies outside the years 1 to 9999")
    return int(micros)


DECODERS: dict[str, Callable[[Any, str], Any]] = {
    BIGINT: decode_integer,
    INT: lambda value, name: decode_integer(value, name, bits=32),
    MONEY: decode_money,
    TEXT: lambda value, name: value,
    TIMESTAMP: decode_timestamp,
}
