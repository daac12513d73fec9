"""One rule for "a run is on its way", for every sensor, schedule and backfill.

What belongs here: which of Dagster's unfinished runs can still write, and which are forgotten. What does not: what a sensor does
about it.

A status alone is not enough. A run that was created and never launched (NOT_STARTED), and a run whose process was killed
(STARTED), keep their status forever where run monitoring is off or the daemon was away: a sensor that waits for them waits for
ever. So a run counts only while something is heard of it: a change of its record, or an event in its log.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

#: Runs that have not ended, whatever they wait for.
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
#: A daemon that died before it launched a run launches it when it is back within a day (Dagster's limit), else never. A run that
#: works has events: a silent day is far beyond the limit of run monitoring (12 hours, as configured here).
LONGEST_SILENCE = timedelta(days=1)

MOST_NAMED = 5

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

_RUNNING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


@dataclass(frozen=True)
class ForgottenRun:
    """An unfinished run that cannot come back, and since when nothing was heard of it."""

    run: dg.DagsterRun
    heard_at: datetime

    def __str__(self) -> str:
        return (
            f"run {self.run.run_id} of {self.run.job_name} is forgotten: it is {self.run.status.value.lower()} and nothing was "
            f"heard of it since {self.heard_at:%Y-%m-%d %H:%M} UTC; terminate it in Dagster to end it"
        )


@dataclass(frozen=True)
class UnfinishedRuns:
    """Dagster's unfinished runs, newest first: those on their way, and those that nobody waits for."""

    on_their_way: tuple[dg.DagsterRun, ...]
    forgotten: tuple[ForgottenRun, ...]

    def waits_for(self) -> str | None:
        """The run that a sensor waits for, in words; None when nothing is on its way."""
        if not self.on_their_way:
            return None
        run = self.on_their_way[0]
        return f"a run of {run.job_name} is not finished yet: {run.run_id} ({run.status.value.lower()})"

    def warn(self, log: logging.Logger) -> None:
        """Names the forgotten runs in the log of a tick."""
        for forgotten in self.forgotten[:MOST_NAMED]:
            log.warning(str(forgotten))


def unfinished_runs(instance: dg.DagsterInstance, now: datetime, job_name: str | None = None) -> UnfinishedRuns:
    """The unfinished runs at `now` (UTC), of one job or of all."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED)))
    heard = {record.dagster_run.run_id: _heard_at(instance, record, now) for record in records}
    running = any(
        record.dagster_run.status in _RUNNING and not _silent(instance, record, heard[record.dagster_run.run_id], now)
        for record in records
    )
    on_their_way, forgotten = [], []
    for record in records:
        run = record.dagster_run
        if job_name is not None and run.job_name != job_name:
            continue
        # What is queued waits for what runs, of whatever job (pools), and however long that takes.
        waits = run.status is dg.DagsterRunStatus.QUEUED and running
        if waits or not _silent(instance, record, heard[run.run_id], now):
            on_their_way.append(run)
        else:
            forgotten.append(ForgottenRun(run, heard[run.run_id]))
    return UnfinishedRuns(tuple(on_their_way), tuple(forgotten))


def days_of_run(run: dg.DagsterRun) -> tuple[date, date] | None:
    """The first and last day of a run's partition or range; None for a run without days."""
    first = run.tags.get(RANGE_START_TAG) or run.tags.get(PARTITION_TAG)
    last = run.tags.get(RANGE_END_TAG) or run.tags.get(PARTITION_TAG)
    try:
        return (date.fromisoformat(first), date.fromisoformat(last)) if first and last else None
    except ValueError:  # a partition of another kind: somebody's own job under this name
        return None


def run_of_day(runs: Sequence[dg.DagsterRun], day: date) -> dg.DagsterRun | None:
    """The run among `runs` that has this day."""
    for run in runs:
        days = days_of_run(run)
        if days is not None and days[0] <= day <= days[1]:
            return run
    return None


def _heard_at(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> datetime:
    changed = max(_utc(record.create_timestamp), _utc(record.update_timestamp))
    if now - changed <= LONGEST_SILENCE:
        return changed
    # Events of a run's steps do not touch its record.
    page = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False)
    return max([changed, *(datetime.fromtimestamp(item.timestamp, UTC) for item in page.records)])


def _silent(instance: dg.DagsterInstance, record: dg.RunRecord, heard_at: datetime, now: datetime) -> bool:
    limit = LONGEST_SILENCE
    if record.dagster_run.status is dg.DagsterRunStatus.STARTED:
        # One long step may have no event for as long as run monitoring allows a run to take.
        limit = max(limit, timedelta(seconds=instance.run_monitoring_max_runtime_seconds))
    return now - heard_at > limit


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=moment.tzinfo or UTC)
