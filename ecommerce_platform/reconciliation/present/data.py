"""What a report shows, read from RECONCILIATION.* alone, so that a page can be written at any time for any date.

What belongs here: gathering. What does not: words (wording.py) and markup (render.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ecommerce_platform.daily_metrics import in_report_order
from ecommerce_platform.reconciliation.model import (
    ALL_TIERS,
    Discrepancy,
    MetricVerdict,
    Reason,
    State,
    Status,
)
from ecommerce_platform.reconciliation.record import tables
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.verdicts.converge import DayCourse, DayResult, courses
from ecommerce_platform.warehouse.sql.conditions import date_condition
from ecommerce_platform.warehouse.sql.connection import fetch_all

_ORDER = {State.CONFIRMED: 0, State.SUSPECTED: 1, State.HEALED: 2}


@dataclass(frozen=True)
class DayReport:
    """One business date: how it stands, and how it came to that."""

    date: date
    cut_off: datetime | None
    results: tuple[DayResult, ...]
    course: DayCourse | None
    verdicts: tuple[MetricVerdict, ...]
    discrepancies: tuple[Discrepancy, ...]

    @property
    def latest(self) -> DayResult | None:
        return self.results[-1] if self.results else None

    @property
    def off(self) -> tuple[MetricVerdict, ...]:
        """Metrics over all customers that are out of tolerance."""
        return tuple(v for v in self.verdicts if v.user_tier == ALL_TIERS and v.status is not Status.OK)

    def count(self, state: State) -> int:
        return sum(item.state is state for item in self.discrepancies)


@dataclass(frozen=True)
class DateState:
    """One line of the overview."""

    date: date
    course: DayCourse
    latest: DayResult
    worst: Status
    reasons: Mapping[Reason, int]


@dataclass(frozen=True)
class Overview:
    """All business dates that were ever reconciled."""

    verified_through: date | None
    cut_off: datetime | None
    reconciled_at: datetime | None
    dates: tuple[DateState, ...]
    results: tuple[DayResult, ...]

    @property
    def open_dates(self) -> tuple[DateState, ...]:
        return tuple(state for state in self.dates if not state.course.converged)


def day_reports(store: Store, dates: Sequence[date]) -> tuple[DayReport, ...]:
    """The reports of `dates`, each with all reconciliations of its date. A date never reconciled has an empty report."""
    if not dates:
        return ()
    results = _by_date(store.day_results(dates=dates))
    course_of = courses(result for results_of_day in results.values() for result in results_of_day)
    verdicts = latest_verdicts(store, dates)
    discrepancies: dict[date, list[Discrepancy]] = {}
    for item in store.discrepancies(dates):
        discrepancies.setdefault(item.finding.date, []).append(item)
    cut_offs = _cut_offs(store, {results_of_day[-1].run_id for results_of_day in results.values()})
    return tuple(
        DayReport(
            day,
            cut_offs.get(results[day][-1].run_id) if day in results else None,
            tuple(results.get(day, ())),
            course_of.get(day),
            tuple(verdict for verdict in verdicts if verdict.date == day),
            tuple(sorted(discrepancies.get(day, ()), key=lambda item: (_ORDER[item.state], item.finding.order_id))),
        )
        for day in sorted(set(dates))
    )


def overview(store: Store) -> Overview:
    """All dates, in order."""
    results = _by_date(store.day_results())
    course_of = courses(result for results_of_day in results.values() for result in results_of_day)
    worst = _worst(store)
    reasons: dict[date, Counter[Reason]] = {}
    for item in store.open_discrepancies():
        reasons.setdefault(item.finding.date, Counter())[item.finding.reason] += 1
    last = max((results_of_day[-1] for results_of_day in results.values()), key=lambda result: result.at, default=None)
    return Overview(
        store.verified_through(),
        _cut_offs(store, {last.run_id}).get(last.run_id) if last else None,
        last.at if last else None,
        tuple(
            DateState(day, course_of[day], results[day][-1], worst.get(day, Status.OK), reasons.get(day, {}))
            for day in sorted(results)
        ),
        tuple(
            sorted(
                (result for results_of_day in results.values() for result in results_of_day),
                key=lambda item: (item.at, item.date),
            )
        ),
    )


def latest_verdicts(store: Store, dates: Sequence[date]) -> list[MetricVerdict]:
    """The figures of the last reconciliation of each of `dates`, metric by metric, all customers first."""
    rows = fetch_all(
        store.connection,
        f"""
        select date, metric, user_tier, speed_value, batch_value, difference, percentage_difference, tolerance, failure, status
        from {tables.LATEST_METRICS}
        where {date_condition("date", dates)}
        """,
    )
    verdicts = [MetricVerdict(*(*values, Status(status))) for *values, status in rows]
    # A day that was reconciled before a metric was declared has no row of it, and may have rows of one that is declared no more.
    place = {name: number for number, name in enumerate(in_report_order(v.metric for v in verdicts))}
    return sorted(verdicts, key=lambda v: (v.date, place[v.metric], v.user_tier != ALL_TIERS, v.user_tier))


def _worst(store: Store) -> dict[date, Status]:
    """The worst verdict of a metric over all customers, by date."""
    rank = {Status.OK: 0, Status.WARN: 1, Status.ERROR: 2}
    worst: dict[date, Status] = {}
    sql = f"select date, status from {tables.LATEST_METRICS} where user_tier = %s"
    for day, text in fetch_all(store.connection, sql, (ALL_TIERS,)):
        status = Status(text)
        if rank[status] >= rank[worst.get(day, Status.OK)]:
            worst[day] = status
    return worst


def _by_date(results: Sequence[DayResult]) -> dict[date, list[DayResult]]:
    by_date: dict[date, list[DayResult]] = {}
    for result in sorted(results, key=lambda item: item.at):
        by_date.setdefault(result.date, []).append(result)
    return by_date


def _cut_offs(store: Store, run_ids: set[str]) -> dict[str, datetime | None]:
    if not run_ids:
        return {}
    marks = ", ".join(["%s"] * len(run_ids))
    rows = fetch_all(
        store.connection, f"select run_id, cut_off from {tables.RUNS} where run_id in ({marks})", sorted(run_ids)
    )
    return {run_id: at.replace(tzinfo=UTC) if at else None for run_id, at in rows}
