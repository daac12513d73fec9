"""Times and dates in every form, as numbers and as texts: what is read, and as what."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from ecommerce_platform_tests.lakehouse.corpus.kinds import RowKind, fine, unfit
from ecommerce_platform_tests.lakehouse.lake import NOON


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


NOON_UTC = at(2026, 1, 1, 12)
_END = 253402300799
TIMES: tuple[RowKind, ...] = (
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
    created("noon", NOON // 1000, NOON_UTC, "seconds"),
    created("before 1970", -1, at(1969, 12, 31, 23, 59, 59), "seconds"),
    created("noon", NOON, NOON_UTC, "milliseconds"),
    created("noon and a bit, cut", NOON * 10**6 + 123_456_789, at(2026, 1, 1, 12, 0, 0, 123_456), "nanoseconds"),
    read_as("2026-01-01T12:00Z", NOON_UTC),
    read_as("2026-01-01T12:00", NOON_UTC),
    read_as("2026-01-01 12:00:00", NOON_UTC),
    read_as("2026-01-01T12", NOON_UTC),
    read_as("2026-01-01T12:00:00,5Z", at(2026, 1, 1, 12, 0, 0, 500_000)),
    read_as("2026-01-01T12:00:00.123456789123Z", at(2026, 1, 1, 12, 0, 0, 123_456)),
    read_as("20260101T120000Z", NOON_UTC),
    read_as("20260101T120000.25Z", at(2026, 1, 1, 12, 0, 0, 250_000)),
    read_as("20260101T1200+0100", at(2026, 1, 1, 11)),
    read_as("20260101T12:00:00", NOON_UTC),
    read_as("2026-01-01T12:00:00+01:00:30", at(2026, 1, 1, 10, 59, 30)),
    read_as("2026-01-01T12:00:00-013015", at(2026, 1, 1, 13, 30, 15)),
    read_as("2026-01-01T12:00:00+05:30", at(2026, 1, 1, 6, 30)),
    read_as("2026-01-01T12:00:00\u221205", at(2026, 1, 1, 17)),
    read_as("2026-01-01 12:00:00+00", NOON_UTC),
    read_as("2026-01-01T12:00:00 UTC", NOON_UTC),
    read_as("2026-01-01t12:00:00z", NOON_UTC),
    read_as(" \t2026-01-01T12:00:00Z\n", NOON_UTC),
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
)

DATES: tuple[RowKind, ...] = (
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
)
