"""Runs a module's tests as plain functions, again and again in one process, to see whether one of them fails.

What belongs here: calling tests with what they ask for. What does not: pytest's own machinery, which would start over each time.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest

#: How a test says no: by an assertion, by looking for a row that is not there, or by an error that did not come.
NOTICED = (AssertionError, KeyError, ValueError, TypeError, pytest.fail.Exception)


def noticed(module: ModuleType, given: Mapping[str, Any]) -> bool:
    """Whether one of the tests fails that need no more fixtures than `given`."""
    for test, arguments in _calls(module, given):
        try:
            test(**arguments)
        except NOTICED:
            return True
    return False


def _calls(module: ModuleType, given: Mapping[str, Any]) -> Iterator[tuple[Callable[..., None], dict[str, Any]]]:
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("test_"):
            continue
        cases = list(_cases(test))
        parameters = set(inspect.signature(test).parameters)
        if parameters - given.keys() - {name for case in cases for name in case}:
            continue
        for case in cases:
            yield test, {name: given[name] for name in parameters if name not in case} | case


def _cases(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The arguments of each case of a parametrised test; one case without arguments for any other."""
    tables = []
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names, rows = mark.args[0], mark.args[1]
            names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
            tables.append([dict(zip(names, row if len(names) > 1 else (row,), strict=True)) for row in rows])
    for chosen in itertools.product(*tables):
        yield {name: value for case in chosen for name, value in case.items()}
