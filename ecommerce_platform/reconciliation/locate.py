"""Which keys differ? Checksums of key ranges, computed inside both engines, narrowed down until few rows are left.

What belongs here: the search, over two sides that can answer for ranges of keys. What does not: SQL (speed.py, batch.py) and
why an order differs (explain.py). A key found here is a candidate: the verdict is taken from its versions, fetched by key.

Each round cuts the differing ranges into buckets of one width, measured on the keys that are really there, so that one key
far away (10^12) costs a round and no more. When the differing buckets hold few rows, or few rows each, the rows' own
checksums are fetched and compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")

FIRST_BUCKETS = 1024
NEXT_BUCKETS = 64
#: Below this many rows in all differing buckets, or on average in one, rows are compared one by one.
FEW_ROWS = 20_000
FEW_ROWS_IN_A_BUCKET = 64
#: Key ranges in one statement.
RANGES_IN_A_QUERY = 500
#: Rows whose checksums are in memory at once, for each side.
ROWS_IN_A_QUERY = 500_000


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


class Side(Protocol):
    """A layer that can be asked for checksums."""

    def key_bounds(self, dates: Sequence[date] | None) -> KeyRange | None: ...

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int
    ) -> dict[int, Bucket]: ...

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]: ...


@dataclass(frozen=True)
class Limits:
    """What one search may cost: keys found, row checksums fetched from both sides, seconds."""

    findings: int = 100_000
    rows: int = 20_000_000
    seconds: float = 1800.0


@dataclass(frozen=True)
class Located:
    """Keys that differ. When `stopped_by` is set the search was cut short: at least these keys differ, and
    `ranges_left` of `ranges` were not examined."""

    keys: tuple[int, ...]
    ranges: int
    ranges_left: int = 0
    rows_fetched: int = 0
    rounds: int = 0
    stopped_by: str | None = None

    @property
    def complete(self) -> bool:
        return self.stopped_by is None

    def verdict(self, differing: int) -> str:
        """The result in a sentence, of which `differing` keys were no lag."""
        if self.complete:
            return f"{_orders(differing)}"
        return (
            f"at least {_orders(differing)}; {self.ranges_left} of {self.ranges} differing ranges were not "
            f"examined (limit of {self.stopped_by})"
        )


def _orders(count: int) -> str:
    return "1 order differs" if count == 1 else f"{count} orders differ"


def locate(
    speed: Side,
    batch: Side,
    dates: Sequence[date] | None,
    limits: Limits = Limits(),
    clock: Callable[[], float] = time.monotonic,
) -> Located:
    """Every key of `dates` (None: of all dates) whose checksum differs between the sides, or that one side lacks."""
    if dates is not None and not dates:
        return Located((), 0)
    deadline = clock() + limits.seconds
    bounds = [found for found in _ask_both(speed, batch, lambda side: side.key_bounds(dates)) if found]
    if not bounds:
        return Located((), 0)
    ranges = [KeyRange(min(b.low for b in bounds), max(b.high for b in bounds))]
    rounds, rows = 0, 0
    while True:
        width = _width(ranges, FIRST_BUCKETS if rounds == 0 else NEXT_BUCKETS)
        rounds += 1
        if clock() > deadline:
            return Located((), len(ranges), len(ranges), 0, rounds, "seconds")
        differing = _differing(speed, batch, dates, ranges, width)
        rows = sum(max(pair) for _, *pair in differing)
        ranges = [span for span, *_ in differing]
        if rows <= max(FEW_ROWS, FEW_ROWS_IN_A_BUCKET * len(ranges)) or width == 1:
            return _compare_rows(speed, batch, dates, differing, limits, deadline, clock, rounds)


def _ask_both(speed: Side, batch: Side, ask: Callable[[Side], Answer]) -> tuple[Answer, Answer]:
    """Both answers; the engines work at the same time."""
    with ThreadPoolExecutor(1, thread_name_prefix="locate") as pool:
        left = pool.submit(ask, speed)
        right = ask(batch)
        return left.result(), right


def _width(ranges: Sequence[KeyRange], buckets: int) -> int:
    widest = max((span.span for span in ranges), default=1)
    return max(1, -(-widest // buckets))


def _differing(
    speed: Side, batch: Side, dates: Sequence[date] | None, ranges: Sequence[KeyRange], width: int
) -> list[tuple[KeyRange, int, int]]:
    """Buckets that differ: the keys that they really hold, and the rows of either side."""
    spans = cover(ranges, RANGES_IN_A_QUERY)
    left, right = _ask_both(speed, batch, lambda side: side.buckets(dates, spans, spans[0].low, width))
    found = []
    for number in sorted(left.keys() | right.keys()):
        a, b = left.get(number), right.get(number)
        if a is None or b is None:
            present = a or b
            assert present is not None
            found.append((present.keys, a.count if a else 0, b.count if b else 0))
        elif (a.count, a.checksum) != (b.count, b.checksum):
            keys = KeyRange(min(a.keys.low, b.keys.low), max(a.keys.high, b.keys.high))
            found.append((keys, a.count, b.count))
    return found


def _compare_rows(
    speed: Side,
    batch: Side,
    dates: Sequence[date] | None,
    differing: Sequence[tuple[KeyRange, int, int]],
    limits: Limits,
    deadline: float,
    clock: Callable[[], float],
    rounds: int,
) -> Located:
    """Row by row in the differing ranges, a group of ranges at a time, until a limit is met."""
    keys: list[int] = []
    done = rows = 0
    for group in _row_groups(differing):
        stopped_by = (
            "findings"
            if len(keys) >= limits.findings
            else "rows"
            if rows + sum(a + b for _, a, b in group) > limits.rows
            else "seconds"
            if clock() > deadline
            else None
        )
        if stopped_by:
            return Located(tuple(keys), len(differing), len(differing) - done, rows, rounds, stopped_by)
        left, right = _row_checksums(speed, batch, dates, [span for span, _, _ in group])
        rows += len(left) + len(right)
        keys += sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
        done += len(group)
    return Located(tuple(keys), len(differing), 0, rows, rounds)


def _row_checksums(
    speed: Side, batch: Side, dates: Sequence[date] | None, ranges: Sequence[KeyRange]
) -> tuple[dict[int, int], dict[int, int]]:
    spans = cover(ranges, RANGES_IN_A_QUERY)
    return _ask_both(speed, batch, lambda side: side.row_checksums(dates, spans))


def cover(ranges: Sequence[KeyRange], count: int) -> list[KeyRange]:
    """At most `count` ranges that hold all of `ranges`, in order: the smallest gaps between them are closed.

    Keys in a closed gap are compared in vain, which is cheaper than thousands of statements.
    """
    ordered = sorted(ranges)
    gaps = sorted(
        (after.low - before.high for before, after in pairwise(ordered)),
        reverse=True,
    )
    closed = max(0, gaps[count - 1]) if len(gaps) >= count else 0
    spans = ordered[:1]
    for span in ordered[1:]:
        if span.low - spans[-1].high <= closed:
            spans[-1] = KeyRange(spans[-1].low, max(spans[-1].high, span.high))
        else:
            spans.append(span)
    return spans


def _row_groups(differing: Sequence[tuple[KeyRange, int, int]]) -> list[list[tuple[KeyRange, int, int]]]:
    """Groups of about ROWS_IN_A_QUERY rows, so that memory stays bounded."""
    groups: list[list[tuple[KeyRange, int, int]]] = []
    rows = 0
    for entry in differing:
        size = max(entry[1:])
        if not groups or rows + size > ROWS_IN_A_QUERY:
            groups.append([])
            rows = 0
        groups[-1].append(entry)
        rows += size
    return groups
