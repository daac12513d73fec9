"""Readings that are narrowed to what has changed leave out nothing that has."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from ecommerce_platform.analytics.follow.changes import _RANGES, joined


@pytest.mark.parametrize("spread", [100, 10_000, 10**12])
def test_few_ranges_contain_all_keys_and_leave_out_the_widest_gaps(spread: int) -> None:
    keys = sorted({Random(spread).randrange(spread) for _ in range(500)})
    ranges = joined([(key, key) for key in keys])
    assert len(ranges) <= _RANGES
    assert all(any(first <= key <= last for first, last in ranges) for key in keys)
    between = [later[0] - earlier[1] for earlier, later in itertools.pairwise(ranges)]
    inside = [
        later - earlier
        for earlier, later in itertools.pairwise(keys)
        if any(first <= earlier and later <= last for first, last in ranges)
    ]
    assert not between or min(between) >= max(inside)


def test_neighbours_are_one_range_and_nothing_is_none() -> None:
    assert joined([(3, 4), (1, 2), (9, 9)]) == [(1, 4), (9, 9)]
    assert joined([]) == []
