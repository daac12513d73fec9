"""`ecommerce-platform ingest`: landing days into Iceberg without Dagster, a very large first snapshot by parts."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import Days, Tables, chosen_tables, days_of, say, settings_or_exit
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.live_progress import live_progress


def ingest(
    day: Days = None,
    table: Tables = None,
    rows_per_part: Annotated[
        int | None, typer.Option(help="Rows of a day that one commit takes; a setting otherwise.", min=1)
    ] = None,
) -> None:
    """Bring landing days into Iceberg; a day of very many rows in several commits, audited and published as one."""
    from ecommerce_platform.lakehouse.arrived.arrivals import Intake
    from ecommerce_platform.lakehouse.ingest.ingestion import ingest as bring
    from ecommerce_platform.lakehouse.ingest.job import STEPS, Ingest
    from ecommerce_platform.spark.session import build_session

    if not day:
        say("error: name at least one day: --date 2026-01-01")
        raise typer.Exit(2)
    settings = settings_or_exit()
    if rows_per_part:
        lakehouse = settings.lakehouse.model_copy(update={"rows_per_part": rows_per_part})
        settings = settings.model_copy(update={"lakehouse": lakehouse})
    tables, days = chosen_tables(table), days_of(day)
    with live_progress("steps") as reached:

        def tell(name: str, step: str) -> None:
            say(f"{name}: {step}")
            if step in STEPS:
                reached(name, STEPS.index(step) + 1, len(STEPS))

        for name in tables:
            reached(name, 0, len(STEPS))
        lake, intake, run_id = Lake.of(settings), Intake.of(settings), f"ingest-{uuid4()}"
        job = Ingest(lake, intake, lambda: build_session(settings), run_id, reached=tell)
        results = bring(job, days, tables)
    for name, result in results.items():
        for record in result.records.values():
            state = "published" if record.day in result.published else "unchanged"
            say(
                f"{name} {record.day}: {state}, {record.landed} rows landed, {record.published} published, "
                f"{record.quarantined} quarantined, {record.duplicates} duplicates"
            )
        for refused in result.refused.values():
            say(f"{name} {refused.day} is refused: {refused.reason}")
    raise typer.Exit(1 if any(result.refused for result in results.values()) else 0)
