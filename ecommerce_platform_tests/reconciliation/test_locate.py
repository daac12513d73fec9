"""The search for keys that differ, over two sides held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecommerce_platform.reconciliation.locate import Bucket, KeyRange, Limits, cover, locate


@dataclass
class Rows:
    """A side: key to content. Counts what it was asked."""

    content: dict[int, str]
    questions: int = 0
    fetched: int = 0
    scanned: list[int] = field(default_factory=list)

    def key_bounds(self, dates: Sequence[date] | None) -> KeyRange | None:
        return KeyRange(min(self.content), max(self.content)) if self.content else None

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int
    ) -> dict[int, Bucket]:
        self.questions += 1
        found: dict[int, Bucket] = {}
        for key in self._within(ranges):
            number = (key - origin) // width
            old = found.get(number, Bucket(0, 0, KeyRange(key, key)))
            checksum = (old.checksum + _checksum(key, self.content[key])) % 2**64
            keys = KeyRange(min(old.keys.low, key), max(old.keys.high, key))
            found[number] = Bucket(old.count + 1, checksum, keys)
        return found

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        self.questions += 1
        rows = {key: _checksum(key, self.content[key]) for key in self._within(ranges)}
        self.fetched += len(rows)
        return rows

    def _within(self, ranges: Sequence[KeyRange]) -> list[int]:
        if len(ranges) == 1:
            return [key for key in self.content if ranges[0].low <= key <= ranges[0].high]
        return [key for key in self.content if any(span.low <= key <= span.high for span in ranges)]


def _checksum(key: int, content: str) -> int:
    return int.from_bytes(hashlib.md5(f"{key};{content}".encode()).digest()[8:], "big")


def test_one_order_of_many_is_found_with_few_rows_fetched() -> None:
    content = dict.fromkeys(range(200000), "same")
    speed, batch = Rows(content), Rows(content | {123_456: "other"})
    found = locate(speed, batch, None)
    assert found.keys == (123_456,)
    assert found.complete
    assert found.rows_fetched <= 2 * 200
    assert speed.questions <= 3


def test_a_key_far_away_costs_few_rounds() -> None:
    content = dict.fromkeys(range(100000), "same") | {10**12: "far", -(10**9): "below"}
    found = locate(Rows(content), Rows(content | {5: "other", 10**12: "moved"}), None)
    assert found.keys == (5, 10**12)
    assert found.rounds <= 5


def test_everything_differs() -> None:
    found = locate(Rows(dict.fromkeys(range(50000), "a")), Rows(dict.fromkeys(range(50000), "b")), None)
    assert found.keys == tuple(range(50_000))


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
    monkeypatch.setattr("ecommerce_platform.reconciliation.locate.ROWS_IN_A_QUERY", 100)
    content = dict.fromkeys(range(20000), "same")
    found = locate(Rows(content), Rows(content | dict.fromkeys(range(0, 20000, 1000), "other")), None, limits)
    assert found.stopped_by == stopped_by
    assert 0 < found.ranges_left <= found.ranges
    assert set(found.keys) < set(range(0, 20_000, 1000))
    assert found.verdict(7).startswith("at least 7 orders differ; ")


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
