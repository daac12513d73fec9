"""Many keys a piece, and ranges of keys as SQL text for both engines.

What belongs here: text from integers, which cannot carry anything else, and arithmetic on keys over the whole range of a bigint.
What does not: conditions that the warehouse needs, too (warehouse/sql/conditions.py), and text from strings (those are
parameters of the query).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from ecommerce_platform.reconciliation.search.ranges import KeyRange

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


#: Keys from here on …
LEAST_KEY = -(2**63)
#: … to here are searched by their ranges: 64 bits, with a sign or without.
GREATEST_KEY = 2**64 - 1
_OFFSETS_OF_64_BITS = 2**63


def snowflake_multiple(key: str, ranges: Sequence[KeyRange], origin: int, width: int) -> str:
    """The multiple of `width` that `key` − `origin` has reached, for keys in `ranges`, none of them below `origin`.

    Snowflake computes with 38 digits. The stand-in takes whole numbers of 38 digits for 64 bits, which the distance between two
    keys can exceed; those of 37 digits have 128 there, but cost more, so only distances that need them get them.
    """
    wide = max(span.high for span in ranges) - origin >= _OFFSETS_OF_64_BITS or origin < LEAST_KEY
    offset = f"({key}{'::number(37, 0)' if wide else ''} - ({origin}))"
    return f"({offset} - mod({offset}, {width}))"
