"""The demo: a sample shop through the whole batch layer, and a summary of what came out.

What belongs here: the order of the steps and the words of the summary. What does not: any step's logic (the rooms have it).
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ecommerce_platform.live_progress import Reached, live_progress
from ecommerce_platform.next_commands import down_command, platform_command, ui_command
from ecommerce_platform.settings import Profile, Settings

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance

    from ecommerce_platform.embedded.sample_shop import SampleReport
    from ecommerce_platform.speed_layer.realtime import LoadedVersions

Say = Callable[[str], None]

#: What happens before the first step of a run begins.
_LOADING = "loading definitions and dbt's models"


@dataclass(frozen=True)
class RunOutcome:
    """How a materialization ended: the failed checks and failed steps, by name."""

    success: bool
    failed_checks: tuple[str, ...]
    failed_steps: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)


def write_sample(
    settings: Settings, *, days: int, orders_per_day: int, seed: int, faults: bool, overwrite: bool, say: Say
) -> SampleReport:
    """Writes landing files and speed-layer versions, and says what is in them.

    Raises SampleError in production, where invented events would become figures, and, unless `overwrite`, for landing files of
    another origin and for another sample whose days are published.
    """
    from ecommerce_platform.embedded.sample_shop import SampleError, generate_sample

    if settings.profile is Profile.PRODUCTION:
        raise SampleError(
            f"sample shop: ECOMMERCE_PROFILE is production, and {settings.landing_uri} its landing zone; invented events have no "
            "place there: use the profile local"
        )
    with live_progress("files") as reached:
        report = generate_sample(
            settings.landing_uri,
            settings.realtime_dir,
            seed=seed,
            start=settings.start_date,
            days=days,
            orders_per_day=orders_per_day,
            faults=faults,
            overwrite=overwrite,
            before_replacing=lambda: refuse_published_shop(settings),
            s3=settings.s3,
            progress=reached,
        )
    say(f"  {report.total_rows} change events in {report.files} files" + (", already there" if report.kept else ""))
    dirt = {kind: sum(tables.values()) for kind, tables in report.dirt.items()}
    say("  with " + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in dirt.items() if count))
    say(f"  {report.realtime_rows} order versions for the speed layer, {len(report.faults)} planted faults")
    return report


def load_speed_layer(settings: Settings, path: str | Path, skip_unreadable: bool = False) -> LoadedVersions:
    """Loads order versions from Parquet, in a folder or on S3, into `orders_realtime`; what it read and left out.

    Raises RealtimeLoadError naming file, row, column and what was expected.
    """
    from ecommerce_platform.contracts import load_contracts
    from ecommerce_platform.object_store import local_copy
    from ecommerce_platform.reconciliation.clickhouse import connect
    from ecommerce_platform.speed_layer.realtime import create_orders_realtime, load_realtime

    client = connect(settings)
    try:
        create_orders_realtime(client, settings.clickhouse.orders_table)
        with local_copy(str(path), settings.s3) as folder, live_progress("rows") as reached:
            return load_realtime(
                client,
                settings.clickhouse.orders_table,
                folder,
                load_contracts()["orders"],
                skip_unreadable,
                settings.landing.ignore,
                reached,
            )
    finally:
        client.close()


def materialize_range(settings: Settings, first: date, last: date, say: Say) -> RunOutcome:
    """Everything of the days from `first` to `last`, as one run, in this process; the run is in DAGSTER_HOME's log.

    Steps are named as they end; what Dagster would print itself is left to its log.
    """
    with live_progress("steps") as reached:
        # All of it takes seconds, where nothing is in the machine's cache many.
        reached(_LOADING, 0, None)
        import dagster as dg

        from ecommerce_platform.definitions import build_definitions
        from ecommerce_platform.operations.first_use import open_instance

        job = build_definitions(settings).resolve_job_def("daily_batch")
        reached(_LOADING, 1, 1)
        run_id = str(uuid.uuid4())
        with (
            open_instance() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral() as instance,
            _steps_named(instance, run_id, say, reached),
        ):
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                tags={
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
def _steps_named(instance: DagsterInstance, run_id: str, say: Say, reached: Reached) -> Iterator[None]:
    """Says each step of the run once, when it has ended, with its seconds; what is on its way is shown meanwhile."""
    from dagster import DagsterEventType

    begun, failed = DagsterEventType.STEP_START, DagsterEventType.STEP_FAILURE
    ended = {DagsterEventType.STEP_SUCCESS, failed}
    done = threading.Event()

    def watch() -> None:
        cursor: str | None = None
        count, total = 0, None
        while True:
            last_look = done.wait(1.0)
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


def run_demo(settings: Settings, *, days: int, orders_per_day: int, seed: int, say: Say) -> int:
    """The whole demo; returns the exit code: 0 when everything but the planted faults agrees."""
    started = time.monotonic()
    with _step("1/4 sample shop", say):
        report = write_sample(
            settings, days=days, orders_per_day=orders_per_day, seed=seed, faults=True, overwrite=False, say=say
        )
    with _step("2/4 speed layer (ClickHouse)", say):
        versions = load_speed_layer(settings, settings.realtime_dir).rows
        say(f"  {versions} order versions in {settings.clickhouse.orders_table}")
    last = settings.start_date + timedelta(days=days - 1)
    with _step(f"3/4 batch layer, {settings.start_date} to {last} in one run", say):
        outcome = materialize_range(settings, settings.start_date, last, say)
    broken = [step for step in outcome.failed_steps if not step.startswith("reconciliation__")]
    if broken:
        for step in broken:
            say(f"error: {step} failed: {outcome.reasons.get(step, '')}")
        say(
            f"`{platform_command()} doctor` says what to mend; the run with its traceback is in DAGSTER_HOME "
            f"(`{ui_command()}` shows it)"
        )
        return 1
    with _step("4/4 what came out", say):
        for line in summary(settings, outcome, report):
            say(line)
    say(f"Done in {time.monotonic() - started:.0f} s.")
    unexpected = unexpected_failures(outcome)
    for failure in unexpected:
        say(f"error: {failure} failed, and no planted fault explains it")
    return 1 if unexpected else 0


def refuse_published_shop(settings: Settings) -> None:
    """Raises SampleError where days of the sample shop that is about to be replaced are published.

    Their published events would be absent from the new files, so that each such day would be refused after a whole run.
    """
    from ecommerce_platform.embedded.sample_shop import SampleError
    from ecommerce_platform.lakehouse.ledger import published_days

    days = sorted({day for table in published_days(settings).values() for day in table})
    if days:
        raise SampleError(
            f"sample shop: {settings.data_dir} holds the days of another shop, of which {len(days)} are published ({days[0]} to "
            f"{days[-1]}): it was written with other parameters, or by another version of the platform. Nothing was changed. "
            "For this shop, choose a folder of its own (ECOMMERCE_DATA_DIR=…), or end the stand-ins with "
            "`ecommerce-platform local down`, delete the folder, and begin again; for the earlier shop, give the earlier --days, "
            "--orders-per-day and --seed. `ecommerce-platform sample --overwrite` replaces the files all the same: the days are "
            "refused then, because published events are absent, and what was published stays"
        )


def unexpected_failures(outcome: RunOutcome) -> tuple[str, ...]:
    """Failed checks and steps other than those that compare the layers: the demo's speed layer is wrong on purpose."""
    checks = [name for name in outcome.failed_checks if not name.startswith("reconciliation/")]
    steps = [name for name in outcome.failed_steps if not name.startswith("reconciliation__")]
    return (*checks, *steps)


@contextmanager
def _step(title: str, say: Say) -> Iterator[None]:
    say(f"== {title}")
    started = time.monotonic()
    yield
    say(f"   {time.monotonic() - started:.1f} s")


def summary(settings: Settings, outcome: RunOutcome, report: SampleReport) -> Iterator[str]:
    """The headline numbers, what the checks found, and what to do next."""
    from ecommerce_platform.warehouse.connection import connect
    from ecommerce_platform.warehouse.query import run_sql

    with connect(settings) as connection:
        totals = run_sql(
            connection,
            "select min(date), max(date), sum(total_orders), sum(completed_orders), sum(total_revenue) "
            "from marts.daily_business_metrics",
        ).rows[0]
        tiers = run_sql(
            connection,
            "select customer_tier, count(*), sum(total_spent) from marts.customer_analytics group by 1 order by 3 desc",
        ).rows
        products = run_sql(
            connection,
            "select product_name, sum(total_revenue) from marts.product_performance group by 1 order by 2 desc limit 3",
        ).rows
    yield f"  business dates   {totals[0]} to {totals[1]}"
    yield f"  orders           {totals[2]} ({totals[3]} shipped or delivered)"
    yield f"  revenue          {totals[4]}"
    yield "  customers        " + ", ".join(f"{tier} {count} (spent {spent})" for tier, count, spent in tiers)
    yield "  best products    " + ", ".join(f"{name} {revenue}" for name, revenue in products)
    if outcome.failed_checks:
        yield f"  The speed layer carries {len(report.faults)} planted faults; these checks found them, so the run is red:"
        yield from (f"    {name}" for name in outcome.failed_checks)
    yield "Next:"
    yield f"  {ui_command():<28}  lineage, runs and checks in Dagster's UI"
    yield f'  {platform_command()} sql "select * from marts.customer_tier_analytics order by 1, 2"'
    yield f'  {platform_command()} sql "select * from reconciliation.daily_business_metrics order by 1"'
    yield f"  {down_command():<28}  stop the embedded servers"
