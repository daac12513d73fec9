"""ISO 8601 as people write it, to microseconds or days since 1970, as SQL of either dialect.

What is read (docs/change-events.md has the table): calendar dates in extended or basic form; hours, minutes and seconds, from the
right as many as are left out; a fraction of the second of any length after a point or a comma, cut to microseconds; `Z`, `UTC` or
an offset of hours, minutes and seconds up to 18:00:00; 24:00 as the end of a day. Without an offset a time is UTC.

What is not: week and ordinal dates, years of other than four digits, fractions of hours and minutes, second 60, names of zones,
and numbers: an epoch in a text is unreadable.
"""

from __future__ import annotations

from ecommerce_platform.lakehouse.decode.dialects import BLANKS, Dialect

_DATE = "([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})"
_TIME = "([0-9]{2}(?::[0-9]{2}){0,2}|[0-9]{4}|[0-9]{6})"
# The second dash is ISO's own, U+2212.
_ZONE = "(Z|z|UTC|[+\u2212-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)"
_AROUND = f"[{BLANKS}]*"
_TIMESTAMP = f"^{_AROUND}{_DATE}(?:[Tt ]{_TIME}(?:[.,]([0-9]+))?(?: ?{_ZONE})?)?{_AROUND}$"
_DATE_ONLY = f"^{_AROUND}{_DATE}[Zz]?{_AROUND}$"
_UTC_NAMES = "('', 'Z', 'z', 'UTC')"


def microseconds(text: str, dialect: Dialect) -> str:
    """Microseconds since 1970 of an ISO 8601 timestamp; null for any other text. Unbounded: years 0000 to 10000 may come out."""
    day = _days(dialect.group(text, _TIMESTAMP, 1), dialect)
    clock = f"replace({dialect.group(text, _TIMESTAMP, 2)}, ':', '')"
    fraction = dialect.group(text, _TIMESTAMP, 3)
    zone = dialect.group(text, _TIMESTAMP, 4)
    hours, minutes, seconds = _three_numbers(clock, dialect)
    micros = dialect.try_integer(f"rpad(substr({fraction}, 1, 6), 6, '0')")
    offset_hours, offset_minutes, offset_seconds = _three_numbers(f"replace(substr({zone}, 2), ':', '')", dialect)
    offset = _seconds(offset_hours, offset_minutes, offset_seconds)
    # A sign in front of it; `Z` and `UTC` have no digits.
    shift = f"CASE WHEN {zone} IN {_UTC_NAMES} THEN 0 WHEN substr({zone}, 1, 1) = '+' THEN {offset} ELSE -{offset} END"
    of_day = _seconds(hours, minutes, seconds)
    valid = " AND ".join(
        (
            dialect.matches(text, _TIMESTAMP),
            f"({fraction} = '' OR length({clock}) = 6)",
            f"{minutes} <= 59 AND {seconds} <= 59",
            f"({hours} <= 23 OR ({of_day} = 86400 AND {micros} = 0))",
            f"({zone} IN {_UTC_NAMES} OR ({offset_minutes} <= 59 AND {offset_seconds} <= 59 AND {offset} <= 64800))",
        )
    )
    return f"CASE WHEN {valid} THEN ({day} * 86400 + {of_day} - ({shift})) * 1000000 + {micros} END"


def days(text: str, dialect: Dialect) -> str:
    """Days since 1970 of an ISO 8601 date, with or without the `Z` of Debezium's IsoDate; null for any other text."""
    return _days(dialect.group(text, _DATE_ONLY, 1), dialect)


def _days(date: str, dialect: Dialect) -> str:
    digits = f"replace({date}, '-', '')"
    extended = f"substr({digits}, 1, 4) || '-' || substr({digits}, 5, 2) || '-' || substr({digits}, 7, 2)"
    return dialect.to_big_integer(dialect.days(dialect.try_date(extended)))


def _three_numbers(digits: str, dialect: Dialect) -> tuple[str, str, str]:
    """Hours, minutes and seconds from up to six digits; those that are left out are 0."""
    filled = f"rpad({digits}, 6, '0')"
    return (
        dialect.try_integer(f"substr({filled}, 1, 2)"),
        dialect.try_integer(f"substr({filled}, 3, 2)"),
        dialect.try_integer(f"substr({filled}, 5, 2)"),
    )


def _seconds(hours: str, minutes: str, seconds: str) -> str:
    return f"({hours} * 3600 + {minutes} * 60 + {seconds})"
