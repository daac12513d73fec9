"""Ranges of keys, spans that are still to be compared, and how they are cut, covered and grouped. Pure.

What belongs here: arithmetic of keys. What does not: asking the sides (locate.py), and what is cheaper (search_cost.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ecommerce_platform.reconciliation.search.search_cost import (
    SAMPLED_ROWS,
    SAMPLED_SLICES,
)

FIRST_BUCKETS = 1024


@dataclass(frozen=True, order=True)
class KeyRange:
    """Keys from `low` to `high`, both included."""

    low: int
    high: int

    @property
    def span(self) -> int:
        return self.high - self.low + 1


@dataclass(frozen=True)
class Bucket:
    """What one side holds in a bucket."""

    count: int
    checksum: int
    keys: KeyRange


@dataclass(frozen=True)
class Span:
    """Keys that are still to be compared, with the rows of the larger side and, where a round has shown it, about what share of
    them differs."""

    keys: KeyRange
    rows: int
    share: float | None = None


def width_of(group: Sequence[Span], rows_in_a_bucket: int) -> int:
    """The width of buckets of about so many rows, for the half of the group's rows that lies closest together and beyond.

    A few keys far from all others must not widen the buckets of those.
    """
    widths = sorted((max(1, span.keys.span * rows_in_a_bucket // max(1, span.rows)), span.rows) for span in group)
    half, seen = sum(rows for _, rows in widths) / 2, 0
    for width, rows in widths:
        seen += rows
        if seen >= half:
            return width
    return widths[-1][0]


def even_width(group: Sequence[Span]) -> int:
    """The width of buckets of which the group's widest span has `FIRST_BUCKETS`."""
    return max(1, -(-max(span.keys.span for span in group) // FIRST_BUCKETS))


def slices_of(group: Sequence[Span]) -> list[KeyRange]:
    """Slices of spans that lie evenly over the group, of some dozens of rows each where keys lie evenly."""
    picked = group[:: -(-len(group) // SAMPLED_SLICES)]
    in_a_span = max(1, SAMPLED_SLICES // len(picked))
    rows = SAMPLED_ROWS // SAMPLED_SLICES
    slices = []
    for span in picked:
        length = max(1, min(span.keys.span // in_a_span, span.keys.span * rows // max(1, span.rows)))
        for place in range(min(in_a_span, span.keys.span)):
            low = span.keys.low + place * span.keys.span // in_a_span
            slices.append(KeyRange(low, min(span.keys.high, low + length - 1)))
    return slices


def cover(ranges: Sequence[KeyRange], count: int) -> list[KeyRange]:
    """At most `count` ranges that hold all of `ranges`, in order: the smallest gaps between them are closed.

    Keys in a closed gap are compared although both layers lack them, which is cheaper than thousands of statements.
    """
    ordered = sorted(ranges)
    gaps = [after.low - before.high for before, after in pairwise(ordered)]
    kept = set(sorted(range(len(gaps)), key=lambda place: gaps[place], reverse=True)[: count - 1])
    spans = ordered[:1]
    for place, span in enumerate(ordered[1:]):
        if place in kept and span.low > spans[-1].high:
            spans.append(span)
        else:
            spans[-1] = KeyRange(spans[-1].low, max(spans[-1].high, span.high))
    return spans


def in_groups(spans: Sequence[Span], most_rows: int, most_spans: int | None = None) -> list[list[Span]]:
    """The spans in groups of about `most_rows` rows and at most `most_spans`, so that memory and statements stay bounded."""
    groups: list[list[Span]] = []
    rows = 0
    for span in spans:
        if not groups or rows + span.rows > most_rows or len(groups[-1]) == most_spans:
            groups.append([])
            rows = 0
        groups[-1].append(span)
        rows += span.rows
    return groups
