"""The command line: `ecommerce-platform …`. Parses, calls the rooms, prints; holds no logic.

Rooms are imported inside the commands: `--help` and `sql` must not pay for Dagster and Spark.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from ecommerce_platform.commands.compare import compare
from ecommerce_platform.commands.contracts import contract_app
from ecommerce_platform.commands.dbt import CONTEXT as DBT_CONTEXT
from ecommerce_platform.commands.dbt import dbt
from ecommerce_platform.commands.forget import forget
from ecommerce_platform.commands.front import Front, options
from ecommerce_platform.commands.ingest import ingest
from ecommerce_platform.commands.init import init
from ecommerce_platform.commands.lakehouse import lakehouse_app, quarantine_app
from ecommerce_platform.commands.maintenance import maintenance
from ecommerce_platform.commands.operations import backfill_app, doctor, metrics
from ecommerce_platform.commands.output import say, settings_or_exit
from ecommerce_platform.commands.reconciliation import explain_app, reconcile_app
from ecommerce_platform.commands.refused import refused_app
from ecommerce_platform.commands.spark import spark_app
from ecommerce_platform.commands.warehouse import rebuild, restatements

app = typer.Typer(
    cls=Front,
    callback=options,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="The batch analytics layer: from change events to reconciled marts.",
)
local_app = typer.Typer(no_args_is_help=True, help="The embedded servers of this data directory.")
warehouse_app = typer.Typer(no_args_is_help=True, help="Snowflake's objects.")
realtime_app = typer.Typer(no_args_is_help=True, help="The speed layer's table in ClickHouse.")
app.add_typer(local_app, name="local")
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(realtime_app, name="realtime")
app.add_typer(lakehouse_app, name="lakehouse")
app.add_typer(contract_app, name="contract")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(refused_app, name="refused")
app.add_typer(reconcile_app, name="reconcile")
app.add_typer(explain_app, name="explain")
app.add_typer(spark_app, name="spark")
app.add_typer(backfill_app, name="backfill")
app.command(epilog="Example: `ecommerce-platform ingest --date 2026-01-01 --rows-per-part 5000000`")(ingest)
app.command(epilog="Example: `ecommerce-platform compare orders.yaml --format json`")(compare)
app.command("init", epilog="Example: `ecommerce-platform init my-platform`")(init)
app.command("dbt", context_settings=DBT_CONTEXT, epilog="Example: `ecommerce-platform dbt build -s marts`")(dbt)
app.command(epilog="Example: `ecommerce-platform maintenance --dry-run`")(maintenance)
app.command("upkeep", hidden=True)(maintenance)  # the command's former name
app.command(epilog='Example: `ecommerce-platform forget user 123 --reason "asked by letter of 2026-02-03"`')(forget)
app.command(epilog="Example: `ecommerce-platform metrics --port 9187`")(metrics)
app.command(epilog="Example: `ECOMMERCE_PROFILE=production ecommerce-platform doctor`")(doctor)
app.command("restatements", epilog="Example: `ecommerce-platform restatements --month 2026-01 --closed-only`")(
    restatements
)
app.command("rebuild", epilog="Example: `ecommerce-platform rebuild raw --from 2026-01-05 --to 2026-01-07`")(rebuild)


class OutputFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command(epilog="Example: `ecommerce-platform demo`")
def demo(
    days: Annotated[int, typer.Option(help="Days of the sample shop.", min=1, max=366)] = 14,
    orders_per_day: Annotated[int, typer.Option(help="Orders a day, about.", min=1)] = 300,
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = 42,
) -> None:
    """Run the whole batch layer on a sample shop and print what came out."""
    from ecommerce_platform.demo.steps import run_demo

    raise typer.Exit(run_demo(settings_or_exit(), days=days, orders_per_day=orders_per_day, seed=seed, say=say))


@app.command(epilog="Example: `ecommerce-platform sample --days 30 --orders-per-day 1000`")
def sample(
    days: Annotated[int, typer.Option(help="Days, from the first partition on.", min=1)] = 14,
    orders_per_day: Annotated[int, typer.Option(help="Orders a day, about.", min=1)] = 300,
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = 42,
    faults: Annotated[bool, typer.Option(help="Plant faults in the speed layer's versions.")] = True,
    overwrite: Annotated[bool, typer.Option(help="Replace what is in the landing folder.")] = False,
) -> None:
    """Write the sample shop's landing files and the speed layer's order versions."""
    from ecommerce_platform.demo.steps import write_sample

    settings = settings_or_exit()
    write_sample(
        settings, days=days, orders_per_day=orders_per_day, seed=seed, faults=faults, overwrite=overwrite, say=say
    )


@realtime_app.command("load", epilog="Example: `ecommerce-platform realtime load data/realtime`")
def realtime_load(
    path: Annotated[str, typer.Argument(help="A Parquet file, or a folder of them, on a disk or on S3.")],
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out rows that the lakehouse would quarantine.")
    ] = False,
) -> None:
    """Fill `orders_realtime` from Parquet with the columns of the orders contract and the CDC metadata."""
    from ecommerce_platform.demo.steps import load_speed_layer
    from ecommerce_platform.speed_layer.realtime import RealtimeLoadError

    try:
        loaded = load_speed_layer(settings_or_exit(), path, skip_unreadable)
    except RealtimeLoadError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    left_out = f", {loaded.skipped} unreadable rows left out" if loaded.skipped else ""
    say(f"{loaded.rows} order versions loaded from {path}{left_out}")


@warehouse_app.command("init", epilog="Example: `ecommerce-platform warehouse init --print`")
def warehouse_init(
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the SQL for an administrator instead, and connect to nothing.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="This installation's lake fills the database from now on, whoever did before."
        ),
    ] = False,
) -> None:
    """Create what the platform needs in Snowflake: database, schemas, tables, warehouse, roles, grants, masking policies."""
    from ecommerce_platform.commands.warehouse import initialise, print_initial_statements

    settings = settings_or_exit()
    if print_only:
        print_initial_statements(settings)
    else:
        initialise(settings, take_over)


@app.command(epilog='Example: `ecommerce-platform sql "select * from marts.daily_business_metrics" --format json`')
def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement, in Snowflake's dialect.")],
    output: Annotated[OutputFormat, typer.Option("--format", help="How the result is printed.")] = OutputFormat.TABLE,
    for_spreadsheets: Annotated[
        bool, typer.Option(help="In CSV, an apostrophe before each text that a spreadsheet would take for a formula.")
    ] = False,
) -> None:
    """Query the warehouse of the current profile; only the result goes to stdout."""
    settings = settings_or_exit()

    from snowflake.connector.errors import Error

    from ecommerce_platform.warehouse.sql.connection import connect
    from ecommerce_platform.warehouse.sql.query import format_result, run_sql

    try:
        with connect(settings) as connection:
            result = run_sql(connection, statement)
    except Error as error:
        say(f"error: {error.msg}")
        raise typer.Exit(1) from None
    sys.stdout.write(format_result(result, output.value, for_spreadsheets))


@local_app.command("up")
def local_up() -> None:
    """Start the embedded servers (commands do so themselves when they need them)."""
    from ecommerce_platform.stand_ins import servers

    settings = settings_or_exit()
    for name, endpoint in servers.ensure_all(settings.data_dir).items():
        say(f"{name}: {endpoint.host}:{endpoint.port}")
    if settings.spark.engine == "server":
        from ecommerce_platform.spark.engine import ensure
        from ecommerce_platform.spark.options import SparkApplication

        endpoint = ensure(SparkApplication.of(settings))
        say(f"spark: {endpoint.host}:{endpoint.port}")


@local_app.command("down")
def local_down() -> None:
    """Stop the embedded servers of this data directory."""
    from ecommerce_platform.stand_ins import servers

    stopped = servers.down(settings_or_exit().data_dir)
    say(f"stopped: {', '.join(stopped) or 'nothing was running'}")


@local_app.command("status")
def local_status() -> None:
    """Which embedded servers run, and where."""
    from ecommerce_platform.stand_ins import servers

    for line in servers.status(settings_or_exit().data_dir):
        typer.echo(str(line))


if __name__ == "__main__":
    # As it is called in the image, too, where no entry point is installed.
    app(prog_name="ecommerce-platform")
