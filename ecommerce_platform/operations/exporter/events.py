"""Reads Dagster's event log into facts, each event once, from where the last reading stopped.

What does not belong here: adding up. A run that crashed or waits in the queue is seen all the same: its state is in run storage,
whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterEventType, EventLogRecord, RunRecord, RunsFilter

from ecommerce_platform.operations.exporter.facts import (
    CheckEvaluated,
    Fact,
    Materialized,
    RunEnded,
    StepEnded,
    StepPlanned,
)

READ_TYPES = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
}
OUTCOMES = {
    DagsterEventType.RUN_SUCCESS: "success",
    DagsterEventType.RUN_FAILURE: "failure",
    DagsterEventType.RUN_CANCELED: "canceled",
}
#: Runs are asked for by the time of their last change; clocks of storage and writers may differ by this much.
OVERLAP = timedelta(minutes=5)
PAGE = 1000
RUNS_A_PAGE = 500
#: So many of the newest runs are remembered when they are over: their last events, and runs with lower numbers, may still appear.
KEPT_RUNS = 1000


@dataclass
class _RunRead:
    """How far a run's events are read."""

    number: int
    cursor: str | None = None
    over: bool = False


class EventReader:
    """Reads each run's events from where it stopped; a fresh reader reads the whole log. Where it stands goes to plain values and
    back (`to_record`, `from_record`), so that another process reads on from the same event.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        #: How far each run is read: those that have not ended, and the newest ones.
        self._runs_read: dict[str, _RunRead] = {}
        self._planned: dict[tuple[str, str], list[str]] = {}
        #: The newest run that was read: those before it that have no entry above are read to their end.
        self._newest = 0
        self._newest_run: str | None = None
        self._changed_after: datetime | None = None

    def read(self) -> Iterator[list[Fact]]:
        """Facts that are new since the last call, a page of events at a time, runs in the order of their creation.

        What it has handed out is read, whether it is read to the end, raises, or is left: the next call goes on from there.
        """
        newest = self._changed_after
        for record in self._runs():
            if self._is_over(record):
                continue
            yield from self._read_run(record)
            self._read_through(record)
            updated = record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)
            newest = max(updated, newest or updated)
        self._changed_after = newest

    def to_record(self) -> dict[str, Any]:
        """Where the reading stands, as plain values."""
        return {
            "runs": {run_id: vars(read) for run_id, read in self._runs_read.items()},
            "planned": [[*key, assets] for key, assets in self._planned.items()],
            "newest": self._newest,
            "newest_run": self._newest_run,
            "changed_after": self._changed_after.isoformat() if self._changed_after else None,
        }

    @classmethod
    def from_record(cls, instance: dg.DagsterInstance, record: Mapping[str, Any]) -> EventReader:
        """The reader of `to_record`."""
        reader = cls(instance)
        reader._runs_read = {run_id: _RunRead(**read) for run_id, read in record["runs"].items()}
        reader._planned = {(run_id, step): list(assets) for run_id, step, assets in record["planned"]}
        reader._newest, reader._newest_run = record["newest"], record["newest_run"]
        changed = record["changed_after"]
        reader._changed_after = datetime.fromisoformat(changed) if changed else None
        return reader

    def _runs(self) -> Iterator[RunRecord]:
        """All runs at first; then those that changed, and those that were not over: their events do not touch their record."""
        going_on = [run_id for run_id, read in self._runs_read.items() if not read.over]
        if self._changed_after is None:
            yield from self._pages(None, self._known_run())
        else:
            yield from self._pages(RunsFilter(updated_after=self._changed_after - OVERLAP))
        if going_on:
            yield from self._pages(RunsFilter(run_ids=going_on))

    def _known_run(self) -> str | None:
        """Where a first reading that broke off goes on; when that run was deleted, all runs are looked at again."""
        known = self._newest_run and self._instance.get_run_record_by_id(self._newest_run)
        return self._newest_run if known else None

    def _pages(self, filters: RunsFilter | None, after: str | None = None) -> Iterator[RunRecord]:
        while True:
            records = self._instance.get_run_records(filters, limit=RUNS_A_PAGE, ascending=True, cursor=after)
            yield from records
            if len(records) < RUNS_A_PAGE:
                return
            after = records[-1].dagster_run.run_id

    def _is_over(self, record: RunRecord) -> bool:
        read = self._runs_read.get(record.dagster_run.run_id)
        return read is None and record.storage_id <= self._newest - KEPT_RUNS

    def _read_through(self, record: RunRecord) -> None:
        """The run is read as far as it goes now; of old runs that are over only this is remembered: that they are."""
        run_id = record.dagster_run.run_id
        self._runs_read[run_id].over = record.dagster_run.is_finished
        if record.storage_id > self._newest:
            self._newest, self._newest_run = record.storage_id, run_id
        if len(self._runs_read) > 2 * KEPT_RUNS:
            self._runs_read = {
                name: read
                for name, read in self._runs_read.items()
                if not read.over or read.number > self._newest - KEPT_RUNS
            }

    def _read_run(self, record: RunRecord) -> Iterator[list[Fact]]:
        run = record.dagster_run
        read = self._runs_read.setdefault(run.run_id, _RunRead(record.storage_id))
        while True:
            page = self._instance.get_records_for_run(run.run_id, cursor=read.cursor, of_type=READ_TYPES, limit=PAGE)
            facts = [fact for event in page.records if (fact := self._fact(run, event)) is not None]
            read.cursor = page.cursor
            yield facts
            if not page.has_more:
                return

    def _fact(self, run: dg.DagsterRun, record: EventLogRecord) -> Fact | None:
        entry = record.event_log_entry
        event, at = entry.dagster_event, entry.timestamp
        if event is None:
            return None
        kind = event.event_type
        if kind is DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            asset = event.asset_materialization_planned_data.asset_key.to_user_string()
            assets = self._planned.setdefault((run.run_id, event.step_key or ""), [])
            if asset not in assets:
                assets.append(asset)
            return StepPlanned(run.run_id, event.step_key or "", partition_of(run), asset)
        if kind is DagsterEventType.ASSET_MATERIALIZATION:
            return materialized(run.run_id, event.step_materialization_data.materialization, at)
        if kind is DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            return CheckEvaluated(
                run.run_id, check.asset_key.to_user_string(), check.check_name, check.passed, check.severity.value, at
            )
        if kind in (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE):
            return self._step_ended(run, event, at)
        for planned in [planned for planned in self._planned if planned[0] == run.run_id]:
            del self._planned[planned]
        return RunEnded(run.run_id, run.job_name, OUTCOMES[kind], at)

    def _step_ended(self, run: dg.DagsterRun, event: dg.DagsterEvent, at: float) -> StepEnded:
        step = event.step_key or ""
        assets = tuple(self._planned.get((run.run_id, step), ()))
        if event.event_type is DagsterEventType.STEP_SUCCESS:
            seconds = event.step_success_data.duration_ms / 1000
            return StepEnded(run.run_id, step, True, seconds, partition_of(run), at, assets)
        stats = self._instance.get_run_step_stats(run.run_id, [step])
        started = stats[0].start_time if stats and stats[0].start_time else at
        user_data = event.step_failure_data.user_failure_data
        failed = user_data.metadata.get("failed") if user_data else None
        models = tuple(str(model) for model in failed.value) if failed is not None else ()  # type: ignore[union-attr]
        return StepEnded(run.run_id, step, False, at - started, partition_of(run), at, assets, models)


def partition_of(run: dg.DagsterRun) -> str | None:
    """The run's partition, or the last of its range."""
    return run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_end")


def materialized(run_id: str, materialization: dg.AssetMaterialization, at: float) -> Materialized:
    """The fact in a materialization event: rows and seconds under the names that the rooms and dagster-dbt give them."""
    values = {name: entry.value for name, entry in materialization.metadata.items()}
    rows = values.get("dagster/partition_row_count", values.get("dagster/row_count", values.get("rows")))
    seconds = values.get("seconds", values.get("Execution Duration"))
    return Materialized(
        run_id,
        materialization.asset_key.to_user_string(),
        materialization.partition,
        at,
        rows=int(rows) if isinstance(rows, int) else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        materialization=str(values["materialization"]) if "materialization" in values else None,
    )
