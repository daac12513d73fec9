"""The search for keys that differ, over two sides held in memory."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecommerce_platform.reconciliation.search import locate as locating
from ecommerce_platform.reconciliation.search import ranges
from ecommerce_platform.reconciliation.search.locate import Limits, locate
from ecommerce_platform.reconciliation.search.ranges import Bucket, KeyRange, cover
from ecommerce_platform.reconciliation.search.search_cost import rows_in_a_bucket
from ecommerce_platform_tests.case_sets import spread


@dataclass
class Rows:
    """A side: key to content. Counts what it was asked."""

    content: dict[int, str]
    questions: int = 0
    fetched: list[int] = field(default_factory=list)
    buckets_answered: list[int] = field(default_factory=list)
    hashed: int = 0

    def key_bounds(self, dates: Sequence[date] | None) -> Bucket | None:
        if not self.content:
            return None
        return Bucket(len(self.content), 0, KeyRange(min(self.content), max(self.content)))

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int, hashed: bool = True
    ) -> dict[int, Bucket]:
        self.questions += 1
        bucket_by_start: dict[int, Bucket] = {}
        keys = self._within(ranges)
        self.hashed += len(keys) if hashed else 0
        for key in keys:
            number = (key - origin) // width
            old = bucket_by_start.get(number, Bucket(0, 0, KeyRange(key, key)))
            checksum = (old.checksum + _checksum(key, self.content[key])) % 2**64 if hashed else 0
            keys = KeyRange(min(old.keys.low, key), max(old.keys.high, key))
            bucket_by_start[number] = Bucket(old.count + 1, checksum, keys)
        self.buckets_answered.append(len(bucket_by_start))
        return bucket_by_start

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        self.questions += 1
        rows = {key: _checksum(key, self.content[key]) for key in self._within(ranges)}
        self.hashed += len(rows)
        self.fetched.append(len(rows))
        return rows

    def _within(self, ranges: Sequence[KeyRange]) -> list[int]:
        keys = sorted(self.content)
        return [key for span in ranges for key in keys[bisect_left(keys, span.low) : bisect_right(keys, span.high)]]

    @property
    def cost(self) -> float:
        """What the search cost this side, in rows hashed: a row that is moved costs two, a bucket four."""
        return self.hashed + 2 * sum(self.fetched) + 4 * sum(self.buckets_answered)


def _checksum(key: int, content: str) -> int:
    return int.from_bytes(hashlib.md5(f"{key};{content}".encode()).digest()[8:], "big")


def test_one_order_of_many_is_found_with_few_rows_fetched() -> None:
    content = dict.fromkeys(range(200000), "same")
    speed, batch = Rows(content), Rows(content | {123_456: "other"})
    result = locate(speed, batch, None)
    assert result.keys == (123_456,)
    assert result.complete
    assert result.rows_fetched <= 2 * 200
    assert speed.questions <= 3


def test_a_key_far_away_costs_few_rounds() -> None:
    content = dict.fromkeys(range(100000), "same") | {10**12: "far", -(10**9): "below"}
    result = locate(Rows(content), Rows(content | {5: "other", 10**12: "moved"}), None)
    assert result.keys == (5, 10**12)
    assert result.rounds <= 5


def test_everything_differs() -> None:
    result = locate(Rows(dict.fromkeys(range(50000), "a")), Rows(dict.fromkeys(range(50000), "b")), None)
    assert result.keys == tuple(range(50_000))


@pytest.mark.parametrize(("speed", "batch"), [({}, {}), ({1: "a"}, {}), ({}, {1: "a"}), ({1: "a"}, {2: "a"})])
def test_sides_without_rows(speed: dict[int, str], batch: dict[int, str]) -> None:
    assert locate(Rows(speed), Rows(batch), None).keys == tuple(sorted(speed.keys() ^ batch.keys()))


def test_no_dates_ask_nothing() -> None:
    side = Rows({1: "a"})
    assert locate(side, Rows({}), []).keys == ()
    assert side.questions == 0


@pytest.mark.parametrize(
    ("limits", "stopped_by"),
    [(Limits(findings=1), "findings"), (Limits(rows=10), "rows"), (Limits(seconds=-1.0), "seconds")],
)
def test_a_limit_gives_a_partial_verdict_that_is_true(
    limits: Limits, stopped_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecommerce_platform.reconciliation.search.locate.ROWS_IN_A_QUERY", 100)
    content = dict.fromkeys(range(20000), "same")
    result = locate(Rows(content), Rows(content | dict.fromkeys(range(0, 20000, 1000), "other")), None, limits)
    assert result.stopped_by == stopped_by
    assert 0 < result.ranges_left <= result.ranges
    assert set(result.keys) < set(range(0, 20_000, 1000))
    assert result.verdict(7).startswith("at least 7 orders differ; ")


ORDERS = 300_000
SCATTERED = {
    share: sorted(random.Random(7).sample(range(ORDERS), int(ORDERS * share))) for share in (0.0001, 0.01, 0.5)
}
CASES = {
    "none differs": [],
    "one differs": [123_456],
    **{f"{share:.2%} differ": keys for share, keys in SCATTERED.items()},
    "all differ": list(range(ORDERS)),
    "one day of 90 differs": list(range(100_000, 100_000 + ORDERS // 90)),
}


@pytest.mark.parametrize("case", spread(CASES, everyday=2, slow=2))
def test_the_search_takes_the_cheaper_way_in_bounded_memory(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locating, "ROWS_IN_A_GROUP", 40_000)
    monkeypatch.setattr(locating, "ROWS_IN_A_QUERY", 20_000)
    content = {number * 3 + 11: "same" for number in range(ORDERS)}
    differing = [number * 3 + 11 for number in CASES[case]]
    speed, batch = Rows(content), Rows(content | dict.fromkeys(differing, "other"))
    result = locate(speed, batch, None, Limits(findings=10**6))
    assert result.keys == tuple(differing)
    assert result.complete
    # Never more than the better of two ways: all rows, each hashed and moved; or one round, and the rows of what differs.
    all_rows = 3 * ORDERS
    one_round = ORDERS + 4 * locating.FIRST_BUCKETS + 3 * len(differing) * (ORDERS / locating.FIRST_BUCKETS)
    assert batch.cost <= 1.2 * min(all_rows, one_round)
    assert max(batch.fetched, default=0) <= 20_000 + ORDERS / locating.FIRST_BUCKETS
    assert max(batch.buckets_answered) <= max(locating.FIRST_BUCKETS, 40_000 / 4)


def test_one_differing_order_that_the_sample_meets_is_not_taken_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (locating, ranges):
        monkeypatch.setattr(module, "FIRST_BUCKETS", 128)
    content = {number * 3 + 11: "same" for number in range(ORDERS)}
    middle = (ORDERS // 2) * 3 + 11
    batch = Rows(content | {middle: "other"})
    assert locate(Rows(content), batch, None).keys == (middle,)
    assert max(batch.buckets_answered) <= 128


@pytest.mark.slow
def test_keys_that_lie_close_together_far_from_others_are_searched_within_the_same_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locating, "ROWS_IN_A_GROUP", 40_000)
    monkeypatch.setattr(locating, "ROWS_IN_A_QUERY", 20_000)
    content = dict.fromkeys([-(2**63), *range(ORDERS), *range(10**12, 10**12 + 3000, 3), 2**63 - 1], "same")
    differing = sorted([*SCATTERED[0.01], 10**12, 2**63 - 1])
    speed, batch = Rows(content), Rows(content | dict.fromkeys(differing, "other"))
    result = locate(speed, batch, None)
    assert result.keys == tuple(differing)
    assert max(batch.fetched) <= 20_000 + 2 * 1024
    assert max(batch.buckets_answered) <= 40_000
    assert batch.cost <= 8 * ORDERS


@pytest.mark.parametrize(("share", "smallest"), [(0.0, 32), (0.0001, 32), (0.01, 8)])
def test_few_differences_make_large_buckets(share: float, smallest: int) -> None:
    size = rows_in_a_bucket(share, 40_000)
    assert size is not None
    assert size >= smallest


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_many_differences_make_comparing_all_rows_cheaper(share: float) -> None:
    assert rows_in_a_bucket(share, 40_000) is None


def test_more_differing_buckets_than_statements_can_name_are_not_asked_for() -> None:
    assert rows_in_a_bucket(0.01, 2_000_000) is None


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_exactly_the_differing_keys_are_found(data: st.DataObject) -> None:
    keys = st.one_of(st.integers(-500, 500), st.integers(-(10**12), 10**12), st.integers(0, 40_000))
    both = data.draw(st.dictionaries(keys, st.sampled_from("ab"), max_size=60))
    both |= dict.fromkeys(range(data.draw(st.integers(0, 1500))), "x")
    batch = both | data.draw(st.dictionaries(keys, st.sampled_from("abc"), max_size=20))
    lost = data.draw(st.sets(keys, max_size=20))
    speed = {key: value for key, value in both.items() if key not in lost}
    expected = sorted(key for key in speed.keys() | batch.keys() if speed.get(key) != batch.get(key))
    assert locate(Rows(speed), Rows(batch), None).keys == tuple(expected)


@settings(deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 50)), min_size=1, max_size=40),
    count=st.integers(1, 10),
)
def test_a_cover_holds_every_range_in_few_spans(spans: list[tuple[int, int]], count: int) -> None:
    ranges = [KeyRange(low, low + length) for low, length in spans]
    covered = cover(ranges, count)
    assert len(covered) <= count
    assert all(any(span.low <= item.low and item.high <= span.high for span in covered) for item in ranges)
    assert all(before.high < after.low for before, after in pairwise(covered))
