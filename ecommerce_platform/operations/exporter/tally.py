"""Adds facts up into what the metrics show. Pure: the same facts in the same order give the same tally, so a restart that reads
the log again neither loses nor doubles anything.

What does not belong here: reading (events.py) and Prometheus (exposition.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ecommerce_platform.operations.exporter.facts import (
    CheckEvaluated,
    Fact,
    Materialized,
    RunEnded,
    StepEnded,
    StepPlanned,
)

#: Upper bounds of the duration buckets, in seconds: a small day is seconds, a backfill hours.
DURATION_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800, float("inf"))

#: Dates that keep a label of their own; older ones leave, so that the label set stays bounded.
KEPT_DATES = 30

#: Attempts over which a load's success rate is taken.
RATE_WINDOW = 20

SPARK_ASSETS = "iceberg/"
RAW_ASSETS = "snowflake/raw/"
DBT_STAGES = ("staging", "intermediate", "marts")


@dataclass
class Histogram:
    """Counts by bucket (not cumulative), and the sum, of durations in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * len(DURATION_BUCKETS))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """`(upper bound, observations at or below it)`, as Prometheus wants them."""
        reached, result = 0, []
        for bound, count in zip(DURATION_BUCKETS, self.counts, strict=True):
            reached += count
            result.append(("+Inf" if bound == float("inf") else str(bound), float(reached)))
        return result


class Tally:
    """Everything that the exporter knows from the event log."""

    def __init__(self) -> None:
        self.spark_durations: dict[tuple[str, str], Histogram] = {}
        self.dbt_durations: dict[tuple[str, str], Histogram] = {}
        self.load_attempts: dict[str, deque[bool]] = {}
        self.model_failures: Counter[str] = Counter()
        self.runs: Counter[tuple[str, str]] = Counter()
        #: By asset, check and severity; a check that was evaluated and never failed is there with 0.
        self.failed_checks: Counter[tuple[str, str, str]] = Counter()
        self.last_success: dict[str, float] = {}
        self.last_run_end: dict[tuple[str, str], float] = {}
        self.rows: dict[str, int] = {}
        self._last_run: dict[str, str] = {}

    def apply(self, facts: Iterable[Fact]) -> None:
        """Adds `facts`, each of which must be given once."""
        for fact in facts:
            match fact:
                case Materialized():
                    self._materialized(fact)
                case StepPlanned():
                    self._step_planned(fact)
                case StepEnded():
                    self._step_ended(fact)
                case CheckEvaluated():
                    self.failed_checks[fact.asset, fact.check, fact.severity] += not fact.passed
                case RunEnded():
                    self.runs[fact.job, fact.outcome] += 1
                    self.last_run_end[fact.job, fact.outcome] = fact.at

    def to_record(self) -> dict[str, Any]:
        """Everything as plain values, for storage; `from_record` reads it."""
        return {
            "spark_durations": [[*key, vars(value)] for key, value in self.spark_durations.items()],
            "dbt_durations": [[*key, vars(value)] for key, value in self.dbt_durations.items()],
            "load_attempts": {table: list(attempts) for table, attempts in self.load_attempts.items()},
            "model_failures": self.model_failures,
            "runs": [[*key, count] for key, count in self.runs.items()],
            "failed_checks": [[*key, count] for key, count in self.failed_checks.items()],
            "last_success": self.last_success,
            "last_run_end": [[*key, at] for key, at in self.last_run_end.items()],
            "rows": self.rows,
            "last_run": self._last_run,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Tally:
        """The tally of `to_record`."""
        tally = cls()
        tally.spark_durations = {(step, day): Histogram(**value) for step, day, value in record["spark_durations"]}
        tally.dbt_durations = {(asset, kind): Histogram(**value) for asset, kind, value in record["dbt_durations"]}
        tally.load_attempts = {
            table: deque(attempts, maxlen=RATE_WINDOW) for table, attempts in record["load_attempts"].items()
        }
        tally.model_failures = Counter(record["model_failures"])
        tally.runs = Counter({(job, outcome): count for job, outcome, count in record["runs"]})
        tally.failed_checks = Counter(
            {(asset, check, severity): count for asset, check, severity, count in record["failed_checks"]}
        )
        tally.last_success = dict(record["last_success"])
        tally.last_run_end = {(job, outcome): at for job, outcome, at in record["last_run_end"]}
        tally.rows = dict(record["rows"])
        tally._last_run = dict(record["last_run"])
        return tally

    def _materialized(self, fact: Materialized) -> None:
        stage = fact.asset.split("/")[0]
        self.last_success[stage] = max(fact.at, self.last_success.get(stage, 0.0))
        if fact.rows is not None:
            self.rows[fact.asset] = fact.rows
        # A range of days has an event a day for each asset, all with the seconds of the one execution.
        first_of_run = self._last_run.get(fact.asset) != fact.run_id
        self._last_run[fact.asset] = fact.run_id
        if stage in DBT_STAGES and fact.seconds is not None and first_of_run:
            key = (fact.asset, fact.materialization or "unknown")
            self.dbt_durations.setdefault(key, Histogram()).observe(fact.seconds)

    def _step_planned(self, fact: StepPlanned) -> None:
        if fact.day and fact.asset.startswith(SPARK_ASSETS):
            self.spark_durations.setdefault((fact.step, fact.day), Histogram())
            self._forget_old_dates()

    def _step_ended(self, fact: StepEnded) -> None:
        if fact.day and any(asset.startswith(SPARK_ASSETS) for asset in fact.assets):
            self.spark_durations.setdefault((fact.step, fact.day), Histogram()).observe(fact.seconds)
            self._forget_old_dates()
        for asset in fact.assets:
            if asset.startswith(RAW_ASSETS):
                table = asset.removeprefix(RAW_ASSETS)
                self.load_attempts.setdefault(table, deque(maxlen=RATE_WINDOW)).append(fact.succeeded)
        self.model_failures.update(fact.failed_models)

    def _forget_old_dates(self) -> None:
        dates = sorted({day for _, day in self.spark_durations})
        for old in dates[:-KEPT_DATES]:
            for key in [key for key in self.spark_durations if key[1] == old]:
                del self.spark_durations[key]
