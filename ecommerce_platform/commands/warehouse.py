"""`ecommerce-platform warehouse init`, `restatements` and `rebuild`: Snowflake's objects, published figures that changed, and
tables made again from Iceberg."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import ListFormat, print_rows, say, settings_or_exit
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.live_progress import live_progress
from ecommerce_platform.settings import Settings

if TYPE_CHECKING:
    from ecommerce_platform.warehouse.load.rebuild import Range

FirstDay = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First landing day; else the first there is.")
]
LastDay = Annotated[
    datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last landing day; else the last there is.")
]
Format = Annotated[ListFormat, typer.Option("--format", help="How the result is printed.")]


class What(StrEnum):
    RAW = "raw"
    STAGING = "staging"
    MARTS = "marts"
    ALL = "all"


def initialise(settings: Settings, take_over: bool = False) -> None:
    """`warehouse init`: says what was done, a line each."""
    from ecommerce_platform.iceberg.installation import read_marker
    from ecommerce_platform.iceberg.lake import Lake
    from ecommerce_platform.transformation.project.manifest import DbtProject
    from ecommerce_platform.transformation.project.protect import protect_models
    from ecommerce_platform.warehouse.schema.owner import take_over as give_to_this_lake
    from ecommerce_platform.warehouse.schema.upgrade import initialise_account
    from ecommerce_platform.warehouse.sql.connection import WarehouseError, connect

    try:
        for line in initialise_account(settings):
            say(line)
        with connect(settings, role=settings.snowflake.admin_role) as connection:
            for line in protect_models(connection, DbtProject.of(settings), settings.snowflake):
                say(line)
            if take_over:
                say(give_to_this_lake(connection, read_marker(Lake.of(settings)), settings.snowflake.database))
    except WarehouseError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None


def print_initial_statements(settings: Settings) -> None:
    """`warehouse init --print`: what it would send to a new account, as a script."""
    from ecommerce_platform.contracts import load_contracts
    from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest
    from ecommerce_platform.transformation.project.protect import masks_of_new_models
    from ecommerce_platform.warehouse.schema.upgrade import initial_statements

    for statement in initial_statements(settings.snowflake):
        typer.echo(f"{statement};")
    if settings.snowflake.masking:
        typer.echo("-- The models: each build masks the tables that it makes, then grants them to analysts.")
        for statement in masks_of_new_models(load_manifest(DbtProject.of(settings)), load_contracts()):
            typer.echo(f"{statement};")


def restatements(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Restated on this day (UTC) or later.")
    ] = None,
    month: Annotated[datetime | None, typer.Option(formats=["%Y-%m"], help="Business dates of this month.")] = None,
    closed_only: Annotated[
        bool, typer.Option("--closed-only", help="Only what changed after its month closed.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="One mart, such as daily_business_metrics.")] = None,
    output: Format = ListFormat.TABLE,
) -> None:
    """List which published figures changed, when, from what to what, and by which loads."""
    from ecommerce_platform.transformation.results.restatements import restatements as read
    from ecommerce_platform.warehouse.schema.upgrade import ensure_current
    from ecommerce_platform.warehouse.sql.connection import connect

    with connect(settings_or_exit()) as connection:
        ensure_current(connection)
        entries = read(
            connection,
            since=since.date() if since else None,
            month=month.date() if month else None,
            closed_only=closed_only,
            model=model,
        )
    print_rows(entries, output, "no published figure was restated")


def rebuild(
    what: Annotated[What, typer.Argument(help="Staging means all models; all means RAW and all models.")],
    first: FirstDay = None,
    last: LastDay = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing: compare RAW with Iceberg and name damaged days.")
    ] = False,
) -> None:
    """Make RAW, staging or marts again from what Iceberg has published, and compare; readers keep the last good state."""
    from ecommerce_platform.transformation.builds.runner import DbtRunError
    from ecommerce_platform.warehouse.load.rebuild import Range
    from ecommerce_platform.warehouse.sql.connection import WarehouseError

    settings = settings_or_exit()
    days = Range(first.date() if first else None, last.date() if last else None)
    if days.first and days.last and days.first > days.last:
        say(f"error: --from {days.first} is after --to {days.last}")
        raise typer.Exit(2)
    if verify and what not in (What.RAW, What.ALL):
        say("error: --verify compares RAW with Iceberg; a model is compared by rebuilding it")
        raise typer.Exit(2)
    try:
        equal = _verify(settings, days) if verify else _rebuild(settings, what, days)
    except (WarehouseError, DbtRunError) as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    raise typer.Exit(0 if equal else 1)


def _verify(settings: Settings, days: Range) -> bool:
    from ecommerce_platform.warehouse.load.lake_files import LoadSource
    from ecommerce_platform.warehouse.load.rebuild import verify_raw
    from ecommerce_platform.warehouse.sql.connection import connect

    with connect(settings) as connection, live_progress("days") as reached:
        verdicts = verify_raw(LoadSource.of(settings), connection, source_tables(), days, reached)
    damaged = [verdict for verdict in verdicts if verdict.problem]
    for verdict in damaged:
        typer.echo(f"{verdict.table} {verdict.day}: {verdict.problem}")
    say(
        f"{len(verdicts) - len(damaged)} of {len(verdicts)} days of {len(source_tables())} tables are as Iceberg has them"
    )
    return not damaged


def _rebuild(settings: Settings, what: What, days: Range) -> bool:
    from ecommerce_platform.transformation.builds.rebuild import Models, rebuild_models
    from ecommerce_platform.warehouse.load.lake_files import LoadSource
    from ecommerce_platform.warehouse.load.rebuild import rebuild_raw, rebuild_spark_copies
    from ecommerce_platform.warehouse.sql.connection import connect

    run_id = f"rebuild-{uuid4()}"
    source, opener = LoadSource.of(settings), partial(connect, settings, run_id)
    equal = True
    if what in (What.RAW, What.ALL):
        with live_progress("days") as reached:
            equal = rebuild_raw(source, opener, source_tables(), days, run_id, say, reached)
        if days.is_everything:
            rebuild_spark_copies(source, opener, run_id, say)
    if what is not What.RAW:
        models = Models.MARTS if what is What.MARTS else Models.STAGING
        with live_progress("models and tests") as reached:
            rebuild_models(settings, opener, models, days, run_id, say, reached)
    return equal
