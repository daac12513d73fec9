"""A long list of a test's cases, divided among the three sets: everyday (`make test`), heavy (`make test-slow`), and long trials.

What belongs here: which case is in which set. What does not: the cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def spread(cases: Iterable[Any], everyday: int, slow: int) -> list[Any]:
    """The cases in their order: `everyday` of them without a mark, `slow` with the mark of the heavy set, the others `soak`.

    Each set is spread evenly over the list, because neighbours resemble each other.
    """
    values = list(cases)
    chosen = evenly(range(len(values)), everyday)
    heavy = evenly([number for number in range(len(values)) if number not in chosen], slow)
    return [
        value
        if number in chosen
        else pytest.param(value, marks=pytest.mark.slow if number in heavy else pytest.mark.soak)
        for number, value in enumerate(values)
    ]


def evenly(values: Sequence[T], count: int) -> Sequence[T]:
    """So many of the values, spread evenly over them; all where there are not more."""
    if count >= len(values):
        return values
    return [values[place * len(values) // count] for place in range(count)]
