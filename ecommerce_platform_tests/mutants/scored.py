"""Runs tests against each mutant of a function and counts what became of them.

What belongs here: the loop that all mutation tests of Python functions share. What does not: the functions, their tests, and
which mutants compute the same, which each room says itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

from ecommerce_platform_tests.mutants.judges import noticed
from ecommerce_platform_tests.mutants.python import in_place, mutants
from ecommerce_platform_tests.mutants.report import Score, written


def scored(
    function: FunctionType,
    tests: ModuleType,
    same: Sequence[tuple[str, str]],
    breaks: tuple[type[BaseException], ...],
    given: Mapping[str, Any] | None = None,
) -> Score:
    """What `tests` say of each mutant of `function`, also in the report.

    `same`: parts of the descriptions of mutants that compute the same, with the reason. `breaks`: errors by which an engine
    refuses a mutant. `given`: fixtures by name. Raises AssertionError when the tests fail before anything is mutated.
    """
    score = Score(f"{function.__module__}.{function.__name__}")
    assert not noticed(tests, given or {}), "the tests fail before anything is mutated"
    for mutant in mutants(function):
        try:
            with in_place(function, mutant):
                survivors = noticed(tests, given or {})
        except breaks:
            score.failed.append(mutant.what)
            continue
        except (AttributeError, NameError):
            continue  # names something that is not there: no mistake that anybody would make
        if survivors:
            score.killed += 1
        elif any(part in mutant.what for part, _ in same):
            score.same += 1
        else:
            score.survivors.append(mutant.what)
    written(score)
    return score
