"""Many keys a piece, and ranges of keys as SQL text for both engines.

What belongs here: text from integers, which cannot carry anything else. What does not: conditions that the warehouse needs, too
(warehouse/conditions.py), and text from strings (those are parameters of the query).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


def range_condition(key: str, ranges: Sequence[KeyRange]) -> str:
    """`key` lies in one of `ranges`."""
    spans = [f"{key} between {int(span.low)} and {int(span.high)}" for span in ranges]
    return f"({' or '.join(spans)})" if spans else "1 = 0"
