"""How long what is not a table is kept: old runs of Dagster, reports, landing files, rows of replaced loads.

What belongs here: removing old runs, and the order of all of it. What does not: how each of the others is removed (their rooms),
and the retention of Iceberg's snapshots and quarantined rows (lakehouse/maintenance/work.py).

Each has a setting with a default; docs/data-protection.md lists them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import dagster as dg

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.arrived.expired_landing import remove_expired_landing
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.superseded import remove_superseded
from ecommerce_platform.warehouse.sql.connection import Opener

#: The statuses that a run keeps.
_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
#: Runs are read and removed so many at a time.
_RUNS_A_TIME = 100


def apply_retention(
    settings: Settings,
    lake: Lake,
    zone: LandingZone,
    open_connection: Opener,
    instance: dg.DagsterInstance | None,
    run_id: str,
    now: datetime,
    dry_run: bool = False,
) -> list[str]:
    """Removes what is older than its setting says; one line for each thing. Without an instance, runs are left alone."""
    from ecommerce_platform.reconciliation.present.publish import (
        Place,
        remove_expired,
    )  # matplotlib: a second of imports

    with open_connection() as connection:
        store = Store(connection)
        store.create()
        lines = remove_superseded(settings.snowflake, connection, open_connection, run_id, now, dry_run)
        limits = settings.reconciliation
        reports_before = now.date() - timedelta(days=limits.reports_retention_days)
        lines += remove_expired(Place.of(limits.reports_uri, settings.s3), store, reports_before, dry_run)
    lines += remove_expired_landing(lake, Intake.of(settings, zone, lake), dry_run)
    if instance is not None:
        lines += remove_old_runs(instance, now - timedelta(days=settings.operations.runs_retention_days), dry_run)
    return lines


def remove_old_runs(instance: dg.DagsterInstance, before: datetime, dry_run: bool = False) -> list[str]:
    """Removes finished runs that have not changed since `before`: their events, and what their steps printed."""
    old = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    verb, removed = "would remove" if dry_run else "removed", 0
    if dry_run:
        removed = instance.get_runs_count(old)
    else:
        while runs := instance.get_runs(old, limit=_RUNS_A_TIME):
            for run in runs:
                instance.compute_log_manager.delete_logs(prefix=[run.run_id])
                instance.delete_run(run.run_id)
            removed += len(runs)
    return [f"{verb} {removed} runs that ended before {before:%Y-%m-%d}"] if removed else []
