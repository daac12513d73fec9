"""A step's trouble with the outside world as one error that says what and what to do, instead of a chain of five.

What belongs here: the boundary between Dagster and the rooms. What does not: the words (troubles.py).

Dagster shows an error with all that caused it, each with its stack. Where the trouble is of a known kind the words say enough; an
error of no known kind keeps its chain, and so does each when ECOMMERCE_DEBUG is on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import dagster as dg

from ecommerce_platform.settings import load_settings
from ecommerce_platform.troubles import is_ours, known_trouble

Step = TypeVar("Step", bound=Callable[..., Any])


class StepTroubleError(RuntimeError):
    """A step met trouble of the outside world; the message says what, where, and what to do."""


def plain_words(step: Step) -> Step:
    """Decorates the function of a step or check. What it raises of a known kind is raised without its causes."""
    if inspect.isgeneratorfunction(step):

        @wraps(step)
        def generate(*arguments: Any, **named: Any) -> Iterator[Any]:
            with _in_plain_words():
                yield from step(*arguments, **named)

        return generate  # type: ignore[return-value]

    @wraps(step)
    def call(*arguments: Any, **named: Any) -> Any:
        with _in_plain_words():
            return step(*arguments, **named)

    return call  # type: ignore[return-value]


@contextmanager
def _in_plain_words() -> Iterator[None]:
    try:
        yield
    except (dg.Failure, dg.RetryRequested) as error:
        error.__cause__, error.__suppress_context__ = (
            (error.__cause__, False) if load_settings().debug else (None, True)
        )
        raise
    except Exception as error:
        words = known_trouble(error)
        if words is None or load_settings().debug:
            raise
        if is_ours(error):
            raise error from None
        # Alerts and the log of runs name an error by its class.
        named = type(type(error).__name__, (StepTroubleError,), {"__module__": type(error).__module__})
        raise named(words) from None
