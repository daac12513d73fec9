"""The demo: a sample shop through the whole batch layer, and a summary of what came out.

What belongs here: the order of the steps and the words of the summary. What does not: any step's logic (the rooms have it).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ecommerce_platform.demo.run import RunOutcome, Say, materialize_range
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.live_progress import live_progress
from ecommerce_platform.next_commands import down_command, platform_command, ui_command
from ecommerce_platform.settings import Profile, Settings

if TYPE_CHECKING:
    from ecommerce_platform.sample_shop import SampleReport
    from ecommerce_platform.speed_layer.realtime import LoadedVersions


def write_sample(
    settings: Settings, *, days: int, orders_per_day: int, seed: int, faults: bool, overwrite: bool, say: Say
) -> SampleReport:
    """Writes landing files and speed-layer versions, and says what is in them.

    Raises SampleError in production, where invented events would become figures, and, unless `overwrite`, for landing files of
    another origin and for another sample whose days are published.
    """
    from ecommerce_platform.sample_shop import SampleError, generate_sample

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
    from ecommerce_platform.reconciliation.layers.clickhouse import connect
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
        outcome = materialize_range(settings.start_date, last, say)
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
    from ecommerce_platform.lakehouse.days.ledger import published_days
    from ecommerce_platform.sample_shop import SampleError

    days = sorted({day for table in published_days(Lake.of(settings)).values() for day in table})
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
    from ecommerce_platform.warehouse.sql.connection import connect
    from ecommerce_platform.warehouse.sql.query import run_sql

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
    yield f'  {platform_command()} sql "select * from marts.customer_tier_analytics order by date desc limit 4"'
    if outcome.failed_checks:
        yield f"  {platform_command()} reconcile plan  what would mend the differences"
    yield f"  {down_command():<28}  stop the embedded servers"
