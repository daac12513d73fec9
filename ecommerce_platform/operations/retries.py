"""Failed runs that started by themselves are tried again: a few times, with growing pauses, and no day waits for another.

What belongs here: which failed run is worth another try, and when. What does not: retries within a step (the rooms know which
errors of their systems are transient).

Not Dagster's own run retries: those start at once, and a source that is away for minutes would use them all up. A run that failed
by a check alone is left: the same data give the same verdict. Runs that a person launched, and days whose run a person cancelled,
are left to that person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import dagster as dg
from dagster import DagsterEventType

from ecommerce_platform.execution.unfinished_runs import RANGE_END_TAG, RANGE_START_TAG, days_of_run, unfinished_runs
from ecommerce_platform.landing.sensor import sensor_status
from ecommerce_platform.settings import Profile

SENSOR_NAME = "retry_failed_runs"
PAUSES = (timedelta(minutes=5), timedelta(minutes=20), timedelta(minutes=60))
#: Older failures are left to people: BatchJobFailure has notified them.
WINDOW = timedelta(hours=24)
#: What a tick asks for at most; they run one after another, as each uses the pools of the writers.
MOST_RUNS_A_TICK = 5

ROOT_TAG, ATTEMPT_TAG = "ecommerce/retry_of", "ecommerce/retry_attempt"
AUTOMATIC_TAGS = ("dagster/schedule_name", "dagster/sensor_name")
#: A run that a person executes again has the tags of the first, and this one.
REEXECUTED_TAG = "dagster/parent_run_id"
RUN_KEY_TAG = "dagster/run_key"
#: The verdict of a check on the data: running again does not change it.
_VERDICTS = frozenset({"DagsterAssetCheckFailedError"})


@dataclass(frozen=True)
class Attempt:
    """A run of the job that has ended: its days, how it ended, and which attempt of which first run it was."""

    run_id: str
    root: str
    number: int
    first: date
    last: date
    ended: datetime
    success: bool
    automatic: bool
    cancelled: bool = False

    @property
    def may_be_tried_again(self) -> bool:
        """Failed, and not in a person's hands. Only a person cancels a run: Dagster calls any other end a failure."""
        return self.automatic and not self.success and not self.cancelled and self.number < len(PAUSES)


@dataclass(frozen=True)
class Retry:
    """The next attempt after `failed_run_id`, due now."""

    failed_run_id: str
    root: str
    number: int
    first: date
    last: date

    @property
    def run_key(self) -> str:
        """One for each run that failed: seen twice, it asks for the same run; no other failure ever has its key."""
        return f"retry-of-{self.failed_run_id}"


def due(attempts: Sequence[Attempt], now: datetime) -> tuple[Retry, ...]:
    """The retries that are due, oldest failure first. `attempts` are in any order.

    None for days that a later run has covered, however it ended (its own attempts count), nor for the last attempt.
    """
    retries = []
    for attempt in sorted(attempts, key=lambda item: item.ended):
        if not attempt.may_be_tried_again:
            continue
        if not now - WINDOW <= attempt.ended <= now - PAUSES[attempt.number]:
            continue
        later = (other for other in attempts if other.ended > attempt.ended)
        if any(other.first <= attempt.first and attempt.last <= other.last for other in later):
            continue
        retries.append(Retry(attempt.run_id, attempt.root, attempt.number + 1, attempt.first, attempt.last))
    return tuple(retries)


def build_sensor(
    profile: Profile,
    job: dg.UnresolvedAssetJobDefinition,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """The sensor that tries failed runs of `job` again. On one machine it is off until it is switched on."""
    pauses = ", ".join(f"{pause.total_seconds() / 60:g}" for pause in PAUSES)

    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=60,
        default_status=sensor_status(profile),
        description=f"Tries a failed run of the schedule or a sensor again after {pauses} minutes, unless a check failed it.",
    )
    def retry_failed_runs(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        instance, now = context.instance, clock()
        unfinished = unfinished_runs(instance, now, job.name)
        unfinished.warn(context.log)
        if waits_for := unfinished.waits_for():
            return dg.SkipReason(waits_for)
        retries = launchable(instance, due(attempts_of(instance, job.name, now), now))
        if not retries:
            return dg.SkipReason("no failed run is due for another try")
        return dg.SensorResult(run_requests=[run_request(retry) for retry in retries])

    return retry_failed_runs


def launchable(instance: dg.DagsterInstance, retries: Iterable[Retry]) -> list[Retry]:
    """Those that Dagster would launch and that may help, oldest failure first, as many as a tick asks for."""
    able = (retry for retry in retries if not _key_is_spent(instance, retry) and worth_another_try(instance, retry))
    return list(islice(able, MOST_RUNS_A_TICK))


def _key_is_spent(instance: dg.DagsterInstance, retry: Retry) -> bool:
    """Dagster drops a request whose key a launched run has, and says nothing: it must not stand in the way of others."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: retry.run_key}))
    return any(run.status is not dg.DagsterRunStatus.NOT_STARTED for run in runs)


def run_request(retry: Retry) -> dg.RunRequest:
    """The same days again, as one run."""
    tags = {
        RANGE_START_TAG: retry.first.isoformat(),
        RANGE_END_TAG: retry.last.isoformat(),
        ROOT_TAG: retry.root,
        ATTEMPT_TAG: str(retry.number),
    }
    return dg.RunRequest(run_key=retry.run_key, tags=tags)


def attempts_of(instance: dg.DagsterInstance, job_name: str, now: datetime) -> list[Attempt]:
    """The runs of the job that ended within the window."""
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=job_name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
            updated_after=now - WINDOW,
        )
    )
    return [attempt for record in records if (attempt := _attempt(record)) is not None]


def _attempt(record: dg.RunRecord) -> Attempt | None:
    run = record.dagster_run
    days = days_of_run(run)
    if days is None or record.end_time is None:
        return None
    first, last = days
    return Attempt(
        run.run_id,
        run.tags.get(ROOT_TAG, run.run_id),
        int(run.tags.get(ATTEMPT_TAG, 0)),
        first,
        last,
        datetime.fromtimestamp(record.end_time, UTC),
        run.status is dg.DagsterRunStatus.SUCCESS,
        any(tag in run.tags for tag in AUTOMATIC_TAGS) and REEXECUTED_TAG not in run.tags,
        run.status is dg.DagsterRunStatus.CANCELED,
    )


def worth_another_try(instance: dg.DagsterInstance, retry: Retry) -> bool:
    """Whether something other than a check failed the last attempt; a run whose process died has no failed step at all."""
    page = instance.get_records_for_run(retry.failed_run_id, of_type=DagsterEventType.STEP_FAILURE, limit=100)
    events = [record.event_log_entry.dagster_event for record in page.records]
    classes = [_error_class(event) for event in events if event is not None]
    return not classes or any(name not in _VERDICTS for name in classes)


def _error_class(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name or "") if error is not None else ""
