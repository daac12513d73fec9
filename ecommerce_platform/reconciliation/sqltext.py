"""Conditions on dates and keys as SQL text for both engines.

What belongs here: text from dates and integers, which cannot carry anything else. What does not: text from strings (those are
parameters of the query).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import TypeVar

from ecommerce_platform.reconciliation.locate import KeyRange

Item = TypeVar("Item")
CHUNK = 5_000


def chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


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


def range_condition(key: str, ranges: Sequence[KeyRange]) -> str:
    """`key` lies in one of `ranges`."""
    spans = [f"{key} between {int(span.low)} and {int(span.high)}" for span in ranges]
    return f"({' or '.join(spans)})" if spans else "1 = 0"
