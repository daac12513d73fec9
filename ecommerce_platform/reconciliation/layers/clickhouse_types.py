"""How values of each ClickHouse type are compared: one table, from which all SQL over the speed layer's columns is made.

What belongs here: ClickHouse's types, and the SQL that brings a value of each to the one form of its logical type. What does
not: queries (speed.py, compare/sides.py), and hashing (row_hash.py).

The one form, whatever the type, the server's time zone or the client's settings: whole numbers; decimals with all their places;
text without the padding of its type; times as microseconds since 1970 in UTC and dates as days since 1970, both whole numbers;
booleans as 1 and 0. Nullable, LowCardinality and SimpleAggregateFunction hold the values of the type inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.contracts.types import TEXTS
from ecommerce_platform.reconciliation.model import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNED = ("Int8", "Int16", "Int32", "Int64", "Int128", "Int256")
_INTEGERS = (*_SIGNED, *(f"U{name}" for name in _SIGNED))
_TIMES = ("DateTime", "DateTime64")
_DATES = ("Date", "Date32")
_SCALED = ("Decimal", "DateTime64")
#: Places to which a float's digits, and those of a number kept as text, are read as a decimal.
_PLACES = 30
_WRAPPED = re.compile(r"(Nullable|LowCardinality|SimpleAggregateFunction)\((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class ClickHouseType:
    """A column's type without its wrappers, as it is declared. `scale` is that of a Decimal or a DateTime64."""

    declared: str
    name: str
    scale: int = 0
    low_cardinality: bool = False

    @classmethod
    def parse(cls, declared: str) -> ClickHouseType:
        """The type of `declared`, as DESCRIBE TABLE writes it: `LowCardinality(Nullable(String))` is a String."""
        inner, low_cardinality = declared.strip(), False
        while match := _WRAPPED.fullmatch(inner):
            low_cardinality |= match[1] == "LowCardinality"
            inner = match[2].partition(", ")[2] if match[1] == "SimpleAggregateFunction" else match[2]
        name, _, arguments = inner.partition("(")
        numbers = re.findall(r"\d+", arguments.partition("'")[0])
        return cls(inner, name, int(numbers[-1]) if numbers and name in _SCALED else 0, low_cardinality)


@dataclass(frozen=True)
class Form:
    """What becomes of values of some ClickHouse types in one logical type.

    SQL over `{x}`, the column, and `{v}`, the value: `value` is what is fetched and grouped by, `text` what is hashed, `number`
    what is added up. `{scale}` is the type's. `rule` is for the documentation.
    """

    types: tuple[str, ...]
    rule: str
    value: str = "{x}"
    text: str = "toString({v})"
    number: str = "{v}"


_TEXT = "concat(toString(lengthUTF8({v})), ':', {v})"
_FIXED = "if({scale} = 0, concat(toString({v}), '.'), trim(trailing '0' from toDecimalString({v}, {scale})))"
_FROM_TEXT = f"toDecimal256({{x}}, {_PLACES})"
_FLOAT = f"toDecimal256OrNull({{v}}, {_PLACES})"
_UTC_MOMENT = "toDateTime64({x}, 6, 'UTC')"
# A finer time is cut towards 1970 by the conversion; a microsecond less before 1970 makes it the one that it lies in.
_FINER = f"(toUnixTimestamp64Micro({_UTC_MOMENT}) - toInt64({{x}} < {_UTC_MOMENT}))"
_OF_TEXT = "parseDateTime64BestEffort({x}, 6, 'UTC')"
_WHOLE_DECIMAL = "concat(toString({v}), '.')"

_NUMBERS = (
    Form(_INTEGERS, "the number, of any width and sign"),
    # Printed without the point, so that a fraction is an error and never cut off.
    Form(
        ("Decimal",),
        "the number; a fraction is an error",
        "toInt256(replaceRegexpOne(toString({x}), '[.]0*$', ''))",
    ),
    Form(("String",), "the number that its digits are; other text is an error", "toInt256({x})"),
)

#: Every supported pair of a logical type and ClickHouse types.
FORMS: dict[LogicalType, tuple[Form, ...]] = {
    LogicalType.BIGINT: _NUMBERS,
    LogicalType.INT: _NUMBERS,
    LogicalType.DECIMAL: (
        Form(("Decimal",), "the number, with all its places; `1.50` is `1.5`", text=_FIXED),
        Form(_INTEGERS, "the number, of any width and sign", text=_WHOLE_DECIMAL),
        Form(
            ("Float32", "Float64", "BFloat16"),
            f"the shortest decimal that reads back as the float, to {_PLACES} places; NaN and infinities agree with nothing",
            "toString({x})",
            f"ifNull(trim(trailing '0' from toDecimalString({_FLOAT}, {_PLACES})), {{v}})",
            f"ifNull({_FLOAT}, toDecimal256(0, {_PLACES}))",
        ),
        Form(
            ("String",),
            f"the number that it writes, to {_PLACES} places; other text is an error",
            _FROM_TEXT,
            f"trim(trailing '0' from toDecimalString({{v}}, {_PLACES}))",
        ),
    ),
    LogicalType.TEXT: (
        Form(("String",), "the text, byte by byte: case, accents and their Unicode form count", text=_TEXT),
        Form(
            ("FixedString",),
            "the text without the zero bytes that fill it up",
            "trim(trailing '\\0' from toString({x}))",
            _TEXT,
        ),
        Form(("Enum8", "Enum16", "Enum"), "the name, not the number", "toString({x})", _TEXT),
        Form(("UUID",), "the UUID: letters of either case in Snowflake's text agree", "toString({x})", _TEXT),
        Form(("IPv4", "IPv6", *_INTEGERS), "as ClickHouse writes it", "toString({x})", _TEXT),
    ),
    LogicalType.TIMESTAMP: (
        Form(
            _TIMES,
            "the moment, whatever the zone of the column or the server, to the microsecond in which it lies",
            f"toUnixTimestamp64Micro({_UTC_MOMENT})",
        ),
        Form(_DATES, "midnight in UTC", f"toUnixTimestamp64Micro({_UTC_MOMENT})"),
        Form(
            ("String",),
            "the moment that it writes, in UTC where it names no offset; other text is an error",
            f"toUnixTimestamp64Micro({_OF_TEXT})",
        ),
    ),
    LogicalType.DATE: (
        Form(_DATES, "the date", "toInt32(toDate32({x}))"),
        Form(_TIMES, "the date of the moment in UTC", f"toInt32(toDate32({_UTC_MOMENT}, 'UTC'))"),
        Form(("String",), "the date that it writes (`2026-01-05`); other text is an error", "toInt32(toDate32({x}))"),
    ),
    LogicalType.BOOLEAN: (Form(("Bool", *_INTEGERS), "false when 0, else true", "toUInt8({x} != 0)"),),
}
FORMS[LogicalType.UUID] = FORMS[LogicalType.TEXT]
#: What a column whose name says milliseconds may be, beside the types of a time.
MILLISECONDS = Form(_INTEGERS, "milliseconds since 1970 in UTC", "toInt64({x}) * 1000")


@dataclass(frozen=True)
class Comparable:
    """One ClickHouse column as it is compared: SQL for its value, and for the text of it that is hashed."""

    column: Column
    type: ClickHouseType
    form: Form
    value: str
    text: str

    @property
    def is_uuid(self) -> bool:
        """Whether the other side's text agrees in either case of its letters."""
        return self.column.type in TEXTS and self.type.name == "UUID"

    def number(self, value: str | None = None) -> str:
        """SQL of the number to add up, of an expression that is this column's value."""
        return self.form.number.format(v=self.value if value is None else value)

    def sum(self) -> str:
        """SQL of the column's sum, exact; of values of 256 bits only those count that a Snowflake column could hold."""
        # A decimal that is compared as an integer has become one.
        integer = self.column.type in (LogicalType.BIGINT, LogicalType.INT)
        number, scale = self.number(), self.type.scale if self.type.name == "Decimal" else 0
        if self.type.name in ("Int256", "UInt256"):
            number = f"toDecimal256OrNull(toString({number}), 0)"
        elif self.type.name in _INTEGERS or (self.type.name == "Decimal" and not integer):
            number = f"toDecimal256({number}, {scale})"
        return f"sum({number})"

    def read(self, fetched: Any) -> Value:
        """A fetched value: times aware and in UTC, decimals exact, text as str."""
        return None if fetched is None else _READERS[self.column.type](fetched)


def comparable(column: Column, name: str, declared: str, milliseconds: bool = False) -> Comparable | None:
    """How the ClickHouse column `name` (quoted) of the type `declared` is compared as `column`; None when it is not.

    With `milliseconds` whole numbers are times, too.
    """
    kind = ClickHouseType.parse(declared)
    form = next((form for form in _forms(column, milliseconds) if kind.name in form.types), None)
    if form is None:
        return None
    finer = kind.name == "DateTime64" and kind.scale > 6 and column.type is LogicalType.TIMESTAMP
    value = (_FINER if finer else form.value).format(x=_without_dictionary(name, kind))
    return Comparable(column, kind, form, value, form.text.format(v=value, scale=kind.scale))


def expected_types(column: Column, milliseconds: bool = False) -> str:
    """The ClickHouse types that `column` may have, for an error message."""
    return ", ".join(dict.fromkeys(name for form in _forms(column, milliseconds) for name in form.types))


def _forms(column: Column, milliseconds: bool) -> tuple[Form, ...]:
    return (*FORMS[column.type], *((MILLISECONDS,) if milliseconds else ()))


def _without_dictionary(name: str, kind: ClickHouseType) -> str:
    """The column as a plain Nullable: a LowCardinality one would make all that is computed from it one, too."""
    if not kind.low_cardinality:
        return name
    declared = f"Nullable({kind.declared})".replace("\\", "\\\\").replace("'", "\\'")
    return f"cast({name}, '{declared}')"


def _decimal(fetched: Any) -> Decimal:
    return fetched if isinstance(fetched, Decimal) else Decimal(str(fetched))


_READERS: dict[LogicalType, Callable[[Any], Value]] = {
    LogicalType.BIGINT: int,
    LogicalType.INT: int,
    LogicalType.DECIMAL: _decimal,
    LogicalType.TEXT: str,
    LogicalType.UUID: str,
    LogicalType.TIMESTAMP: lambda fetched: _EPOCH + timedelta(microseconds=int(fetched)),
    LogicalType.DATE: lambda fetched: date(1970, 1, 1) + timedelta(days=int(fetched)),
    LogicalType.BOOLEAN: bool,
}
