"""A run of the platform's job in this process, with its steps named while they work.

What belongs here: starting the run and following its events. What does not: what runs (definitions.py) and the demo around
it (steps.py).
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.live_progress import Reached, live_progress

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance, JobDefinition


Say = Callable[[str], None]

#: Tag of a run, by which it is found before Dagster returns it.
STARTED_HERE = "ecommerce/started_here"
#: What happens before the first step of a run begins.
_LOADING = "loading definitions and dbt's models"


@dataclass(frozen=True)
class RunOutcome:
    """How a materialization ended: the failed checks and failed steps, by name."""

    success: bool
    failed_checks: tuple[str, ...]
    failed_steps: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)


def daily_batch() -> JobDefinition:
    """The job, by the settings of the environment; Dagster asks for it several times a run, by this function's name."""
    from ecommerce_platform.definitions import defs

    return defs.resolve_job_def("daily_batch")


def materialize_range(first: date, last: date, say: Say) -> RunOutcome:
    """Everything of the days from `first` to `last` as one run in this process, by the settings of the environment; the run is in
    DAGSTER_HOME's log. Steps are named as they end; what Dagster would print itself is left to its log.
    """
    with live_progress("steps") as reached:
        # All of it takes seconds, where nothing is in the machine's cache many.
        reached(_LOADING, 0, None)
        import dagster as dg

        from ecommerce_platform.operations.first_use import open_instance

        job = dg.reconstructable(daily_batch)
        job.get_definition()
        reached(_LOADING, 1, 1)
        started_here = str(uuid.uuid4())
        with (
            open_instance() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral() as instance,
            _steps_named(instance, started_here, say, reached),
        ):
            # Not in Dagster's own process executor, which runs one step after the other, whatever the settings say.
            result = dg.execute_job(
                job,
                instance=instance,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                tags={
                    STARTED_HERE: started_here,
                    "dagster/asset_partition_range_start": first.isoformat(),
                    "dagster/asset_partition_range_end": last.isoformat(),
                },
            )
    checks = {
        f"{item.asset_key.to_user_string()}:{item.check_name}"
        for item in result.get_asset_check_evaluations()
        if not item.passed and item.severity is dg.AssetCheckSeverity.ERROR
    }
    reasons = {event.step_key or "run": _reason(event) for event in result.all_events if event.is_step_failure}
    return RunOutcome(result.success, tuple(sorted(checks)), tuple(sorted(reasons)), reasons)


def _reason(event: DagsterEvent) -> str:
    """Why a step failed, in one line: the first cause's words."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return " ".join(error.message.split())[:1500] if error is not None else "its process is gone"


@contextmanager
def _steps_named(instance: DagsterInstance, started_here: str, say: Say, reached: Reached) -> Iterator[None]:
    """Says each step of the run with that tag once, when it has ended, with its seconds, and shows what is on its way."""
    from dagster import DagsterEventType, RunsFilter

    tagged = RunsFilter(tags={STARTED_HERE: started_here})
    begun, failed = DagsterEventType.STEP_START, DagsterEventType.STEP_FAILURE
    ended = {DagsterEventType.STEP_SUCCESS, failed}
    done = threading.Event()

    def watch() -> None:
        cursor: str | None = None
        run_id: str | None = None
        count, total = 0, None
        while True:
            last_look = done.wait(1.0)
            run_id = run_id or next((run.run_id for run in instance.get_runs(tagged, limit=1)), None)
            if run_id is None:
                if last_look:
                    return
                continue
            total = total or _step_count(instance, run_id)
            page = instance.get_records_for_run(run_id, cursor=cursor, of_type={begun, *ended}, limit=1000)
            cursor = page.cursor
            for record in page.records:
                event = record.event_log_entry.dagster_event
                if event is None:
                    continue
                name = (event.step_key or "").replace("__", "/", 1)
                if event.event_type is begun:
                    reached(name, 0, None)
                    continue
                count += 1
                reached(name, 1, 1)
                seconds = event.step_success_data.duration_ms / 1000 if event.is_step_success else None
                took = f"{seconds:6.1f} s" if seconds is not None else " " * 8
                say(f"  {took}  {name}{' (failed)' if event.event_type is failed else ''}")
            reached("batch layer", count, total)
            if last_look:
                return

    watcher = threading.Thread(target=watch, name="steps", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=10)


def _step_count(instance: DagsterInstance, run_id: str) -> int | None:
    """How many steps the run has; None before it is planned."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.execution_plan_snapshot_id is None:
        return None
    return len(instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).step_keys_to_execute)
