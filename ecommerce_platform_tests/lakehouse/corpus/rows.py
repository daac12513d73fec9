"""Kinds of bad rows, each with what becomes of it. All lie in a few files of one day, so that one Spark job reads them.

The contract is that of orders, with `user_id` required: so every reason for quarantine occurs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform_tests.lakehouse.lake import NOON, ORDER_SCHEMA, order

_ORDERS = load_contracts()["orders"]
CONTRACT = replace(
    _ORDERS,
    columns=(
        *(replace(column, required=column.required or column.name == "user_id") for column in _ORDERS.columns),
        Column("due_on", LogicalType.DATE),
        Column("is_gift", LogicalType.BOOLEAN),
    ),
)


@dataclass(frozen=True)
class Quarantined:
    """The row is kept aside, for this reason in this column."""

    reason: str
    column: str


@dataclass(frozen=True)
class Published:
    """The row is an event, with these values. `flag` is the rule of the contract that flags it downstream."""

    values: dict[str, Any]
    flag: str = ""


@dataclass(frozen=True)
class Duplicate:
    """The row equals the one before it, which is published: it is dropped and counted."""


Outcome = Quarantined | Published | Duplicate


@dataclass(frozen=True)
class RowKind:
    """One kind of row: the file that it lies in, how it differs from a good row, and what becomes of it."""

    name: str
    file: str
    changes: dict[str, Any]
    outcome: Outcome


TEXT = pa.schema([(name, pa.string()) for name in (*ORDER_SCHEMA.names, "due_on", "is_gift")])


def with_epochs(kind: pa.DataType) -> pa.Schema:
    """The shop's schema with integers of another size in its timestamps."""
    return ORDER_SCHEMA.set(5, pa.field("created_at", kind)).set(6, pa.field("updated_at", kind))


SCHEMAS = {
    "shop": ORDER_SCHEMA,
    "text": TEXT,
    "wide": ORDER_SCHEMA.set(3, pa.field("total_amount", pa.decimal128(18, 4))).set(
        10, pa.field("__source_lsn", pa.uint64())
    ),
    "bytes": ORDER_SCHEMA.set(2, pa.field("status", pa.binary())).set(3, pa.field("total_amount", pa.binary())),
    "seconds": with_epochs(pa.int32()),
    "milliseconds": ORDER_SCHEMA,
    "nanoseconds": with_epochs(pa.uint64()),
    "int96": ORDER_SCHEMA.set(5, pa.field("created_at", pa.timestamp("us"))),
    "narrow": pa.schema(
        [
            ("id", pa.uint32()),
            ("user_id", pa.decimal128(20, 0)),
            ("status", pa.dictionary(pa.int32(), pa.string())),
            ("total_amount", pa.decimal128(9, 2)),
            ("shipping_address", pa.null()),
            ("created_at", pa.timestamp("ms")),
            ("updated_at", pa.timestamp("ns")),
            ("__op", pa.large_string()),
            ("__ts_ms", pa.timestamp("ms", "UTC")),
            ("__source_ts_ms", pa.timestamp("us", "Europe/Berlin")),
            ("__source_lsn", pa.uint64()),
        ]
    ),
    "days": ORDER_SCHEMA.append(pa.field("due_on", pa.int32())).append(pa.field("is_gift", pa.bool_())),
    "dates": ORDER_SCHEMA.append(pa.field("due_on", pa.date32())),
    "typed": ORDER_SCHEMA.set(5, pa.field("created_at", pa.timestamp("us", "UTC"))),
}
#: How a file is written, where not by default.
OPTIONS: dict[str, dict[str, Any]] = {
    "int96": {"use_deprecated_int96_timestamps": True, "compression": "gzip"},
    "narrow": {"compression": "zstd", "store_decimal_as_integer": True},
}
#: Good values in the file's physical form, where they differ from the shop's.
GOOD: dict[str, dict[str, Any]] = {
    "shop": {},
    "text": {
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
        "__ts_ms": "2026-01-01T12:00:00Z",
        "__source_ts_ms": "2026-01-01T12:00:00Z",
    },
    "wide": {"total_amount": Decimal("10.0000")},
    "bytes": {"status": b"pending", "total_amount": (1000).to_bytes(2, "big")},
    "seconds": {"created_at": NOON // 1000, "updated_at": NOON // 1000},
    "milliseconds": {"created_at": NOON, "updated_at": NOON},
    "nanoseconds": {"created_at": NOON * 10**6, "updated_at": NOON * 10**6},
    "int96": {"created_at": datetime(2026, 1, 1, 12)},  # noqa: DTZ001 - a timestamp without a zone
    "narrow": {
        "user_id": Decimal(1),
        "total_amount": Decimal("10.00"),
        "shipping_address": None,
        "created_at": datetime(2026, 1, 1, 12),  # noqa: DTZ001
        "updated_at": datetime(2026, 1, 1, 12),  # noqa: DTZ001
        "__ts_ms": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "__source_ts_ms": datetime(2026, 1, 1, 12, tzinfo=UTC),
    },
    "days": {},
    "dates": {},
    "typed": {"created_at": datetime(2026, 1, 1, 12, tzinfo=UTC)},
}


def unfit(name: str, reason: str, column: str, file: str = "shop", **changes: Any) -> RowKind:
    return RowKind(name, file, changes, Quarantined(reason, column))


def money(name: str, text: str) -> RowKind:
    return unfit(f"an amount that is {name}", "value_does_not_fit", "total_amount", total_amount=text)


def moment(name: str, text: str) -> RowKind:
    return unfit(f"a time that is {name}", "unreadable_timestamp", "created_at", "text", created_at=text)


def fine(
    name: str, file: str = "shop", expected: dict[str, Any] | None = None, flag: str = "", **changes: Any
) -> RowKind:
    return RowKind(name, file, changes, Published(expected or {}, flag))


DELETE = {"__op": "d", "user_id": None, "status": None, "total_amount": None, "created_at": None, "updated_at": None}


def read_as(text: str, expected: datetime) -> RowKind:
    return fine(f"a time as {text!r}", "text", {"created_at": expected}, created_at=text)


def unread(text: str) -> RowKind:
    return unfit(f"no time: {text!r}", "unreadable_timestamp", "created_at", "text", created_at=text)


def created(name: str, number: int, expected: datetime | None, file: str = "shop") -> RowKind:
    """A creation time as a whole number in a file of that unit; None where it is unreadable."""
    name = f"{name}, in the file {file}"
    if expected is None:
        return unfit(name, "unreadable_timestamp", "created_at", file, created_at=number)
    return fine(name, file, {"created_at": expected}, created_at=number)


def due(name: str, value: Any, expected: date | None, file: str) -> RowKind:
    if expected is None:
        return unfit(name, "unreadable_timestamp", "due_on", file, due_on=value)
    return fine(name, file, {"due_on": expected}, due_on=value)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


_NOON = at(2026, 1, 1, 12)
_END = 253402300799

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A snapshot row takes the connector's time where the database gave none.
_HALF_A_SECOND_LATER = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SEEN = {"__ts_ms": _HALF_A_SECOND_LATER, "__source_ts_ms": _HALF_A_SECOND_LATER}

ROWS: tuple[RowKind, ...] = (
    unfit("a key that is null", "null_key", "id", id=None),
    unfit("an operation that is null", "unknown_operation", "__op", __op=None),
    unfit("an operation that is empty", "unknown_operation", "__op", __op=""),
    unfit("a truncate of the table", "unknown_operation", "__op", __op="t"),
    unfit("a logical message", "unknown_operation", "__op", __op="m"),
    unfit("an insert without a log sequence number", "missing_lsn", "__source_lsn", __source_lsn=None),
    unfit("a delete without a log sequence number", "missing_lsn", "__source_lsn", **DELETE | {"__source_lsn": None}),
    unfit("a negative log sequence number", "unreadable_lsn", "__source_lsn", __source_lsn=-5),
    unfit("a change without the connector's time", "missing_timestamp", "__ts_ms", __ts_ms=None),
    unfit("a change without the database's time", "missing_timestamp", "__source_ts_ms", __source_ts_ms=None),
    unfit("microseconds where milliseconds belong", "unreadable_timestamp", "__ts_ms", __ts_ms=NOON * 1000),
    unfit("a time before the year 1", "unreadable_timestamp", "__source_ts_ms", __source_ts_ms=-(10**15)),
    unfit("a change whose connector's time is 0", "unreadable_timestamp", "__ts_ms", __ts_ms=0),
    unfit("a change whose database's time is 0", "unreadable_timestamp", "__source_ts_ms", __source_ts_ms=0),
    unfit("a change whose database's time is before 1970", "unreadable_timestamp", "__source_ts_ms", __source_ts_ms=-1),
    unfit("a snapshot row whose connector's time is 0", "unreadable_timestamp", "__ts_ms", __op="r", __ts_ms=0),
    unfit(
        "a snapshot row whose database's time is before 1970",
        "unreadable_timestamp",
        "__source_ts_ms",
        __op="r",
        __source_ts_ms=-1,
    ),
    unfit("a snapshot row with both times 0", "unreadable_timestamp", "__ts_ms", __op="r", __ts_ms=0, __source_ts_ms=0),
    unfit(
        "a change whose time is 0 as text",
        "unreadable_timestamp",
        "__source_ts_ms",
        "text",
        __source_ts_ms="1970-01-01T00:00:00Z",
    ),
    unfit("an insert without its creation time", "missing_timestamp", "created_at", created_at=None),
    unfit("a required value that is null", "missing_value", "user_id", user_id=None),
    unfit(
        "a delete whose amount is not an amount",
        "value_does_not_fit",
        "total_amount",
        **DELETE | {"total_amount": "free"},
    ),
    money("written with a comma", "1,5"),
    money("too large", "100000000.00"),
    money("too fine", "0.001"),
    money("not a number", "NaN"),
    money("infinite", "Infinity"),
    money("empty", ""),
    money("given with its currency", "12.30 EUR"),
    money("hexadecimal", "0x10"),
    money("of an absurd exponent", "1e400"),
    money("in other digits", "٣.٥"),
    money("two numbers", "1.00 2.00"),
    unfit("a key of letters", "value_does_not_fit", "id", "text", id="abc"),
    unfit("a key with a fraction", "value_does_not_fit", "id", "text", id="1.5"),
    unfit("a key beyond 64 bits", "value_does_not_fit", "id", "text", id="9223372036854775808"),
    unfit("a reference with letters in it", "value_does_not_fit", "user_id", "text", user_id="12a"),
    unfit(
        "a log sequence number as PostgreSQL prints it",
        "unreadable_lsn",
        "__source_lsn",
        "text",
        __source_lsn="0/16B3748",
    ),
    unfit("a log sequence number that is empty", "unreadable_lsn", "__source_lsn", "text", __source_lsn=""),
    unfit(
        "a log sequence number beyond 64 bits",
        "unreadable_lsn",
        "__source_lsn",
        "text",
        __source_lsn="18446744073709551616",
    ),
    unfit("a connector's time in words", "unreadable_timestamp", "__ts_ms", "text", __ts_ms="soon"),
    moment("on a day that the calendar lacks", "2026-02-30T00:00:00Z"),
    moment("an hour that the day lacks", "2026-01-01T25:00:00Z"),
    moment("in a zone that is none", "2026-01-01T12:00:00+25:00"),
    moment("a number in text", "1767268800"),
    moment("empty", ""),
    moment("beyond the year 9999", "10000-01-01T00:00:00Z"),
    moment("written the American way", "01/02/2026"),
    unfit(
        "a decimal with digits beyond the scale",
        "value_does_not_fit",
        "total_amount",
        "wide",
        total_amount=Decimal("1.5010"),
    ),
    unfit(
        "a decimal with too many digits",
        "value_does_not_fit",
        "total_amount",
        "wide",
        total_amount=Decimal("123456789"),
    ),
    unfit(
        "an unsigned log sequence number beyond 63 bits", "unreadable_lsn", "__source_lsn", "wide", __source_lsn=2**63
    ),
    unfit("text that is not UTF-8", "value_does_not_fit", "status", "bytes", status=b"\xff\xfe"),
    unfit(
        "bytes of an amount that are too many", "value_does_not_fit", "total_amount", "bytes", total_amount=b"\x01" * 16
    ),
    unfit("bytes of an amount that are none", "value_does_not_fit", "total_amount", "bytes", total_amount=b""),
    fine("an operation with blanks around it", expected={"__op": "UPDATE"}, __op=" u "),
    fine("an operation in words and capitals", expected={"__op": "DELETE"}, __op="DELETE"),
    fine("a snapshot row without a log sequence number", expected={"__op": "READ"}, __op="r", __source_lsn=None),
    fine("a snapshot row whose database's time is 0", expected=SEEN, __op="r", __ts_ms=NOON + 500, __source_ts_ms=0),
    fine("a snapshot row without a database's time", expected=SEEN, __op="r", __ts_ms=NOON + 500, __source_ts_ms=None),
    fine("a delete with its key alone", expected={"__op": "DELETE", "user_id": None, "created_at": None}, **DELETE),
    fine("an amount in scientific notation", expected={"total_amount": Decimal("1000.00")}, total_amount="1e3"),
    fine("an amount with blanks around it", expected={"total_amount": Decimal("5.00")}, total_amount=" 5.00 "),
    fine("a negative zero", expected={"total_amount": Decimal("0.00")}, total_amount="-0.00"),
    fine("zeros beyond the scale", expected={"total_amount": Decimal("1.50")}, total_amount="1.50000"),
    fine("a text left out as unchanged", shipping_address="__debezium_unavailable_value"),
    fine(
        "a text of a million characters",
        expected={"shipping_address": "ä" * 1_000_000},
        shipping_address="ä" * 1_000_000,
    ),
    fine("a text with quotes, line ends and no letters", expected={"status": "'\";\r\n\t😀"}, status="'\";\r\n\t😀"),
    fine("a time long before the first partition", "typed", {"created_at": EPOCH}, created_at=EPOCH),
    fine("a key that is negative", expected={"id": -7}, id=-7),
    fine("a log sequence number that is zero", expected={"__source_lsn": 0}, __source_lsn=0),
    fine(
        "an amount that is negative",
        flag="not_negative",
        expected={"total_amount": Decimal("-5.00")},
        total_amount="-5.00",
    ),
    fine("a status that nobody knows", flag="known_status", expected={"status": "lost"}, status="lost"),
    fine("an address that is blank", flag="not_blank", expected={"shipping_address": "  "}, shipping_address="  "),
    fine("an address that is null", flag="not_blank", expected={"shipping_address": None}, shipping_address=None),
    fine("a user that nobody knows", flag="known_user", expected={"user_id": 10**12}, user_id=10**12),
    created("PostgreSQL's infinity", 9223372036825200000, None),
    created("PostgreSQL's negative infinity", -9223372036832400000, None),
    created("the greatest number of 64 bits", 2**63 - 1, None),
    created("the least number of 64 bits", -(2**63), None),
    created("the infinity of older drivers", 185543533774800000, None),
    created("infinity of a column of milliseconds", 9223372036825200, None, "milliseconds"),
    created("PostgreSQL's infinity", 9223372036825200000, None, "nanoseconds"),
    created("the end of the year 9999", _END * 10**6 + 999_999, at(9999, 12, 31, 23, 59, 59, 999_999)),
    created("the end of the year 9999", _END * 10**3 + 999, at(9999, 12, 31, 23, 59, 59, 999_000), "milliseconds"),
    created("the first second", -62135596800 * 10**6, at(1, 1, 1)),
    created("the second before the first", -62135596801 * 10**6, None),
    created("the year 20000, which PostgreSQL has", 568971820800 * 10**6, None),
    created("zero", 0, at(1970, 1, 1)),
    created("the microsecond before 1970", -1, at(1969, 12, 31, 23, 59, 59, 999_999)),
    created("early in the seventies", 10**13, at(1970, 4, 26, 17, 46, 40)),
    created("a number of milliseconds", NOON, None),
    created("a number of seconds", NOON // 1000, None),
    created("a number of microseconds", NOON * 1000, None, "milliseconds"),
    created("noon", NOON // 1000, _NOON, "seconds"),
    created("before 1970", -1, at(1969, 12, 31, 23, 59, 59), "seconds"),
    created("noon", NOON, _NOON, "milliseconds"),
    created("noon and a bit, cut", NOON * 10**6 + 123_456_789, at(2026, 1, 1, 12, 0, 0, 123_456), "nanoseconds"),
    read_as("2026-01-01T12:00Z", _NOON),
    read_as("2026-01-01T12:00", _NOON),
    read_as("2026-01-01 12:00:00", _NOON),
    read_as("2026-01-01T12", _NOON),
    read_as("2026-01-01T12:00:00,5Z", at(2026, 1, 1, 12, 0, 0, 500_000)),
    read_as("2026-01-01T12:00:00.123456789123Z", at(2026, 1, 1, 12, 0, 0, 123_456)),
    read_as("20260101T120000Z", _NOON),
    read_as("20260101T120000.25Z", at(2026, 1, 1, 12, 0, 0, 250_000)),
    read_as("20260101T1200+0100", at(2026, 1, 1, 11)),
    read_as("20260101T12:00:00", _NOON),
    read_as("2026-01-01T12:00:00+01:00:30", at(2026, 1, 1, 10, 59, 30)),
    read_as("2026-01-01T12:00:00-013015", at(2026, 1, 1, 13, 30, 15)),
    read_as("2026-01-01T12:00:00+05:30", at(2026, 1, 1, 6, 30)),
    read_as("2026-01-01T12:00:00\u221205", at(2026, 1, 1, 17)),
    read_as("2026-01-01 12:00:00+00", _NOON),
    read_as("2026-01-01T12:00:00 UTC", _NOON),
    read_as("2026-01-01t12:00:00z", _NOON),
    read_as(" \t2026-01-01T12:00:00Z\n", _NOON),
    read_as("2026-01-01T24:00:00Z", at(2026, 1, 2)),
    read_as("2026-01-01", at(2026, 1, 1)),
    read_as("20260101", at(2026, 1, 1)),
    read_as("2024-02-29T23:59:59.999999999Z", at(2024, 2, 29, 23, 59, 59, 999_999)),
    read_as("0001-01-01T00:00:00Z", at(1, 1, 1)),
    unread("infinity"),
    unread("-infinity"),
    unread("+292278994-08-16T23:00:00Z"),
    unread("0044-03-15 12:00:00 BC"),
    unread("0000-12-31T00:00:00Z"),
    unread("0001-01-01T00:00:00+01:00"),
    unread("9999-12-31T23:59:59-01:00"),
    unread("2026-W01-4T12:00:00Z"),
    unread("2026-001T12:00:00Z"),
    unread("2026-01-01T24:00:01Z"),
    unread("2026-01-01T23:59:60Z"),
    unread("2026-01-01T12:60:00Z"),
    unread("2026-01-01T12:30.5Z"),
    unread("2026-01-01T12:00:00.Z"),
    unread("2026-01-01T12:00:00+18:01"),
    unread("2026-01-01T12:00:00+01:60"),
    unread("2026-01-01T12:00:00 CET"),
    unread("2026-01-01T12:00:00+01:00[Europe/Berlin]"),
    unread("2026-1-1T12:00:00Z"),
    unread("2025-02-29"),
    unread("2026-01-01T12:00:00Z and more"),
    unread("1767268800000000"),
    unread("2026\u00a0-01-01"),
    fine("a timestamp as INT96", "int96", {"created_at": _NOON}),
    fine("an unsigned key", "narrow", {"id": 7}, id=7),
    fine("a reference as decimal", "narrow", {"user_id": 12}, user_id=Decimal(12)),
    fine("a text of a dictionary", "narrow", {"status": "shipped"}, status="shipped"),
    fine("an amount stored as integer", "narrow", {"total_amount": Decimal("1.25")}, total_amount=Decimal("1.25")),
    fine("a text column of no type", "narrow", {"shipping_address": None}),
    fine("a timestamp in milliseconds without a zone", "narrow", {"created_at": _NOON}),
    fine("a timestamp in nanoseconds", "narrow", {"updated_at": _NOON}),
    fine("a timestamp in another zone", "narrow", {"__source_ts_ms": _NOON}),
    fine("a log sequence number without a sign", "narrow", {"__source_lsn": 5_000_000}, __source_lsn=5_000_000),
    fine("an amount as bytes", "bytes", {"total_amount": Decimal("-0.01")}, total_amount=b"\xff"),
    fine("a text as bytes", "bytes", {"status": "größe"}, status="größe".encode()),
    due("a date in days", 20454, date(2026, 1, 1), "days"),
    due("a date before 1970 in days", -1, date(1969, 12, 31), "days"),
    due("the last date in days", 2932896, date(9999, 12, 31), "days"),
    due("the day after the last", 2932897, None, "days"),
    due("PostgreSQL's infinite date in days", 2**31 - 1, None, "days"),
    due("PostgreSQL's negative infinite date in days", -(2**31), None, "days"),
    due("a date as date", 20454, date(2026, 1, 1), "dates"),
    due("PostgreSQL's infinite date as date", 2**31 - 1, None, "dates"),
    due("PostgreSQL's negative infinite date as date", -(2**31), None, "dates"),
    due("a date as text", "2026-01-01", date(2026, 1, 1), "text"),
    due("a date as text of digits", "20260101", date(2026, 1, 1), "text"),
    due("a date as Debezium's IsoDate", "2026-01-01Z", date(2026, 1, 1), "text"),
    due("a date with blanks around it", " 2026-01-01 ", date(2026, 1, 1), "text"),
    due("a date that the calendar lacks", "2026-02-30", None, "text"),
    due("a date that is infinity", "infinity", None, "text"),
    due("a date with a time", "2026-01-01T00:00:00Z", None, "text"),
    fine("true as boolean", "days", {"is_gift": True}, is_gift=True),
    fine("true as text", "text", {"is_gift": True}, is_gift="TRUE"),
    fine("false as PostgreSQL prints it", "text", {"is_gift": False}, is_gift="f"),
    unfit("a boolean that is yes", "value_does_not_fit", "is_gift", "text", is_gift="yes"),
    unfit("a boolean that is 1", "value_does_not_fit", "is_gift", "text", is_gift="1"),
    RowKind("an event delivered twice", "shop", {"id": 999_999, "__source_lsn": 999_999}, Published({"id": 999_999})),
    RowKind("the second delivery of that event", "shop", {"id": 999_999, "__source_lsn": 999_999}, Duplicate()),
)


def content_of(file: str) -> pa.Table:
    """The file's rows, in the order in which `ROWS` has them."""
    rows = [
        order(1000 + number, 1000 + number) | GOOD[file] | kind.changes
        for number, kind in enumerate(ROWS)
        if kind.file == file
    ]
    if file == "text":
        rows = [{name: value if value is None else str(value) for name, value in row.items()} for row in rows]
    return pa.Table.from_pylist(rows, SCHEMAS[file])


def position(kind: RowKind) -> int:
    """The row's place in its file."""
    return [other.name for other in ROWS if other.file == kind.file].index(kind.name)
