"""Each case is in one set, and the sets have the sizes that were asked for."""

from __future__ import annotations

import pytest

from ecommerce_platform_tests.case_sets import spread


@pytest.mark.parametrize(
    ("everyday", "slow", "expected"),
    [
        (2, 2, ["", "slow", "soak", "", "slow", "soak"]),
        (0, 1, ["slow", "soak", "soak", "soak", "soak", "soak"]),
        (6, 0, [""] * 6),
        (1, 9, ["", "slow", "slow", "slow", "slow", "slow"]),
    ],
)
def test_cases_are_spread_over_the_sets(everyday: int, slow: int, expected: list[str]) -> None:
    cases = spread("abcdef", everyday, slow)
    assert ["".join(mark.name for mark in getattr(case, "marks", ())) for case in cases] == expected
    assert "".join(case if isinstance(case, str) else case.values[0] for case in cases) == "abcdef"
