"""Every small mistake in the figures and verdicts of the reconciliation is noticed by a test of theirs."""

from __future__ import annotations

from types import FunctionType

import pytest

from ecommerce_platform.reconciliation import verdict
from ecommerce_platform_tests.mutants.judges import noticed
from ecommerce_platform_tests.mutants.python import in_place, mutants
from ecommerce_platform_tests.mutants.report import Score, written
from ecommerce_platform_tests.reconciliation import test_verdict

pytestmark = pytest.mark.mutation

FUNCTIONS: tuple[FunctionType, ...] = (
    verdict.metric_values,
    verdict._added,
    verdict.average,
    verdict.percentage_difference,
    verdict.status_of,
    verdict.judge,
    verdict._verdict,
)  # type: ignore[assignment]
#: Mutants that compute the same, by a part of their description: why no test can notice.
SAME: tuple[tuple[str, str], ...] = (
    ("else NetCells(cells) -> NetCells(cells)", "cells that are added up are added up again: the same, and slower"),
    ("is None else tier_of.get(cell.user_id, UNKNOWN_TIER) -> tier_of.get", "no user is no key of the tiers"),
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_mistake_is_noticed(function: FunctionType) -> None:
    score = Score(f"{function.__module__}.{function.__name__}")
    assert not noticed(test_verdict, {}), "the tests fail before anything is mutated"
    for mutant in mutants(function):
        try:
            with in_place(function, mutant):
                found = noticed(test_verdict, {})
        except ArithmeticError:
            score.failed.append(mutant.what)
            continue
        except (AttributeError, NameError):
            continue  # names something that is not there: no mistake that anybody would make
        if found:
            score.killed += 1
        elif any(part in mutant.what for part, _ in SAME):
            score.same += 1
        else:
            score.survivors.append(mutant.what)
    written(score)
    assert score.killed
    assert not score.survivors, "\n".join(score.survivors)
