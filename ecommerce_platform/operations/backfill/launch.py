"""Launches backfills through Dagster, says how they are doing, and launches again what failed of them.

What belongs here: Dagster's backfills and runs. What does not: the plan (plan.py). The daemon runs them: they are in the UI under
Runs, Backfills, like those that are launched there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.selector import (
    PartitionRangeSelector,
    PartitionsByAssetSelector,
    PartitionsSelector,
)
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id

from ecommerce_platform.execution.partitions import daily_partitions
from ecommerce_platform.execution.unfinished_runs import (
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    days_of_run,
    unfinished_runs,
)
from ecommerce_platform.landing.changes import DayRange, ranges_of
from ecommerce_platform.live_progress import Reached
from ecommerce_platform.operations.backfill.days import DayState, Stage, read_stage_records, states
from ecommerce_platform.operations.backfill.plan import Busy, Plan, make_plan
from ecommerce_platform.operations.backfill.rates import measured
from ecommerce_platform.settings import Settings

TAG = "ecommerce/backfill"
BACKFILL_TAG = "dagster/backfill"
_NO_LIMIT = 1_000_000
_FOLLOW_SECONDS = 3.0
#: Dagster's word, as `Progress.status` has it.
SUCCEEDED = BulkActionStatus.COMPLETED_SUCCESS.value.lower()
_ENDED = (
    BulkActionStatus.COMPLETED,
    BulkActionStatus.COMPLETED_SUCCESS,
    BulkActionStatus.COMPLETED_FAILED,
    BulkActionStatus.FAILED,
    BulkActionStatus.CANCELED,
)


class BackfillError(RuntimeError):
    """A backfill cannot be planned, launched or found; the message says why and what to do."""


@dataclass(frozen=True)
class RunProgress:
    """One run of a backfill."""

    run_id: str
    days: str
    status: str
    steps_done: int
    failed_steps: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """A backfill as it stands: Dagster's status, its runs, and how far its days are, by the records."""

    backfill_id: str
    status: str
    days: tuple[DayState, ...]
    runs: tuple[RunProgress, ...]

    @property
    def done(self) -> int:
        return sum(state.stage is Stage.DONE for state in self.days)

    @property
    def open_days(self) -> tuple[date, ...]:
        return tuple(state.day for state in self.days if state.stage is not Stage.DONE)


@dataclass(frozen=True)
class Backfills:
    """The backfills of one installation."""

    settings: Settings
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    clock: Callable[[], float] = time.time

    def plan(self, first: date, last: date, select: str = "*") -> Plan:
        """What a backfill of these days would do."""
        if last < first:
            raise BackfillError(f"{last} is before {first}: give the first day first")
        keys = self.selected(select)
        rates = measured(self.instance, self._steps(keys))
        bounds = self._bounds()
        day_states = states(read_stage_records(self.settings, first, last), DayRange(first, last).days)
        limit = self.settings.operations.backfill_days_per_run
        return make_plan(day_states, [key.to_user_string() for key in keys], rates, self.busy(), bounds, limit)

    def selected(self, select: str) -> list[dg.AssetKey]:
        """The materializable assets of a selection, in a stable order. Raises BackfillError for one that is none."""
        graph = self.definitions.resolve_asset_graph()
        try:
            chosen = dg.AssetSelection.from_string(select) if select != "*" else dg.AssetSelection.all()
            keys = set(chosen.resolve(graph)) & set(graph.materializable_asset_keys)
        except (dg.DagsterError, ValueError) as error:
            raise BackfillError(f"{select!r} is not a selection of assets: {error}") from None
        if not keys:
            raise BackfillError(f"{select!r} selects no asset that can be materialized; try '*' or 'group:marts'")
        return sorted(keys)

    def _steps(self, keys: Sequence[dg.AssetKey]) -> set[str]:
        assets = self.definitions.resolve_asset_graph().assets_defs_for_keys(keys)
        return {definition.op.name for definition in assets}

    def _bounds(self) -> tuple[date, date]:
        last = daily_partitions(self.settings.start_date).get_last_partition_key()
        start = self.settings.start_date
        return start, date.fromisoformat(last) if last else start

    def busy(self) -> list[Busy]:
        """Days of runs that are on their way, and of backfills that have not ended."""
        busy_spans = []
        for run in unfinished_runs(self.instance, datetime.fromtimestamp(self.clock(), UTC)).on_their_way:
            if covered := days_of_run(run):
                busy_spans.append(Busy(*covered, f"run {run.run_id} ({run.job_name}, {run.status.value.lower()})"))
        for backfill in self.instance.get_backfills(limit=100):
            days = () if backfill.status in _ENDED else self.days_of(backfill)
            busy_spans += [
                Busy(item.first, item.last, f"backfill {backfill.backfill_id}") for item in ranges_of(days, _NO_LIMIT)
            ]
        return busy_spans

    def days_of(self, backfill: PartitionBackfill) -> tuple[date, ...]:
        """The days that a backfill was launched for."""
        if backfill.serialized_asset_backfill_data is None and backfill.asset_backfill_data is None:
            return tuple(date.fromisoformat(name) for name in backfill.partition_names or ())
        data = backfill.get_asset_backfill_data(self.definitions.resolve_asset_graph())
        subsets = data.target_subset.partitions_subsets_by_asset_key.values()
        return tuple(sorted({date.fromisoformat(key) for subset in subsets for key in subset.get_partition_keys()}))

    def launch(self, work: Mapping[date, Sequence[dg.AssetKey]], title: str) -> list[str]:
        """Requests Dagster backfills: days with the same assets together, none of more than the days of one run."""
        together: dict[tuple[dg.AssetKey, ...], list[date]] = {}
        for day, keys in work.items():
            together.setdefault(tuple(sorted(keys)), []).append(day)
        limit = self.settings.operations.backfill_days_per_run
        return [
            self._request(keys, chunk, title)
            for keys, days in together.items()
            for chunk in (sorted(days)[start : start + limit] for start in range(0, len(days), limit))
        ]

    def _request(self, keys: Sequence[dg.AssetKey], days: Sequence[date], title: str) -> str:
        names = [day.isoformat() for day in days]
        backfill = PartitionBackfill.from_partitions_by_assets(
            backfill_id=make_new_backfill_id(),
            asset_graph=self.definitions.resolve_asset_graph(),
            backfill_timestamp=self.clock(),
            tags={TAG: title},
            dynamic_partitions_store=self.instance,
            partitions_by_assets=[_of_days(key, names) for key in keys],
            title=title,
            description=None,
            run_config=None,
        )
        self.instance.add_backfill(backfill)
        return backfill.backfill_id

    def get(self, backfill_id: str | None) -> PartitionBackfill:
        """A backfill by its id, or by the beginning of it; without one, the newest."""
        if backfill_id and (backfill := self.instance.get_backfill(backfill_id)):
            return backfill
        for candidate in self.instance.get_backfills(limit=200):
            if backfill_id is None or candidate.backfill_id.startswith(backfill_id):
                return candidate
        raise BackfillError(f"there is no backfill {backfill_id}" if backfill_id else "there is no backfill yet")

    def progress(self, backfill: PartitionBackfill) -> Progress:
        """How far it is: days by the records, runs by Dagster."""
        days = self.days_of(backfill)
        day_states = states(read_stage_records(self.settings, min(days), max(days)), days) if days else ()
        runs = self.instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill.backfill_id}))
        return Progress(
            backfill.backfill_id,
            backfill.status.value.lower(),
            day_states,
            tuple(self._run(run) for run in reversed(runs)),
        )

    def follow(self, backfill_id: str, reached: Reached, pause: Callable[[float], object] = time.sleep) -> str:
        """Reports the days in the marts until the backfill has ended; its status then, as Dagster calls it."""
        while True:
            backfill = self.get(backfill_id)
            progress = self.progress(backfill)
            reached(backfill_id, progress.done, len(progress.days) or None)
            if backfill.status in _ENDED:
                return progress.status
            pause(_FOLLOW_SECONDS)

    def _run(self, run: dg.DagsterRun) -> RunProgress:
        kinds = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}
        page = self.instance.get_records_for_run(run.run_id, of_type=kinds, limit=1000)
        events = [event for item in page.records if (event := item.event_log_entry.dagster_event) is not None]
        failed = [event.step_key or "" for event in events if event.event_type is DagsterEventType.STEP_FAILURE]
        first = run.tags.get(RANGE_START_TAG) or run.tags.get(PARTITION_TAG, "")
        last = run.tags.get(RANGE_END_TAG) or first
        days = first if first == last else f"{first} to {last}"
        return RunProgress(run.run_id, days, run.status.value.lower(), len(events) - len(failed), tuple(failed))

    def what_failed(self, backfill: PartitionBackfill) -> dict[date, tuple[dg.AssetKey, ...]]:
        """What is still to do of an ended backfill, by day.

        A day that has not come into the marts: everything that was asked for. A day that has: what a failed run was to write and
        did not, such as a reconciliation while the speed layer was away.
        """
        if backfill.status not in _ENDED:
            raise BackfillError(f"backfill {backfill.backfill_id} has not ended ({backfill.status.value.lower()})")
        progress = self.progress(backfill)
        keys = tuple(sorted(backfill.asset_selection or ()))
        work: dict[date, tuple[dg.AssetKey, ...]] = dict.fromkeys(progress.open_days, keys)
        for run in self.instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill.backfill_id})):
            if run.status not in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
                continue
            left = self._not_written(run)
            if left and (days := days_of_run(run)):
                for day in DayRange(*days).days:
                    work.setdefault(day, left)
        return work

    def _not_written(self, run: dg.DagsterRun) -> tuple[dg.AssetKey, ...]:
        kinds = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_MATERIALIZATION}
        planned: set[dg.AssetKey] = set()
        written: set[dg.AssetKey] = set()
        cursor: str | None = None
        while True:
            page = self.instance.get_records_for_run(run.run_id, of_type=kinds, limit=5000, cursor=cursor)
            cursor = page.cursor
            for record in page.records:
                event = record.event_log_entry.dagster_event
                if event is None or event.asset_key is None:
                    continue
                made = event.event_type is DagsterEventType.ASSET_MATERIALIZATION
                (written if made else planned).add(event.asset_key)
            if not page.has_more:
                return tuple(sorted(planned - written))


def _of_days(key: dg.AssetKey, names: Sequence[str]) -> PartitionsByAssetSelector:
    days = [date.fromisoformat(name) for name in names]
    ranges = [PartitionRangeSelector(start=str(item.first), end=str(item.last)) for item in ranges_of(days, _NO_LIMIT)]
    return PartitionsByAssetSelector(asset_key=key, partitions=PartitionsSelector(ranges=ranges))
