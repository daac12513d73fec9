"""`ecommerce-platform maintenance`: the Iceberg tables compacted and cleaned, and what is past its retention removed, by hand."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import Format, ListFormat, print_rows, say, settings_or_exit
from ecommerce_platform.iceberg.lake import Lake


def maintenance(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    output: Format = ListFormat.TABLE,
) -> None:
    """Compact days of small files, expire snapshots, remove orphans, what killed loads left, and what is past its retention."""
    from ecommerce_platform.lakehouse.maintenance.plan import refusals
    from ecommerce_platform.lakehouse.maintenance.work import Maintenance, run_maintenance
    from ecommerce_platform.landing.files import LandingZone
    from ecommerce_platform.operations.first_use import open_instance
    from ecommerce_platform.operations.retention import apply_retention
    from ecommerce_platform.spark.session import build_session
    from ecommerce_platform.warehouse.load.maintenance import clean_up
    from ecommerce_platform.warehouse.schema.upgrade import ensure_current
    from ecommerce_platform.warehouse.sql.connection import connect

    settings = settings_or_exit()
    lake, run_id = Lake.of(settings), f"maintenance-{uuid4()}"
    opener = partial(connect, settings, run_id)
    with opener() as connection:
        ensure_current(connection)
        for line in clean_up(settings.snowflake, connection, opener, run_id, dry_run):
            say(line)
    with open_instance() if os.environ.get("DAGSTER_HOME") else nullcontext() as instance:
        zone, now = LandingZone.of(settings), datetime.now(UTC)
        for line in apply_retention(settings, lake, zone, opener, instance, run_id, now, dry_run):
            say(line)
    job = Maintenance(lake, lambda: build_session(settings), run_id, datetime.now(UTC), dry_run=dry_run)
    reports = run_maintenance(job)
    rows = [{**asdict(report), "days_compacted": [str(day) for day in report.days_compacted]} for report in reports]
    print_rows(rows, output, "there is no Iceberg table yet")
    for line in refusals(reports):
        say(f"error: {line}")
    raise typer.Exit(1 if refusals(reports) else 0)
