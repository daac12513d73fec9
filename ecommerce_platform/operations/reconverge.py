"""Reconciles the days that have not converged again, until they do: the job, and the sensor that launches it.

What belongs here: one tick, its cursor, and the run that it requests. What does not: when a day is due
(reconciliation/verdicts/recheck.py), and what a reconciliation covers (always all open days, whichever partition launches it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from ecommerce_platform.execution.partitions import daily_partitions, last_partition
from ecommerce_platform.execution.resuming import resuming_executor
from ecommerce_platform.execution.unfinished_runs import unfinished_runs
from ecommerce_platform.landing.sensor import sensor_status
from ecommerce_platform.reconciliation.assets import CONVERGENCE_KEY
from ecommerce_platform.reconciliation.resource import ReconciliationResource
from ecommerce_platform.reconciliation.verdicts.converge import courses
from ecommerce_platform.reconciliation.verdicts.recheck import Agenda, Gaps, Slot, agenda
from ecommerce_platform.settings import Settings

JOB_NAME = "reconcile_again"
SENSOR_NAME = "days_not_converged"
#: The agenda is read from Snowflake when it can have changed; a reconciliation by hand is noticed after this time.
LONGEST_UNREAD = timedelta(hours=1)


@dataclass(frozen=True)
class Cursor:
    """What the last tick that read the agenda knew: when that was, the next slot, and Dagster's last record of a reconciliation.

    It saves queries, no more: a lost cursor costs one, and run keys make sure that no run is doubled.
    """

    read_at: datetime | None = None
    next_at: datetime | None = None
    record: int | None = None

    @classmethod
    def from_text(cls, text: str | None) -> Cursor:
        if not text:
            return cls()
        content = json.loads(text)
        read_at, next_at = (
            datetime.fromisoformat(content[name]) if content[name] else None for name in ("read_at", "next_at")
        )
        return cls(read_at, next_at, content["record"])

    def to_text(self) -> str:
        times = {"read_at": self.read_at, "next_at": self.next_at}
        return json.dumps(
            {name: at.isoformat() if at else None for name, at in times.items()} | {"record": self.record}
        )

    def still_holds(self, now: datetime, record: int | None) -> bool:
        """Whether nothing can be due that was not due when the agenda was read."""
        if self.read_at is None or record != self.record or now - self.read_at >= LONGEST_UNREAD:
            return False
        return self.next_at is None or now < self.next_at


def recheck_job(first: date) -> dg.UnresolvedAssetJobDefinition:
    """The reconciliation alone, with its checks: it reads what is applied, and loads nothing. Its partitions begin at `first`."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.groups("reconciliation"),
        partitions_def=daily_partitions(first),
        description="Reconciles the days that have not converged again; the partition is the latest of them.",
        executor_def=resuming_executor,
    )


def build_sensor(
    settings: Settings,
    job: dg.UnresolvedAssetJobDefinition,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """The sensor that launches `job` for days that have not converged. On one machine it is off until it is switched on."""

    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=60,
        default_status=sensor_status(settings.profile),
        description="Launches a reconciliation of the days that have not converged, with growing gaps, one at a time, until they "
        "converge or their time limit is over.",
    )
    def days_not_converged(
        context: dg.SensorEvaluationContext, reconciliation: ReconciliationResource
    ) -> dg.SensorResult | dg.SkipReason:
        now = clock()
        unfinished = unfinished_runs(context.instance, now)
        unfinished.warn(context.log)
        if running := next((run.run_id for run in unfinished.on_their_way if may_reconcile(run)), None):
            # Two reconciliations at once would each take the other's open discrepancies for the last word.
            return dg.SkipReason(f"a run that reconciles is not finished yet: {running}")
        record, cursor = last_record(context.instance), Cursor.from_text(context.cursor)
        if cursor.still_holds(now, record):
            return dg.SkipReason(f"nothing is due before {cursor.next_at or 'the next reconciliation'}")
        with reconciliation.store("days_not_converged") as store:
            due = agenda(courses(store.open_day_results()).values(), now, Gaps.of(settings.reconciliation))
        # Should the run fail before it has written anything, the days' next slot asks for another.
        following = Cursor(now, due.next_at, record).to_text()
        if due.due:
            request = run_request(due.due, settings.start_date, last_partition(settings.start_date))
            return dg.SensorResult(run_requests=[request], cursor=following)
        return dg.SensorResult(skip_reason=dg.SkipReason(describe(due)), cursor=following)

    return days_not_converged


def may_reconcile(run: dg.DagsterRun) -> bool:
    """Whether a run may be reconciling, or is about to: of any job, as most of them end with the reconciliation."""
    if run.asset_selection is not None:
        return any(key.path[0] == CONVERGENCE_KEY.path[0] for key in run.asset_selection)
    return True


def last_record(instance: dg.DagsterInstance) -> int | None:
    """Dagster's number for the last reconciliation that it ran; None when it ran none."""
    record = instance.get_latest_materialization_event(CONVERGENCE_KEY)
    return None if record is None else round(record.timestamp * 1_000_000)


def run_request(due: tuple[Slot, ...], first: date, last: date) -> dg.RunRequest:
    """One run for all days that are due. The same slots ask for the same run, however often they are seen; a run for other slots
    has another key, even when the latest of them is the same. Partitions are the days from `first` to `last`.
    """
    latest = due[-1]
    day = max(latest.date, first)
    if last >= first:
        day = min(day, last)
    return dg.RunRequest(
        run_key=f"{latest.date}@{latest.at.isoformat()}:{_digest(due)}",
        partition_key=day.isoformat(),
        tags={"ecommerce/days_not_converged": str(len(due))},
    )


def _digest(due: tuple[Slot, ...]) -> str:
    slots = "\n".join(f"{slot.date} {slot.at.isoformat()}" for slot in due)
    return hashlib.sha256(slots.encode()).hexdigest()[:12]


def describe(agenda_now: Agenda) -> str:
    """Why nothing is launched."""
    over = f"; past their time limit: {', '.join(map(str, agenda_now.given_up[:10]))}" if agenda_now.given_up else ""
    if agenda_now.next_at is None:
        return f"no day is to be reconciled again{over}"
    return f"the next day is due at {agenda_now.next_at.isoformat(timespec='seconds')}{over}"
