"""One value: from the form in which it lies in the file to the type of its contract column, as Spark expressions.

What belongs here: which physical form can become which type, and how. What does not: rows, reasons and quarantine (decode.py).

Rules that the forms leave open:

- `__ts_ms` and `__source_ts_ms` as whole numbers are epoch milliseconds, as Debezium names them.
- Any other timestamp as a whole number is an epoch whose unit follows from its size: below 10^14 milliseconds, below 10^17
  microseconds, else nanoseconds. Each of the three covers the years from 1974 to 5138 (Debezium's `connect`, `adaptive` and
  nano precision), and no value depends on its neighbours.
- A timestamp without a zone is UTC. Nanoseconds are cut to microseconds, which is all that PostgreSQL has.
- Bytes for a decimal are its unscaled value, big-endian two's complement, with the scale of the contract (Debezium's
  `precise`).
- Nothing goes through a float: a float or double column is refused, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.lakehouse.physical import PhysicalColumn, PhysicalKind

#: CDC timestamps whose unit is in their name.
MILLISECOND_COLUMNS = ("__ts_ms", "__source_ts_ms")

_MILLISECONDS_BELOW = 10**14
_MICROSECONDS_BELOW = 10**17
#: The years that every engine downstream can hold: 0001 to 9999.
_FIRST_MILLISECOND, _LAST_MILLISECOND = -62135596800000, 253402300799999
_FIRST_DAY, _LAST_DAY = -719162, 2932896
_FIRST_MICROSECOND, _LAST_MICROSECOND = _FIRST_MILLISECOND * 1000, _LAST_MILLISECOND * 1000 + 999

_ISO_TIMESTAMP = r"^\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}([.]\d{1,9})?( ?(Z|z|UTC|[+-]\d{2}(:?\d{2})?))?)?\s*$"
_ISO_DATE = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_WHOLE_NUMBER = r"^\s*[+-]?\d+\s*$"
_SCIENTIFIC_DECIMAL = r"^\s*[+-]?(\d+([.]\d*)?|[.]\d+)[eE][+-]?\d+\s*$"

_Decoder = Callable[[SparkColumn, Column, PhysicalColumn], SparkColumn]


def decoder(column: Column, physical: PhysicalColumn) -> Callable[[SparkColumn], SparkColumn] | None:
    """How `physical` becomes `column`: an expression that is null where the value is null or cannot become the type.

    None when this physical form is no form of the column's type at all.
    """
    if physical.kind is PhysicalKind.NULL:
        return lambda _: F.lit(None).cast(column.spark_type)
    if column.type is LogicalType.TIMESTAMP and column.name in MILLISECOND_COLUMNS:
        found = {**_FORMS[LogicalType.TIMESTAMP], PhysicalKind.BIGINT: _from_milliseconds}.get(physical.kind)
    else:
        found = _FORMS[column.type].get(physical.kind)
    if found is None:
        return None
    decode = found
    return lambda raw: decode(raw, column, physical)


def expected_forms(column: Column) -> str:
    """The physical forms that the column can be decoded from, for messages."""
    return ", ".join(kind.value for kind in _FORMS[column.type])


def _as_it_is(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return raw


def _whole_number(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return raw.try_cast(column.spark_type)


def _whole_from_decimal(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    whole = raw.try_cast(column.spark_type)
    return F.when(whole.try_cast(f"decimal(38,{physical.scale})") == raw, whole) if physical.scale > 0 else whole


def _whole_from_text(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(raw.rlike(_WHOLE_NUMBER), F.trim(raw).try_cast(column.spark_type))


def _decimal(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    fitted = raw.try_cast(column.spark_type)
    # Spark rounds a longer fraction silently; money that does not fit is no money of this column.
    return F.when(fitted == raw, fitted) if physical.scale > (column.scale or 0) else fitted


def _decimal_from_text(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    text = F.trim(raw)
    # Zeros beyond the scale change nothing, any other digit there would be lost.
    fraction = rf"[.]\d{{0,{column.scale}}}0*"
    fits = rf"^[+-]?(\d+({fraction})?|(?=[.]\d){fraction})$"
    wide = text.try_cast("decimal(38,18)")
    narrow = text.try_cast(column.spark_type)
    return F.when(text.rlike(fits), narrow).when(raw.rlike(_SCIENTIFIC_DECIMAL) & (wide == narrow), narrow)


def _decimal_from_bytes(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    """Up to eight significant bytes (18 digits and more); `conv` reads them as unsigned, the sign bit mends it."""
    digits = F.hex(raw)
    negative = digits.rlike("^[89A-F]")
    # Sign bytes in front of the last eight say nothing, if they are only that and the sign bit agrees.
    long = F.length(digits) > 16
    clean = F.when(~long, True).otherwise(digits.rlike("^(00)+[0-7].{15}$") | digits.rlike("^(FF)+[89A-F].{15}$"))
    last = F.right(digits, F.lit(16))
    filled = F.when(negative, F.lpad(last, 16, "F")).otherwise(F.lpad(last, 16, "0"))
    unsigned = F.conv(filled, 16, 10).cast("decimal(20,0)")
    unscaled = F.when(negative, unsigned - F.lit("18446744073709551616").cast("decimal(20,0)")).otherwise(unsigned)
    scale = column.scale or 0
    text = F.lpad(F.abs(unscaled).cast("decimal(20,0)").cast("string"), 21, "0")
    whole, fraction = F.substring(text, 1, 21 - scale), F.substring(text, 22 - scale, scale) if scale else F.lit("")
    number = F.concat(F.when(negative, "-").otherwise(""), whole, F.lit("."), fraction)
    return F.when(clean & (F.length(digits) > 0), number.try_cast(column.spark_type))


def _text_from_bytes(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(F.is_valid_utf8(raw.cast("string")), raw.cast("string"))


def _valid_text(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(F.is_valid_utf8(raw), raw)


def _timestamp(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return _in_range(raw.cast("timestamp"))


def _timestamp_from_text(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(raw.rlike(_ISO_TIMESTAMP), _in_range(F.trim(raw).try_cast("timestamp")))


def _from_milliseconds(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(raw.between(_FIRST_MILLISECOND, _LAST_MILLISECOND), F.timestamp_millis(raw))


def _from_epoch(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return (
        F.when(_within(raw, _MILLISECONDS_BELOW), _from_milliseconds(raw, column, physical))
        .when(_within(raw, _MICROSECONDS_BELOW), _from_microseconds(raw))
        .otherwise(_from_nanoseconds(raw, column, physical))
    )


def _from_microseconds(raw: SparkColumn) -> SparkColumn:
    return F.when(raw.between(_FIRST_MICROSECOND, _LAST_MICROSECOND), F.timestamp_micros(raw))


def _from_nanoseconds(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    # Downwards also before 1970: `floor` of a decimal is exact, the division of whole numbers would be a double.
    return F.timestamp_micros(F.floor(raw.cast("decimal(19,0)") * F.lit("0.001").cast("decimal(3,3)")).cast("bigint"))


def _within(raw: SparkColumn, limit: int) -> SparkColumn:
    return (raw > -limit) & (raw < limit)


def _in_range(value: SparkColumn) -> SparkColumn:
    return F.when(
        value.between(
            F.timestamp_micros(F.lit(_FIRST_MICROSECOND)),
            F.timestamp_micros(F.lit(_LAST_MICROSECOND)),
        ),
        value,
    )


def _date(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(F.unix_date(raw).between(_FIRST_DAY, _LAST_DAY), raw)


def _date_from_days(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(raw.between(_FIRST_DAY, _LAST_DAY), F.date_from_unix_date(raw.cast("int")))


def _date_from_text(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    return F.when(raw.rlike(_ISO_DATE), F.trim(raw).try_cast("date"))


def _boolean_from_text(raw: SparkColumn, column: Column, physical: PhysicalColumn) -> SparkColumn:
    word = F.lower(F.trim(raw))
    return F.when(word.isin("true", "t"), F.lit(True)).when(word.isin("false", "f"), F.lit(False))


_WHOLE: dict[PhysicalKind, _Decoder] = {
    PhysicalKind.BIGINT: _whole_number,
    PhysicalKind.INT: _whole_number,
    PhysicalKind.UNSIGNED_BIGINT: _whole_number,
    PhysicalKind.DECIMAL: _whole_from_decimal,
    PhysicalKind.TEXT: _whole_from_text,
}

_FORMS: dict[LogicalType, dict[PhysicalKind, _Decoder]] = {
    LogicalType.BIGINT: _WHOLE,
    LogicalType.INT: _WHOLE,
    LogicalType.DECIMAL: {
        PhysicalKind.DECIMAL: _decimal,
        PhysicalKind.UNSIGNED_BIGINT: _decimal,
        PhysicalKind.TEXT: _decimal_from_text,
        PhysicalKind.BINARY: _decimal_from_bytes,
    },
    LogicalType.TEXT: {PhysicalKind.TEXT: _valid_text, PhysicalKind.BINARY: _text_from_bytes},
    LogicalType.TIMESTAMP: {
        PhysicalKind.TIMESTAMP_UTC: _timestamp,
        PhysicalKind.TIMESTAMP_NAIVE: _timestamp,
        PhysicalKind.TIMESTAMP_MILLIS: _from_milliseconds,
        PhysicalKind.TIMESTAMP_NANOS: _from_nanoseconds,
        PhysicalKind.INT96: _timestamp,
        PhysicalKind.BIGINT: _from_epoch,
        PhysicalKind.TEXT: _timestamp_from_text,
    },
    LogicalType.DATE: {
        PhysicalKind.DATE: _date,
        PhysicalKind.INT: _date_from_days,
        PhysicalKind.TEXT: _date_from_text,
    },
    LogicalType.BOOLEAN: {PhysicalKind.BOOLEAN: _as_it_is, PhysicalKind.TEXT: _boolean_from_text},
}
