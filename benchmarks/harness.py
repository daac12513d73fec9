"""How contenders are measured: in turn (A B A B …), their results held equal first, medians and ratios at the end.

What belongs here: rounds, medians, goals and verdicts. What does not: any benchmark's own work (one module each), files
(results.py) and the page (report.py).

A ratio of rounds that took turns is a result; an absolute time is not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Size(StrEnum):
    """How much data: `quick` sizes of all benchmarks together take less than ten minutes."""

    QUICK = "quick"
    FULL = "full"


class Unequal(AssertionError):
    """Two contenders produced different results, so that their times cannot be compared."""


@dataclass(frozen=True)
class Outcome:
    """What one round of a contender produced. `seconds` when it measured itself (a child process, without its start)."""

    result: object = None
    seconds: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """One way to do the work. `prepare` runs before each round and is not measured."""

    name: str
    run: Callable[[], Outcome]
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Timing:
    """All rounds of one contender; `figures` are medians of what it said beyond seconds (bytes, memory)."""

    seconds: tuple[float, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Slowest minus fastest round, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median if self.median else 0.0


@dataclass(frozen=True)
class Goal:
    """What a row should reach."""

    limit: float
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def text(self, unit: str) -> str:
        return f"{'at least' if self.at_least else 'at most'} {number(self.limit)}{unit}"


@dataclass(frozen=True)
class Row:
    """One line of the table: a value, what it should be, and where it comes from. Without a goal it only informs."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        return self.goal is None or self.goal.met_by(self.value)

    def line(self) -> str:
        measured = f"{self.name}: {number(self.value)}{self.unit}"
        if self.goal is None:
            return f"            {measured}"
        return f"{'goal met   ' if self.met else 'GOAL MISSED'}: {measured} (goal: {self.goal.text(self.unit)})"


@dataclass(frozen=True)
class Report:
    """One benchmark's outcome. `timings` by case, then by contender."""

    benchmark: str
    title: str
    size: Size
    data: Mapping[str, Any]
    rows: tuple[Row, ...]
    timings: Mapping[str, Mapping[str, Timing]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()


def race(
    contenders: Sequence[Contender],
    rounds: int,
    warm_up: int = 0,
    expected: object = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Each contender once a round, in turn. The first round's results must be equal before anything else is measured.

    The first `warm_up` rounds are extra ones and do not count. `expected`, when known, is what all must produce.
    Raises Unequal naming the contenders.

    The environment's BENCHMARK_ROUNDS, when set, is the most rounds (for those without hours); the page says how many it was.
    """
    rounds = min(rounds, int(os.environ.get("BENCHMARK_ROUNDS", rounds)))
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    figures: dict[str, list[Mapping[str, float]]] = {contender.name: [] for contender in contenders}
    for turn in range(rounds + warm_up):
        results: dict[str, object] = {} if expected is None else {"what was planted": expected}
        for contender in contenders:
            contender.prepare()
            start = clock()
            outcome = contender.run()
            elapsed = clock() - start
            results[contender.name] = outcome.result
            if turn >= warm_up:
                seconds[contender.name].append(elapsed if outcome.seconds is None else outcome.seconds)
                figures[contender.name].append(outcome.figures)
        if turn == 0:
            expect_equal(results)
    return {name: Timing(tuple(taken), _medians(figures[name])) for name, taken in seconds.items()}


def expect_equal(results: Mapping[str, object]) -> None:
    """Raises Unequal unless all results are equal."""
    (first, expected), *others = results.items()
    for name, result in others:
        if result != expected:
            raise Unequal(f"{first} and {name} differ: {_short(expected)} against {_short(result)}")


def ratio(timings: Mapping[str, Timing], numerator: str, denominator: str) -> float:
    """Median of the rounds' ratios: both numbers of a ratio were measured one after the other, under the same load."""
    pairs = zip(timings[numerator].seconds, timings[denominator].seconds, strict=True)
    return statistics.median(upper / lower for upper, lower in pairs)


@dataclass(frozen=True)
class Child:
    """What a child process said: the last line of its output as JSON, and the most memory that it ever held."""

    answer: Any
    peak_bytes: int


def run_child(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Child:
    """Run a program that ends with a line of JSON. Raises RuntimeError with the end of its error output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            list(command), cwd=folder, env={**os.environ, **(env or {})}, stdout=out, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        lines = out.read().decode().strip().splitlines()
        if process.returncode or not lines:
            tail = errors.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command[:4])} … ended with {process.returncode}: {tail}")
    return Child(json.loads(lines[-1]), usage.ru_maxrss * 1024)


def number(value: float) -> str:
    """Three significant digits, large numbers in full."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for figures_of_round in figures for name in figures_of_round}
    return {
        name: statistics.median(figures_of_round[name] for figures_of_round in figures if name in figures_of_round)
        for name in sorted(names)
    }


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
