"""What the checks say of stored reconciliations: pure functions of the rows, and the reading of them.

What belongs here: which rows a check is about, and its verdict. What does not: Dagster (checks.py).

A check judges the reconciliation of its own run; launched alone, the latest one of each business date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ecommerce_platform.reconciliation.model import ALL_TIERS, Discrepancy, Reason, State, Status
from ecommerce_platform.reconciliation.record import tables
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.verdicts.converge import courses
from ecommerce_platform.warehouse.sql.connection import fetch_all

#: A count of keys that cannot be explained by values: one side lacks the key, or has it more than once.
ID_REASONS = (
    Reason.MISSING_IN_SPEED,
    Reason.MISSING_IN_BATCH,
    Reason.DELETED_IN_SPEED,
    Reason.DELETED_IN_BATCH,
    Reason.DUPLICATE,
)


@dataclass(frozen=True)
class MetricRow:
    """A stored figure of one metric, date and tier."""

    date: date
    user_tier: str
    speed_value: Decimal
    batch_value: Decimal
    percentage_difference: Decimal
    status: Status


@dataclass(frozen=True)
class Outcome:
    """A check's verdict: `status` WARN and ERROR do not pass."""

    status: Status
    text: str
    details: dict[str, Any]


def metric_rows(store: Store, metric: str, run_id: str) -> list[MetricRow]:
    """The metric's rows of this run's reconciliation, or of the latest one of each date when the run has none."""
    own = bool(fetch_all(store.connection, f"select 1 from {tables.RUNS} where run_id = %s", (run_id,)))
    source = (
        f"{tables.METRICS} where run_id = %s and metric = %s" if own else f"{tables.LATEST_METRICS} where metric = %s"
    )
    rows = fetch_all(
        store.connection,
        f"select date, user_tier, speed_value, batch_value, percentage_difference, status from {source} order by date",
        (run_id, metric) if own else (metric,),
    )
    return [
        MetricRow(day, tier, speed, batch, share, Status(status)) for day, tier, speed, batch, share, status in rows
    ]


def metric_outcome(metric: str, rows: Sequence[MetricRow]) -> Outcome:
    """The metric over all customers, judged by its worst date. Tiers are reported, but decide nothing: on a quiet day one order
    is more than a tenth of a tier."""
    over_all = [row for row in rows if row.user_tier == ALL_TIERS]
    if not over_all:
        return Outcome(Status.OK, f"{metric}: no business date to compare", {"dates": 0})
    rank = {Status.OK: 0, Status.WARN: 1, Status.ERROR: 2}
    worst = max(over_all, key=lambda row: (rank[row.status], row.percentage_difference, row.date))
    off = [row for row in over_all if row.status is not Status.OK]
    details: dict[str, Any] = {
        "dates": len(over_all),
        "dates out of tolerance": [str(row.date) for row in off],
        "worst date": str(worst.date),
        "speed value": str(worst.speed_value),
        "batch value": str(worst.batch_value),
        "difference": f"{worst.percentage_difference * 100:.2f} %",
        "tiers out of tolerance": [
            f"{row.date} {row.user_tier}" for row in rows if row.user_tier != ALL_TIERS and row.status is not Status.OK
        ][:100],
    }
    if not off:
        return Outcome(Status.OK, f"{metric}: {len(over_all)} dates agree within tolerance", details)
    text = (
        f"{metric}: {len(off)} of {len(over_all)} dates out of tolerance; worst {worst.date}: speed {worst.speed_value}, "
        f"batch {worst.batch_value}, {worst.percentage_difference * 100:.2f} % apart"
    )
    return Outcome(worst.status, text, details)


def confirmed_outcome(open_now: Sequence[Discrepancy]) -> Outcome:
    """Confirmed discrepancies fail; suspected ones may still heal, and are only reported."""
    confirmed = [item for item in open_now if item.state is State.CONFIRMED]
    details: dict[str, Any] = {
        "confirmed": len(confirmed),
        "suspected": len(open_now) - len(confirmed),
        "orders": _orders(confirmed),
    }
    if confirmed:
        return Outcome(Status.ERROR, f"{len(confirmed)} orders differ beyond the lag window", details)
    return Outcome(Status.OK, f"no confirmed discrepancy; {len(open_now)} suspected", details)


def alignment_outcome(open_now: Sequence[Discrepancy]) -> Outcome:
    """Whether both layers have the same keys: suspected gaps warn, confirmed ones fail."""
    gaps = [item for item in open_now if item.finding.reason in ID_REASONS]
    confirmed = any(item.state is State.CONFIRMED for item in gaps)
    details: dict[str, Any] = {"orders": _orders(gaps), "count": len(gaps)}
    if not gaps:
        return Outcome(Status.OK, "both layers have the same orders", details)
    status = Status.ERROR if confirmed else Status.WARN
    return Outcome(status, f"{len(gaps)} orders are in one layer only, or more than once", details)


def convergence_outcome(store: Store, limit: timedelta) -> Outcome:
    """Days that have not converged warn; a day that had not within `limit` at its last reconciliation fails."""
    course_by_date = courses(store.day_results())
    open_days = sorted(day for day, course in course_by_date.items() if not course.converged)
    overdue = [day for day in open_days if course_by_date[day].overdue(limit)]
    verified = store.verified_through()
    details: dict[str, Any] = {
        "verified through": str(verified or "no date yet"),
        "dates not converged": [str(day) for day in open_days],
        "dates overdue": [str(day) for day in overdue],
    }
    if overdue:
        return Outcome(
            Status.ERROR, f"{len(overdue)} dates have not converged within {limit}; first {overdue[0]}", details
        )
    if open_days:
        return Outcome(Status.WARN, f"{len(open_days)} dates have not converged yet; first {open_days[0]}", details)
    return Outcome(Status.OK, f"all dates have converged; verified through {verified}", details)


def _orders(items: Sequence[Discrepancy], limit: int = 100) -> list[str]:
    return [f"{item.finding.date} {item.finding.order_id} {item.finding.reason.value}" for item in items[:limit]]
