"""One value: from the form in which it lies in the file to the type of its contract column, as SQL of either dialect.

What belongs here: which physical form can become which type, and how; once, for Spark and for DuckDB (dialects.py). What does
not: rows, reasons and quarantine (change_events.py), the unit of an epoch column (epochs.py), the forms of a text (iso8601.py).

Rules that the forms leave open:

- A whole number in a timestamp is an epoch in the unit of its column: milliseconds in `__ts_ms` and `__source_ts_ms`, as Debezium
  names them; in any other column what the contract states or the file shows. No value is read in a unit of its own.
- PostgreSQL's infinities, and times outside the years 0001 to 9999, are outside the platform's range.
- A timestamp without a zone is UTC. Nanoseconds are cut to microseconds, which is all that PostgreSQL has.
- Bytes for a decimal are its unscaled value, big-endian two's complement, with the scale of the contract (Debezium's
  `precise`).
- Nothing goes through a float: a float or double column is refused, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Callable

from ecommerce_platform.contracts import CDC_COLUMNS, Column, EpochUnit, LogicalType
from ecommerce_platform.lakehouse.decode import iso8601
from ecommerce_platform.lakehouse.decode.dialects import BLANKS, Dialect, literal, trimmed
from ecommerce_platform.lakehouse.decode.epochs import (
    END_SECOND,
    FIRST_SECOND,
    INFINITIES,
    UNITS,
    VOTING_SPAN,
    span,
    unit_of,
)
from ecommerce_platform.lakehouse.decode.physical import PhysicalColumn, PhysicalKind

#: Words and letters of Debezium, in lower case, and what is stored.
OPERATIONS = {
    "c": "INSERT",
    "u": "UPDATE",
    "d": "DELETE",
    "r": "READ",
    "insert": "INSERT",
    "update": "UPDATE",
    "delete": "DELETE",
    "read": "READ",
}

_AROUND = f"[{BLANKS}]*"
_WHOLE_NUMBER = f"^{_AROUND}[+-]?[0-9]+{_AROUND}$"
_SCIENTIFIC = f"^{_AROUND}[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)[eE][+-]?[0-9]+{_AROUND}$"
#: A timestamp that Spark's own cast reads as the rules do, and faster; the usual form.
_PLAIN_TIMESTAMP = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z?$"
_UUID = f"^{_AROUND}[0-9A-Fa-f]{{8}}-([0-9A-Fa-f]{{4}}-){{3}}[0-9A-Fa-f]{{12}}{_AROUND}$"
#: Where a UUID's groups begin among its 32 digits, from 1, and how long they are.
_UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
_FIRST_DAY, _LAST_DAY = FIRST_SECOND // 86_400, END_SECOND // 86_400 - 1

#: From the raw value, its column in the contract, its column in the file, and the dialect, to the value.
_Decoder = Callable[[str, Column, PhysicalColumn, Dialect], str]


def decoded(column: Column, physical: PhysicalColumn, raw: str, dialect: Dialect) -> str | None:
    """SQL of the value of `column`, from the SQL `raw` of the value in the file.

    It is null where `raw` is null or cannot become the type. None when this physical form never is of the column's type.
    """
    if physical.kind is PhysicalKind.NULL:
        return dialect.null(column)
    decode = _decoder(column, physical)
    if decode is None:
        return None
    value = decode(raw, column, physical, dialect)
    return _operation(value) if column.name == "__op" else value


def can_become(column: Column, physical: PhysicalColumn) -> bool:
    """Whether this physical form is a form of the column's type."""
    return physical.kind is PhysicalKind.NULL or _decoder(column, physical) is not None


def expected_forms(column: Column) -> str:
    """The physical forms that the column can be decoded from, for messages."""
    return ", ".join(kind.value for kind in PhysicalKind if _decoder(column, PhysicalColumn(column.name, kind)))


def _decoder(column: Column, physical: PhysicalColumn) -> _Decoder | None:
    if column in CDC_COLUMNS and column.type is LogicalType.TIMESTAMP and physical.kind is PhysicalKind.INT:
        return None  # milliseconds since 1970 need more than 32 bits
    return _FORMS[column.type].get(physical.kind)


def _operation(value: str) -> str:
    cases = " ".join(f"WHEN {literal(word)} THEN {literal(stored)}" for word, stored in OPERATIONS.items())
    return f"CASE lower({trimmed(value)}) {cases} END"


def _as_it_is(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return raw


def _whole_number(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return dialect.try_cast(raw, column)


def _whole_from_text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    text = dialect.text(raw, physical.kind)
    return _when(dialect.matches(text, _WHOLE_NUMBER), dialect.try_cast(trimmed(text), column))


def _exact(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    """A decimal as it is. A cast rounds a longer fraction silently; a number that does not fit does not belong to this column."""
    fitted = dialect.try_cast(raw, column)
    same = f"TRY_CAST({fitted} AS DECIMAL(38,{physical.scale})) = {raw}"
    return _when(same, fitted) if physical.scale > (column.scale or 0) else fitted


def _decimal_from_text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    text = dialect.text(raw, physical.kind)
    number, scale = trimmed(text), column.scale or 0
    # Zeros beyond the scale change nothing, any other digit there would be lost.
    fraction = f"[.][0-9]{{1,{scale}}}0*|[.]0*" if scale else "[.]0*"
    leading = f"[.][0-9]{{1,{scale}}}0*|[.]0+" if scale else "[.]0+"
    plain = f"^{_AROUND}[+-]?([0-9]+({fraction})?|{leading}){_AROUND}$"
    wide = f"TRY_CAST({number} AS DECIMAL(38,18))"
    narrow = dialect.try_cast(number, column)
    return (
        f"CASE WHEN {dialect.matches(text, plain)} THEN {narrow} "
        f"WHEN {dialect.matches(text, _SCIENTIFIC)} AND {wide} = {narrow} THEN {narrow} END"
    )


def _decimal_from_bytes(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    """Up to eight significant bytes (18 digits and more), read as unsigned; the sign bit mends it."""
    digits = f"hex({raw})"
    negative = dialect.matches(digits, "^[89A-F]")
    # Sign bytes in front of the last eight say nothing, if they are only that and the sign bit agrees.
    clean = (
        f"length({digits}) > 0 AND (length({digits}) <= 16 OR {dialect.matches(digits, '^(00)+[0-7].{15}$')} "
        f"OR {dialect.matches(digits, '^(FF)+[89A-F].{15}$')})"
    )
    last = f"right({digits}, 16)"
    filled = f"CASE WHEN {negative} THEN lpad({last}, 16, 'F') ELSE lpad({last}, 16, '0') END"
    unsigned = dialect.from_hexadecimal(f"({filled})")
    size = f"abs({unsigned} - CASE WHEN {negative} THEN CAST(18446744073709551616 AS DECIMAL(20,0)) ELSE 0 END)"
    scale = column.scale or 0
    text = f"lpad(CAST(CAST({size} AS DECIMAL(20,0)) AS {dialect.text_type}), 40, '0')"
    fraction = f" || '.' || right({text}, {scale})" if scale else ""
    number = f"CASE WHEN {negative} THEN '-' ELSE '' END || substr({text}, 1, {40 - scale}){fraction}"
    return _when(clean, dialect.try_cast(f"({number})", column))


def _text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return dialect.valid_text(raw, physical.kind)


def _timestamp(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return _from_epoch(dialect.microseconds(raw), EpochUnit.MICROSECONDS, dialect)


def _timestamp_from_milliseconds(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return _from_epoch(raw, EpochUnit.MILLISECONDS, dialect)


def _timestamp_from_nanoseconds(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return _from_epoch(raw, EpochUnit.NANOSECONDS, dialect)


def _timestamp_from_text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    text = dialect.text(raw, physical.kind)
    read = _from_epoch(iso8601.microseconds(text, dialect), EpochUnit.MICROSECONDS, dialect)
    plain = dialect.plain_timestamp(text)
    if plain is None:
        return read
    usual = _from_epoch(dialect.microseconds(plain), EpochUnit.MICROSECONDS, dialect)
    return f"CASE WHEN {dialect.matches(text, _PLAIN_TIMESTAMP)} THEN {usual} ELSE {read} END"


def _timestamp_from_number(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    unit = unit_of(column, physical)
    number = dialect.try_integer(raw)
    is_guessed = physical.unit is not None and column.epoch_unit is None and column not in CDC_COLUMNS
    # In a unit that the file shows, a value that looks like another unit's is not near 1970: it does not fit.
    other_units = [span(VOTING_SPAN, other) for other in UNITS if is_guessed and other is not unit]
    return _from_epoch(number, unit, dialect, other_units)


def _from_epoch(
    number: str, unit: EpochUnit, dialect: Dialect, other_units: list[tuple[int, int]] | None = None
) -> str:
    """A timestamp from a 64-bit number of units; null outside the years 0001 to 9999, for infinities, and in another unit."""
    first, last = span((FIRST_SECOND, END_SECOND), unit)
    excluded = [item for item in (*INFINITIES, *(other_units or ())) if item[0] <= last and item[1] >= first]
    fits = [_between(number, (first, last)), *(f"NOT {_between(number, item)}" for item in excluded)]
    if unit is EpochUnit.NANOSECONDS:
        # Downwards also before 1970.
        rest = f"((({number}) % 1000 + 1000) % 1000)"
        micros = dialect.divide(f"(({number}) - {rest})", 1000)
    else:
        micros = f"({number}) * {unit.in_nanoseconds // 1000}"
    return _when(" AND ".join(fits), dialect.from_microseconds(micros))


def _date(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return _from_days(dialect.physical_days(raw), dialect)


def _date_from_number(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    """Days since 1970, or midnights in the unit that the contract states."""
    unit, number = unit_of(column, physical), dialect.try_integer(raw)
    if unit is EpochUnit.DAYS:
        return _from_days(number, dialect)
    per_day = EpochUnit.DAYS.in_nanoseconds // unit.in_nanoseconds
    return _when(f"({number}) % {per_day} = 0", _from_days(dialect.divide(number, per_day), dialect))


def _date_from_text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    return _from_days(iso8601.days(dialect.text(raw, physical.kind), dialect), dialect)


def _from_days(number: str, dialect: Dialect) -> str:
    return _when(_between(number, (_FIRST_DAY, _LAST_DAY)), dialect.from_days(number))


def _boolean_from_text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    word = f"lower({trimmed(dialect.text(raw, physical.kind))})"
    return f"CASE WHEN {word} IN ('true', 't') THEN true WHEN {word} IN ('false', 'f') THEN false END"


def _uuid_from_text(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    """In lower case, as PostgreSQL writes it: two spellings of a key are one key."""
    text = dialect.text(raw, physical.kind)
    return _when(dialect.matches(text, _UUID), f"lower({trimmed(text)})")


def _uuid_from_bytes(raw: str, column: Column, physical: PhysicalColumn, dialect: Dialect) -> str:
    """From its 16 bytes, Parquet's own form, or from the bytes of its text."""
    digits = f"lower(hex({raw}))"
    parts = " || '-' || ".join(f"substr({digits}, {start}, {length})" for start, length in _UUID_PARTS)
    of_text = _uuid_from_text(raw, column, physical, dialect)
    return f"CASE WHEN length({digits}) = 32 THEN {parts} ELSE {of_text} END"


def _when(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


def _between(number: str, bounds: tuple[int, int]) -> str:
    first, last = bounds
    # -2^63 cannot be written as a literal: the sign is an operator on a number that does not fit.
    return f"({number}) <= {last}" if first <= -(2**63) else f"({number}) BETWEEN {first} AND {last}"


_WHOLE: dict[PhysicalKind, _Decoder] = {
    PhysicalKind.BIGINT: _whole_number,
    PhysicalKind.INT: _whole_number,
    PhysicalKind.UNSIGNED_BIGINT: _whole_number,
    PhysicalKind.DECIMAL: _exact,
    PhysicalKind.TEXT: _whole_from_text,
}

_FORMS: dict[LogicalType, dict[PhysicalKind, _Decoder]] = {
    LogicalType.BIGINT: _WHOLE,
    LogicalType.INT: _WHOLE,
    LogicalType.DECIMAL: {
        PhysicalKind.DECIMAL: _exact,
        PhysicalKind.UNSIGNED_BIGINT: _exact,
        PhysicalKind.TEXT: _decimal_from_text,
        PhysicalKind.BINARY: _decimal_from_bytes,
    },
    LogicalType.TEXT: {PhysicalKind.TEXT: _text, PhysicalKind.BINARY: _text},
    LogicalType.TIMESTAMP: {
        PhysicalKind.TIMESTAMP_UTC: _timestamp,
        PhysicalKind.TIMESTAMP_NAIVE: _timestamp,
        PhysicalKind.TIMESTAMP_MILLIS: _timestamp_from_milliseconds,
        PhysicalKind.TIMESTAMP_NANOS: _timestamp_from_nanoseconds,
        PhysicalKind.INT96: _timestamp,
        PhysicalKind.BIGINT: _timestamp_from_number,
        PhysicalKind.INT: _timestamp_from_number,
        PhysicalKind.UNSIGNED_BIGINT: _timestamp_from_number,
        PhysicalKind.TEXT: _timestamp_from_text,
    },
    LogicalType.DATE: {
        PhysicalKind.DATE: _date,
        PhysicalKind.INT: _date_from_number,
        PhysicalKind.BIGINT: _date_from_number,
        PhysicalKind.TEXT: _date_from_text,
    },
    LogicalType.BOOLEAN: {PhysicalKind.BOOLEAN: _as_it_is, PhysicalKind.TEXT: _boolean_from_text},
    LogicalType.UUID: {
        PhysicalKind.TEXT: _uuid_from_text,
        **dict.fromkeys((PhysicalKind.BINARY, PhysicalKind.UUID), _uuid_from_bytes),
    },
}
