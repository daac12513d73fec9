"""Which keys differ? Checksums of key ranges, computed inside both engines, narrowed down until few rows are left.

What belongs here: the search, over two sides that can answer for ranges of keys. What does not: SQL (speed.py, batch.py), what is
cheaper (search_cost.py), and why an order differs (explain.py). A key found here is a candidate: the verdict is taken from its
versions, fetched by key.

The first round cuts all keys into buckets of one width. What differs is then worked through in groups of bounded size: a few
slices of a group are compared row by row, which says how much of it differs, and so whether it is cheaper to cut it into smaller
buckets or to compare all its rows. When a sample of everything says that most buckets of the first round would differ, it counts
rows only. Ranges are measured on the keys that are really there, so that one key far away (10^12) costs a round and no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, TypeVar

from ecommerce_platform.reconciliation.search.ranges import (
    FIRST_BUCKETS,
    Bucket,
    KeyRange,
    Span,
    cover,
    even_width,
    in_groups,
    slices_of,
    width_of,
)
from ecommerce_platform.reconciliation.search.search_cost import (
    FEWEST_SAMPLED,
    MOST_SAMPLED,
    SAMPLE_FROM,
    most_buckets_differ,
    rows_in_a_bucket,
    share_of_rows,
)

Answer = TypeVar("Answer")

#: Below this many rows in all differing buckets, or on average in one, rows are compared one by one.
FEW_ROWS = 20_000
FEW_ROWS_IN_A_BUCKET = 64
#: Key ranges in one statement.
RANGES_IN_A_QUERY = 500
#: Rows whose checksums are in memory at once, for each side.
ROWS_IN_A_QUERY = 500_000
#: Rows that are worked on together: the most buckets in memory are an eighth of it, for each side.
ROWS_IN_A_GROUP = 2_000_000


class Side(Protocol):
    """A layer that can be asked for checksums."""

    def key_bounds(self, dates: Sequence[date] | None) -> Bucket | None:
        """About how many rows, and between which keys all of them lie; no checksum."""

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int, hashed: bool = True
    ) -> dict[int, Bucket]:
        """The rows in `ranges` by (key − origin) div width; without `hashed` they are counted only."""

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
        """The result in a sentence, of which `differing` keys were not lag."""
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
    return _Search(speed, batch, dates, limits, clock, clock() + limits.seconds).run()


def _ask_both(speed: Side, batch: Side, ask: Callable[[Side], Answer]) -> tuple[Answer, Answer]:
    """Both answers; the engines work at the same time."""
    with ThreadPoolExecutor(1, thread_name_prefix="locate") as pool:
        left = pool.submit(ask, speed)
        right = ask(batch)
        return left.result(), right


@dataclass
class _Search:
    """One search: what it may cost, and what it has cost and found so far."""

    speed: Side
    batch: Side
    dates: Sequence[date] | None
    limits: Limits
    clock: Callable[[], float]
    deadline: float
    keys: set[int] = field(default_factory=set)
    rows_fetched: int = 0
    rounds: int = 0
    examined: int = 0

    def run(self) -> Located:
        bounds = [
            side_bounds
            for side_bounds in _ask_both(self.speed, self.batch, lambda side: side.key_bounds(self.dates))
            if side_bounds
        ]
        if not bounds:
            return Located((), 0)
        keys = KeyRange(
            min(side_bounds.keys.low for side_bounds in bounds), max(side_bounds.keys.high for side_bounds in bounds)
        )
        whole = Span(keys, max(side_bounds.count for side_bounds in bounds))
        if self.clock() > self.deadline:
            return self._located([[whole]], "seconds")
        groups = in_groups(self._first_round(whole), ROWS_IN_A_GROUP)
        while groups:
            if stopped_by := self._limit():
                return self._located(groups, stopped_by)
            group = groups.pop(0)
            smaller, stopped_by = self._narrow(group)
            if stopped_by:
                return self._located([smaller, *groups], stopped_by)
            groups = [*in_groups(smaller, ROWS_IN_A_GROUP), *groups]
        return self._located([], None)

    def _first_round(self, whole: Span) -> list[Span]:
        share = self._sampled([whole]) if whole.rows >= SAMPLE_FROM else None
        # One differing row in the sample may be the only one of all: it does not say that most buckets differ.
        hashed = share is None or len(self.keys) < 2 or not most_buckets_differ(share, whole.rows / FIRST_BUCKETS)
        return self._differing([whole], even_width([whole]), hashed)

    def _narrow(self, group: list[Span]) -> tuple[list[Span], str | None]:
        """What is left of a group: smaller spans, or nothing once its rows were compared; and the limit that stopped that."""
        rows = sum(span.rows for span in group)
        if rows > max(FEW_ROWS, FEW_ROWS_IN_A_BUCKET * len(group)):
            share = self._share_of(group)
            size = None if share is None else rows_in_a_bucket(share, rows)
            # Keys of which nothing is known lie unevenly; spans that cannot be fetched at once are cut by their counts alone.
            if size is not None or share is None or max(span.rows for span in group) > ROWS_IN_A_QUERY:
                width = even_width(group) if size is None else width_of(group, size)
                smaller = self._differing(group, width, hashed=size is not None)
                if len(smaller) != len(group) or sum(span.keys.span for span in smaller) < sum(
                    span.keys.span for span in group
                ):
                    return smaller, None
        return self._compare_rows(group)

    def _differing(self, group: Sequence[Span], width: int, hashed: bool) -> list[Span]:
        """Buckets of the group that differ, or all of them when they are not hashed: the keys that they hold, and the rows."""
        self.rounds += 1
        spans = cover([span.keys for span in group], RANGES_IN_A_QUERY)
        left, right = _ask_both(
            self.speed, self.batch, lambda side: side.buckets(self.dates, spans, spans[0].low, width, hashed)
        )
        numbers = sorted(left.keys() | right.keys())
        differing = []
        for number in numbers:
            present = [bucket for bucket in (left.get(number), right.get(number)) if bucket]
            if hashed and len(present) == 2 and len({(bucket.count, bucket.checksum) for bucket in present}) == 1:
                continue
            keys = KeyRange(min(bucket.keys.low for bucket in present), max(bucket.keys.high for bucket in present))
            differing.append((keys, max(bucket.count for bucket in present)))
        share = None
        if hashed and differing:
            share = share_of_rows(len(differing) / len(numbers), sum(rows for _, rows in differing) / len(differing))
        return [Span(keys, rows, share) for keys, rows in differing]

    def _share_of(self, group: Sequence[Span]) -> float | None:
        """About what share of the group's rows differs: by the last round, else by a sample; None when neither says."""
        shares = [span.share for span in group if span.share is not None]
        return max(shares) if len(shares) == len(group) else self._sampled(group)

    def _sampled(self, group: Sequence[Span]) -> float | None:
        """Share of the rows of some slices that differs; None where they hold too few rows to say, or too many to fetch."""
        slices = slices_of(group)
        origin, width = slices[0].low, slices[-1].high - slices[0].low + 1
        counts = _ask_both(self.speed, self.batch, lambda side: side.buckets(self.dates, slices, origin, width, False))
        rows = max(sum(bucket.count for bucket in side.values()) for side in counts)
        if not FEWEST_SAMPLED <= rows <= MOST_SAMPLED:
            return None
        differing = self._fetch(slices)
        return len(differing) / rows

    def _compare_rows(self, group: list[Span]) -> tuple[list[Span], str | None]:
        """Row by row, some spans at a time, until a limit is met; what is left then."""
        chunks = in_groups(group, ROWS_IN_A_QUERY, RANGES_IN_A_QUERY)
        for number, chunk in enumerate(chunks):
            if stopped_by := self._limit(sum(span.rows for span in chunk)):
                return [span for some in chunks[number:] for span in some], stopped_by
            self._fetch([span.keys for span in chunk])
            self.examined += len(chunk)
        return [], None

    def _fetch(self, ranges: Sequence[KeyRange]) -> list[int]:
        """The keys in `ranges` that differ, which are kept."""
        left, right = _ask_both(self.speed, self.batch, lambda side: side.row_checksums(self.dates, ranges))
        self.rows_fetched += len(left) + len(right)
        differing = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
        self.keys.update(differing)
        return differing

    def _limit(self, more_rows: int = 0) -> str | None:
        if len(self.keys) >= self.limits.findings:
            return "findings"
        if self.rows_fetched + more_rows > self.limits.rows:
            return "rows"
        return "seconds" if self.clock() > self.deadline else None

    def _located(self, left: Sequence[Sequence[Span]], stopped_by: str | None) -> Located:
        ranges_left = sum(map(len, left))
        keys = tuple(sorted(self.keys))
        return Located(keys, self.examined + ranges_left, ranges_left, self.rows_fetched, self.rounds, stopped_by)
