"""Every small mistake in the figures and verdicts of the reconciliation is noticed by a test of theirs."""

from __future__ import annotations

from types import FunctionType

import pytest

from ecommerce_platform.reconciliation.verdicts import verdict
from ecommerce_platform_tests.mutants.scored import scored
from ecommerce_platform_tests.reconciliation import test_verdict

pytestmark = pytest.mark.mutation

FUNCTIONS: tuple[FunctionType, ...] = (
    verdict.metric_values,
    verdict._sum,
    verdict.ratio,
    verdict.percentage_difference,
    verdict.status_of,
    verdict.judge,
    verdict._verdict,
)  # type: ignore[assignment]
#: Mutants that compute the same, by a part of their description: why no test can notice.
SAME: tuple[tuple[str, str], ...] = (
    ("else NetCells(cells) -> NetCells(cells)", "cells that are added up are added up again: the same, and slower"),
    ("is None else tier_of.get(cell.user_id, UNKNOWN_TIER) -> tier_of.get", "no user is not a key of the tiers"),
    ("return first + second -> pass", "counts that are added as decimals are the same, and slower"),
    ("ratio 5: 1 -> 2", "only the number of digits after the point counts"),
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_mistake_is_noticed(function: FunctionType) -> None:
    score = scored(function, test_verdict, SAME, (ArithmeticError, IndexError))
    assert score.killed
    assert not score.survivors, "\n".join(score.survivors)
