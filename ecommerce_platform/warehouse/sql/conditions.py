"""Conditions on dates and keys as SQL text, and many rows as one parameter.

What belongs here: text from dates and integers, which cannot carry anything else. What does not: text from strings (those are
parameters of the query).

A statement's length is a cost of its own: Snowflake compiles a list of thousands of values slowly and takes 16,384 of them at
most, and a year of days in each of a load's statements was a third of what an empty year cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta


def date_condition(expression: str, dates: Sequence[date], literal: str = "to_date") -> str:
    """`expression` is one of `dates`; neighbouring dates become one range. `literal` makes a date from ISO text."""
    spans = [
        f"{expression} between {literal}('{first.isoformat()}') and {literal}('{last.isoformat()}')"
        for first, last in _spans(dates)
    ]
    return f"({' or '.join(spans)})" if spans else "1 = 0"


def _spans(dates: Sequence[date]) -> list[tuple[date, date]]:
    spans: list[tuple[date, date]] = []
    for day in sorted(set(dates)):
        if spans and day - spans[-1][1] == timedelta(days=1):
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


#: The stand-in takes 38 digits for 64 bits, which a hash of 64 bits without a sign does not fit.
_WHOLE_NUMBER = "number(37, 0)"


def key_condition(key: str, keys: Iterable[int]) -> str:
    """`key` is one of `keys`, which are one text, however many."""
    listed = ",".join(str(int(key)) for key in keys)
    return f"{key} in (select value::{_WHOLE_NUMBER} from table(flatten(input => parse_json('[{listed}]'))))"


def rows_of(columns: Mapping[str, str]) -> str:
    """A query over rows that are one parameter (`as_parameter`): each column with the type that its text becomes."""
    picked = ", ".join(f"value:{name}::varchar::{kind} as {name}" for name, kind in columns.items())
    return f"select {picked} from table(flatten(input => parse_json(%s)))"


def as_parameter(rows: Iterable[Mapping[str, object]]) -> str:
    """The parameter of `rows_of`. Each value travels as text, so that no engine reads a number as a float."""
    return json.dumps([{name: str(value) for name, value in row.items()} for row in rows])
