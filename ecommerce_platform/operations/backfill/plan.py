"""What a backfill of some days would do: its runs, what they compute again, how long, and what is wrong before it starts. Pure.

What does not belong here: reading (days.py, rates.py) and launching (launch.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ecommerce_platform.landing.changes import DayRange, ranges_of
from ecommerce_platform.operations.backfill.days import DayState, Stage
from ecommerce_platform.operations.backfill.rates import Rate

#: What a run does with a day of each stage, beside reconciling it.
WORK = {
    Stage.EMPTY: "closed as an empty day",
    Stage.NEW: "read, published, loaded, applied",
    Stage.CHANGED: "read again, its load replaced, applied again",
    Stage.REFUSED: "read and judged again",
    Stage.PUBLISHED: "loaded, applied",
    Stage.LOADED: "applied",
    Stage.DONE: "skipped: nothing changed",
}


@dataclass(frozen=True)
class Problem:
    """Something to look at before the launch; a `serious` one keeps it from starting."""

    serious: bool
    text: str


@dataclass(frozen=True)
class PlannedRun:
    """One run: its days without a gap, and the seconds that it should take (None: nothing measured yet)."""

    first: date
    last: date
    days: int
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """A backfill before it is launched."""

    days: tuple[DayState, ...]
    assets: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    problems: tuple[Problem, ...]
    measured_runs: int

    @property
    def seconds(self) -> float | None:
        """All runs, one after the other; None when nothing was measured."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return sum(known) if len(known) == len(self.runs) and known else None

    @property
    def launchable(self) -> bool:
        return bool(self.runs) and not any(problem.serious for problem in self.problems)

    def lines(self) -> list[str]:
        """The plan in words."""
        text_lines = [f"{len(self.days)} days, {len(self.assets)} assets, {len(self.runs)} runs"]
        counts = Counter(state.stage for state in self.days)
        text_lines += [f"  {count:>5} days {stage.value}: {WORK[stage]}" for stage, count in sorted(counts.items())]
        for run in self.runs:
            took = duration(run.seconds) if run.seconds is not None else "not measured yet"
            text_lines.append(f"  run {run.first} to {run.last}: {run.days} days, {took}")
        text_lines.append(f"  estimate: {self._estimate()}")
        text_lines += [f"{'WRONG' if problem.serious else 'NOTE '} {problem.text}" for problem in self.problems]
        return text_lines

    def _estimate(self) -> str:
        if self.seconds is None:
            return "none, as no run of these steps has been measured on this installation"
        return f"{duration(self.seconds)}, from {self.measured_runs} measured runs"


@dataclass(frozen=True)
class Busy:
    """Days that something unfinished is working on."""

    first: date
    last: date
    what: str


def make_plan(
    states: Sequence[DayState],
    assets: Sequence[str],
    rates: Mapping[str, Rate],
    busy: Sequence[Busy],
    bounds: tuple[date, date],
    days_per_run: int,
) -> Plan:
    """The plan for days in these states. `bounds` are the first and the last partition."""
    inside = [state for state in states if bounds[0] <= state.day <= bounds[1]]
    ranges = ranges_of((state.day for state in inside), days_per_run)
    runs = tuple(
        PlannedRun(chunk.first, chunk.last, len(chunk.days), _seconds(rates, len(chunk.days))) for chunk in ranges
    )
    problems = tuple(_problems(states, ranges, busy, bounds))
    return Plan(tuple(states), tuple(assets), runs, problems, max((rate.runs for rate in rates.values()), default=0))


def _seconds(rates: Mapping[str, Rate], days: int) -> float | None:
    return sum(rate.seconds(days) for rate in rates.values()) if rates else None


def _problems(
    states: Sequence[DayState], ranges: Sequence[DayRange], busy: Sequence[Busy], bounds: tuple[date, date]
) -> list[Problem]:
    problems = []
    outside = [state.day for state in states if not bounds[0] <= state.day <= bounds[1]]
    if outside:
        problems.append(Problem(True, f"{named(outside)}: no partition; partitions are {bounds[0]} to {bounds[1]}"))
    for item in busy:
        if any(days.first <= item.last and item.first <= days.last for days in ranges):
            problems.append(
                Problem(True, f"{item.first} to {item.last}: {item.what} is working on them; wait or cancel it")
            )
    for state in states:
        for table, reason in state.refused.items():
            problems.append(
                Problem(False, f"{state.day} {table} is refused and will be again, unless corrected: {reason}")
            )
        for table, events in state.absent.items():
            if table not in state.refused:
                problems.append(
                    Problem(
                        False,
                        f"{state.day} {table}: its files are gone, and {events} events of it are published: a run refuses the "
                        "day, until the files are back or the events are withdrawn",
                    )
                )
        missing_tables = [table for table in state.missing_tables if table not in state.absent]
        if missing_tables:
            missing = ", ".join(missing_tables)
            problems.append(Problem(False, f"{state.day}: no files of {missing}, which count as no changes of theirs"))
    empty = [state.day for state in states if state.stage is Stage.EMPTY]
    if empty:
        problems.append(Problem(False, f"{named(empty)}: no files at all; a run closes them as empty days"))
    return problems


def named(days: Sequence[date]) -> str:
    """Days in words, a long list as its ends."""
    if len(days) <= 3:
        return ", ".join(map(str, days))
    return f"{min(days)} to {max(days)} ({len(days)} days)"


def duration(seconds: float) -> str:
    """Seconds in words that fit their size."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
