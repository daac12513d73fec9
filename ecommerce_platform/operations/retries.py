"""Failed runs that started by themselves are tried again: a few times, with growing pauses, one at a time.

What belongs here: which failed run is worth another try, and when. What does not: retries within a step (the rooms know which
errors of their systems are transient).

Not Dagster's own run retries: those start at once, and a source that is away for minutes would use them all up. A run that failed
by a check alone is left: the same data give the same verdict. Runs that a person launched are left to that person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType

from ecommerce_platform.landing.sensor import UNFINISHED, sensor_status
from ecommerce_platform.settings import Settings

SENSOR_NAME = "retry_failed_runs"
PAUSES = (timedelta(minutes=5), timedelta(minutes=20), timedelta(minutes=60))
#: Older failures are for people: BatchJobFailure has told them.
WINDOW = timedelta(hours=24)
MOST_RUNS = 200

ROOT_TAG, ATTEMPT_TAG = "ecommerce/retry_of", "ecommerce/retry_attempt"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
AUTOMATIC_TAGS = ("dagster/schedule_name", "dagster/sensor_name")
#: The verdict of a check on the data: running again does not change it.
_VERDICTS = frozenset({"DagsterAssetCheckFailedError"})


@dataclass(frozen=True)
class Attempt:
    """A run of the job that has ended: its days, whether it succeeded, and which attempt of which first run it was."""

    run_id: str
    root: str
    number: int
    first: date
    last: date
    ended: datetime
    success: bool
    automatic: bool


@dataclass(frozen=True)
class Retry:
    """The next attempt of a run, due now."""

    root: str
    number: int
    first: date
    last: date

    @property
    def run_key(self) -> str:
        """The same attempt asks for the same run, however often it is seen."""
        return f"retry-{self.root}-{self.number}"


def due(attempts: Sequence[Attempt], now: datetime) -> tuple[Retry, ...]:
    """The retries that are due, oldest failure first. `attempts` are in any order.

    None for days that a later run has covered with success or has failed on (its own attempts count), nor for the last attempt.
    """
    found = []
    for attempt in sorted(attempts, key=lambda item: item.ended):
        if attempt.success or not attempt.automatic or attempt.number >= len(PAUSES):
            continue
        if not now - WINDOW <= attempt.ended <= now - PAUSES[attempt.number]:
            continue
        later = (other for other in attempts if other.ended > attempt.ended)
        if any(other.first <= attempt.first and attempt.last <= other.last for other in later):
            continue
        found.append(Retry(attempt.root, attempt.number + 1, attempt.first, attempt.last))
    return tuple(found)


def build_sensor(
    settings: Settings,
    job: dg.UnresolvedAssetJobDefinition,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """The sensor that tries failed runs of `job` again. On one machine it is off until it is switched on."""
    pauses = ", ".join(f"{pause.total_seconds() / 60:g}" for pause in PAUSES)

    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=60,
        default_status=sensor_status(settings),
        description=f"Tries a failed run of the schedule or a sensor again after {pauses} minutes, unless a check failed it.",
    )
    def retry_failed_runs(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        instance = context.instance
        if instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=list(UNFINISHED))):
            return dg.SkipReason(f"a run of {job.name} is not finished yet")
        now = clock()
        for retry in due(attempts_of(instance, job.name, now), now):
            if worth_another_try(instance, retry):
                return run_request(retry)
        return dg.SkipReason("no failed run is due for another try")

    return retry_failed_runs


def run_request(retry: Retry) -> dg.RunRequest:
    """The same days again, as one run."""
    tags = {
        RANGE_START: retry.first.isoformat(),
        RANGE_END: retry.last.isoformat(),
        ROOT_TAG: retry.root,
        ATTEMPT_TAG: str(retry.number),
    }
    return dg.RunRequest(run_key=retry.run_key, tags=tags)


def attempts_of(instance: dg.DagsterInstance, job_name: str, now: datetime) -> list[Attempt]:
    """The runs of the job that ended within the window."""
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=job_name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            updated_after=now - WINDOW,
        ),
        limit=MOST_RUNS,
    )
    return [attempt for record in records if (attempt := _attempt(record)) is not None]


def _attempt(record: dg.RunRecord) -> Attempt | None:
    run = record.dagster_run
    first = run.tags.get(RANGE_START) or run.tags.get("dagster/partition")
    last = run.tags.get(RANGE_END) or run.tags.get("dagster/partition")
    if not first or not last or record.end_time is None:
        return None
    return Attempt(
        run.run_id,
        run.tags.get(ROOT_TAG, run.run_id),
        int(run.tags.get(ATTEMPT_TAG, 0)),
        date.fromisoformat(first),
        date.fromisoformat(last),
        datetime.fromtimestamp(record.end_time, UTC),
        run.status is dg.DagsterRunStatus.SUCCESS,
        any(tag in run.tags for tag in AUTOMATIC_TAGS),
    )


def worth_another_try(instance: dg.DagsterInstance, retry: Retry) -> bool:
    """Whether something other than a check failed the last attempt; a run whose process died has no failed step at all."""
    run_id = _last_run(instance, retry)
    page = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE, limit=100)
    events = [record.event_log_entry.dagster_event for record in page.records]
    classes = [_error_class(event) for event in events if event is not None]
    return not classes or any(name not in _VERDICTS for name in classes)


def _last_run(instance: dg.DagsterInstance, retry: Retry) -> str:
    if retry.number == 1:
        return retry.root
    tags = {ROOT_TAG: retry.root, ATTEMPT_TAG: str(retry.number - 1)}
    return instance.get_runs(dg.RunsFilter(tags=tags), limit=1)[0].run_id


def _error_class(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name or "") if error is not None else ""
