"""Kinds of bad rows, each with what becomes of it. All lie in a few files of one day, so that one Spark job reads them.

What belongs here: the rows and their order. What does not: their files (kinds.py), and forms of times (times.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa

from ecommerce_platform_tests.lakehouse.corpus.kinds import GOOD, SCHEMAS, Duplicate, Published, RowKind, fine, unfit
from ecommerce_platform_tests.lakehouse.corpus.times import DATES, NOON_UTC, TIMES
from ecommerce_platform_tests.lakehouse.lake import NOON, order


def money(name: str, text: str) -> RowKind:
    return unfit(f"an amount that is {name}", "value_does_not_fit", "total_amount", total_amount=text)


def moment(name: str, text: str) -> RowKind:
    return unfit(f"a time that is {name}", "unreadable_timestamp", "created_at", "text", created_at=text)


DELETE = {"__op": "d", "user_id": None, "status": None, "total_amount": None, "created_at": None, "updated_at": None}


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
    *TIMES,
    fine("a timestamp as INT96", "int96", {"created_at": NOON_UTC}),
    fine("an unsigned key", "narrow", {"id": 7}, id=7),
    fine("a reference as decimal", "narrow", {"user_id": 12}, user_id=Decimal(12)),
    fine("a text of a dictionary", "narrow", {"status": "shipped"}, status="shipped"),
    fine("an amount stored as integer", "narrow", {"total_amount": Decimal("1.25")}, total_amount=Decimal("1.25")),
    fine("a text column of no type", "narrow", {"shipping_address": None}),
    fine("a timestamp in milliseconds without a zone", "narrow", {"created_at": NOON_UTC}),
    fine("a timestamp in nanoseconds", "narrow", {"updated_at": NOON_UTC}),
    fine("a timestamp in another zone", "narrow", {"__source_ts_ms": NOON_UTC}),
    fine("a log sequence number without a sign", "narrow", {"__source_lsn": 5_000_000}, __source_lsn=5_000_000),
    fine("an amount as bytes", "bytes", {"total_amount": Decimal("-0.01")}, total_amount=b"\xff"),
    fine("a text as bytes", "bytes", {"status": "größe"}, status="größe".encode()),
    *DATES,
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
