"""Reads Dagster's event log into facts, each event once, from where the last reading stopped.

What does not belong here: adding up. A run that crashed or waits in the queue is seen all the same: its state is in run storage,
whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

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
from ecommerce_platform.unfinished_runs import UNFINISHED

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
PAGE = 5000


class EventReader:
    """Reads each run's events from where it stopped; a fresh reader reads the whole log."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._cursors: dict[str, str] = {}
        self._planned: dict[tuple[str, str], list[str]] = {}
        self._changed_after: datetime | None = None

    def read(self) -> Iterator[Fact]:
        """Facts that are new since the last call, runs in the order of their creation.

        When it raises, what it has handed out is read, and the next call goes on from there.
        """
        newest = self._changed_after
        for record in self._runs():
            yield from self._read_run(record)
            updated = record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)
            newest = max(updated, newest or updated)
        self._changed_after = newest

    def _runs(self) -> list[RunRecord]:
        """All runs at first; then those that changed, and those that have not ended: their events do not touch their record."""
        if self._changed_after is None:
            return list(self._instance.get_run_records(ascending=True))
        changed = RunsFilter(updated_after=self._changed_after - OVERLAP)
        records = [
            *self._instance.get_run_records(changed, ascending=True),
            *self._instance.get_run_records(RunsFilter(statuses=list(UNFINISHED)), ascending=True),
        ]
        return sorted({record.storage_id: record for record in records}.values(), key=lambda record: record.storage_id)

    def _read_run(self, record: RunRecord) -> Iterator[Fact]:
        run = record.dagster_run
        while True:
            page = self._instance.get_records_for_run(
                run.run_id, cursor=self._cursors.get(run.run_id), of_type=READ_TYPES, limit=PAGE
            )
            facts = [fact for event in page.records if (fact := self._fact(run, event)) is not None]
            self._cursors[run.run_id] = page.cursor
            yield from facts
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
