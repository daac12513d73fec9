"""How long steps take, by what they took: a fixed part and a part a day for each step, from Dagster's event log.

What belongs here: reading durations, the fit (pure). What does not: what is to be run (plan.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterEventType

from ecommerce_platform.execution.unfinished_runs import days_of_run

#: Newer runs say more about the machine and the data of today.
MOST_RUNS = 30


@dataclass(frozen=True)
class Rate:
    """Seconds of a step as `fixed + a_day * days`, from so many runs."""

    fixed: float
    a_day: float
    runs: int

    def seconds(self, days: int) -> float:
        return self.fixed + self.a_day * days


def fit(points: Sequence[tuple[int, float]]) -> Rate:
    """Least squares over (days, seconds), neither part below zero.

    With one number of days only, nothing separates the two parts: the whole mean counts as fixed up to that many days, and as
    proportional beyond, which is the more careful guess; the rate then has no fixed part and the mean's share a day.
    """
    runs = len(points)
    if not runs:
        return Rate(0.0, 0.0, 0)
    mean_days = sum(days for days, _ in points) / runs
    mean_seconds = sum(seconds for _, seconds in points) / runs
    spread = sum((days - mean_days) ** 2 for days, _ in points)
    if not spread:
        return Rate(0.0, mean_seconds / mean_days, runs)
    slope = sum((days - mean_days) * (seconds - mean_seconds) for days, seconds in points) / spread
    slope = max(slope, 0.0)
    fixed = mean_seconds - slope * mean_days
    return Rate(fixed, slope, runs) if fixed >= 0 else Rate(0.0, mean_seconds / mean_days, runs)


def measured(instance: dg.DagsterInstance, steps: Iterable[str]) -> Mapping[str, Rate]:
    """The rate of each of the steps that the last runs executed with success."""
    steps_asked = set(steps)
    points: dict[str, list[tuple[int, float]]] = {}
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for run in instance.get_runs(dg.RunsFilter(statuses=ended), limit=MOST_RUNS):
        days = number_of_days(run)
        if not days:
            continue
        page = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_SUCCESS, limit=1000)
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.step_key in steps_asked:
                points.setdefault(event.step_key, []).append((days, event.step_success_data.duration_ms / 1000))
    return {step: fit(measurements) for step, measurements in points.items()}


def number_of_days(run: dg.DagsterRun) -> int:
    """How many days the run covered; 0 for one without a partition."""
    days = days_of_run(run)
    return (days[1] - days[0]).days + 1 if days else 0
