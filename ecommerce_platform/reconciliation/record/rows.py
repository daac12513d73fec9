"""The room's results as rows of RECONCILIATION.*, by column name, and stored discrepancies as they were.

What belongs here: what is in which column. What does not: names and types of columns (tables.py), reading and writing
(storage.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ecommerce_platform.reconciliation.model import BatchEvent, Discrepancy, Finding, MetricVerdict, Reason, State
from ecommerce_platform.reconciliation.verdicts.converge import DayCourse, DayResult


@dataclass(frozen=True)
class RunRecord:
    """What is written of a reconciliation as a whole."""

    run_id: str
    start_time: datetime
    end_time: datetime
    cut_off: datetime | None
    days: tuple[date, ...]
    dates: tuple[date, ...]
    orders_differing: int
    orders_lagging: int
    complete: bool
    verdict: str
    verified_through: date | None


def run_row(run: RunRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "start_time": plain_time(run.start_time),
        "end_time": plain_time(run.end_time),
        "cut_off": plain_time(run.cut_off),
        "first_day": min(run.days, default=None),
        "last_day": max(run.days, default=None),
        "dates": len(run.dates),
        "orders_differing": run.orders_differing,
        "orders_lagging": run.orders_lagging,
        "complete": run.complete,
        "verdict": run.verdict,
        "verified_through": run.verified_through,
    }


def metric_row(run: RunRecord, verdict: MetricVerdict, lagging: Mapping[date, int]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "start_time": plain_time(run.start_time),
        "end_time": plain_time(run.end_time),
        "date": verdict.date,
        "metric": verdict.metric,
        "user_tier": verdict.user_tier,
        "speed_value": verdict.speed_value,
        "batch_value": verdict.batch_value,
        "difference": verdict.difference,
        "percentage_difference": verdict.percentage_difference,
        "tolerance": verdict.tolerance,
        "failure": verdict.failure,
        "within_tolerance": verdict.within_tolerance,
        "status": verdict.status.value,
        "cut_off": plain_time(run.cut_off),
        "lagging_orders": lagging.get(verdict.date, 0),
        "labels": f"metric={verdict.metric},user_tier={verdict.user_tier}",
    }


def convergence_row(run: RunRecord, result: DayResult, course: DayCourse) -> dict[str, Any]:
    taken = course.time_to_convergence
    return {
        "run_id": result.run_id,
        "date": result.date,
        "reconciled_at": plain_time(result.at),
        "cut_off": plain_time(run.cut_off),
        "suspected": result.suspected,
        "confirmed": result.confirmed,
        "healed": result.healed,
        "lagging": result.lagging,
        "complete": result.complete,
        "converged": result.converged,
        "diverged_at": plain_time(course.diverged_at),
        "converged_at": plain_time(course.converged_at) if course.converged else None,
        "seconds_to_convergence": None if taken is None else round(taken.total_seconds()),
        "half_life_seconds": None if course.half_life is None else round(course.half_life.total_seconds()),
    }


def discrepancy_row(item: Discrepancy) -> dict[str, Any]:
    finding, origin = item.finding, item.finding.lineage
    return {
        "date": finding.date,
        "order_id": finding.order_id,
        "reason": finding.reason.value,
        "state": item.state.value,
        "speed_value": finding.speed_value,
        "batch_value": finding.batch_value,
        "differing_columns": ",".join(finding.columns),
        "detail": finding.detail,
        "first_seen": plain_time(item.first_seen),
        "last_seen": plain_time(item.last_seen),
        "healed_at": plain_time(item.healed_at),
        "first_run_id": item.first_run_id,
        "run_id": item.run_id,
        "speed_lsn": finding.speed_lsn,
        "batch_lsn": finding.batch_lsn,
        "speed_event_time": plain_time(finding.speed_event_time),
        "batch_event_time": plain_time(finding.batch_event_time),
        "landing_date": origin.landing_date if origin else None,
        "landing_file": origin.source_file if origin else None,
        "landing_row": origin.source_row if origin else None,
        "iceberg_snapshot_id": origin.snapshot_id if origin else None,
        "batch_id": origin.batch_id if origin else None,
    }


def discrepancy_of(row: Mapping[str, Any]) -> Discrepancy:
    origin = None
    if row["landing_file"] is not None:
        origin = BatchEvent(
            order_id=int(row["order_id"]),
            op="",
            lsn=_integer(row["batch_lsn"]),
            event_time=aware_time(row["batch_event_time"]),
            values={},
            landing_date=row["landing_date"],
            source_file=row["landing_file"],
            source_row=int(row["landing_row"]),
            batch_id=row["batch_id"],
            snapshot_id=_integer(row["iceberg_snapshot_id"]),
        )
    finding = Finding(
        order_id=int(row["order_id"]),
        date=row["date"],
        reason=Reason(row["reason"]),
        columns=tuple(filter(None, (row["differing_columns"] or "").split(","))),
        speed_value=row["speed_value"],
        batch_value=row["batch_value"],
        detail=row["detail"] or "",
        speed_lsn=_integer(row["speed_lsn"]),
        batch_lsn=_integer(row["batch_lsn"]),
        speed_event_time=aware_time(row["speed_event_time"]),
        batch_event_time=aware_time(row["batch_event_time"]),
        lineage=origin,
    )
    return Discrepancy(
        finding,
        State(row["state"]),
        aware_time(row["first_seen"]),
        aware_time(row["last_seen"]),
        row["first_run_id"],
        row["run_id"],
        aware_time(row["healed_at"]) if row["healed_at"] else None,
    )


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def plain_time(value: datetime | None) -> datetime | None:
    """For TIMESTAMP_NTZ: UTC without a zone."""
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def aware_time(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)
