"""`ecommerce-platform lakehouse …`, `quarantine …`: the lakehouse, looked at and mended by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from ecommerce_platform.commands.output import (
    Days,
    Format,
    ListFormat,
    Tables,
    chosen_tables,
    days_of,
    print_rows,
    say,
    settings_or_exit,
)
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.next_commands import launch_command

quarantine_app = typer.Typer(no_args_is_help=True, help="Rows that cannot be valid change events.")
lakehouse_app = typer.Typer(no_args_is_help=True, help="The Iceberg tables and their catalog.")


@lakehouse_app.command("register", epilog="Example: `ecommerce-platform lakehouse register --dry-run`")
def lakehouse_register(
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            help="TABLE=FILE: the metadata file to take where several histories lie in one folder; repeatable."
        ),
    ] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="The warehouse is another catalog's, which is refused from now on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    output: Format = ListFormat.TABLE,
) -> None:
    """Bring tables that the catalog lost back from their newest metadata files; exits with 1 where a choice is needed."""
    from ecommerce_platform.iceberg.register import UNDECIDED, RegisterError, register

    chosen = {}
    for pair in metadata or ():
        table, separator, file = pair.partition("=")
        if not (table and separator and file):
            say(f"error: --metadata {pair}: expected TABLE=FILE, such as ecommerce.orders=00012-….metadata.json")
            raise typer.Exit(2)
        chosen[table] = file
    try:
        registrations = register(Lake.of(settings_or_exit()), chosen=chosen, take=take_over, dry_run=dry_run)
    except RegisterError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    print_rows(registrations, output, "no table lies in the warehouse")
    undecided = [item for item in registrations if item.outcome == UNDECIDED]
    for item in undecided:
        say(f"error: table {item.table}: {item.remark}; name the one to take: --metadata {item.table}=FILE")
    raise typer.Exit(1 if undecided else 0)


@lakehouse_app.command("check-analytics", epilog="Example: `ecommerce-platform lakehouse check-analytics`")
def check_analytics(output: Format = ListFormat.TABLE) -> None:
    """Hold Spark's analytics against what all events give, row for row, and change none; exits with 1 where they differ."""
    from ecommerce_platform.analytics.assets import published_input
    from ecommerce_platform.analytics.compute import compare_with_all_events
    from ecommerce_platform.analytics.tables import AnalyticsError
    from ecommerce_platform.business_span import BusinessSpan
    from ecommerce_platform.spark.session import build_session

    settings = settings_or_exit()
    lake = Lake.of(settings)
    published = published_input(lake, BusinessSpan.of(settings))
    try:
        compared = compare_with_all_events(lambda: build_session(settings), lake, published)
    except AnalyticsError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    print_rows(compared, output, "")
    differing = [item.table for item in compared if item.differing]
    if differing:
        say(
            f"error: {', '.join(differing)}: not what all events give; the next day's run compares again and puts the right rows "
            "in their place (unless ECOMMERCE_SPARK__ANALYTICS_CHECK_EVERY_DAYS is 0); report this as a fault of the platform"
        )
    raise typer.Exit(1 if differing else 0)


@quarantine_app.command("list", epilog="Example: `ecommerce-platform quarantine list --table orders`")
def quarantine_list(table: Tables = None, day: Days = None, output: Format = ListFormat.TABLE) -> None:
    """Count rows in quarantine by table, day, reason and column."""
    from ecommerce_platform.lakehouse.by_hand.inspection import count_quarantined, quarantined_rows

    rows = quarantined_rows(Lake.of(settings_or_exit()), chosen_tables(table), days_of(day))
    print_rows(count_quarantined(rows), output, "nothing is in quarantine")


@quarantine_app.command("show", epilog="Example: `ecommerce-platform quarantine show --table orders --date 2026-01-05`")
def quarantine_show(table: Tables = None, day: Days = None, output: Format = ListFormat.TABLE) -> None:
    """Show rows in quarantine: file, position, reason, and the original values."""
    from ecommerce_platform.lakehouse.by_hand.inspection import quarantined_rows

    rows = quarantined_rows(Lake.of(settings_or_exit()), chosen_tables(table), days_of(day))
    print_rows(rows, output, "nothing is in quarantine")


@quarantine_app.command("replay", epilog="Example: `ecommerce-platform quarantine replay --table orders`")
def quarantine_replay(table: Tables = None, day: Days = None) -> None:
    """Decode the days with quarantined rows again, after a fix of the contract: rows that now fit enter their day, once."""
    from uuid import uuid4

    from ecommerce_platform.lakehouse.arrived.arrivals import Intake
    from ecommerce_platform.lakehouse.by_hand.inspection import quarantined_rows
    from ecommerce_platform.lakehouse.ingest.ingestion import ingest
    from ecommerce_platform.lakehouse.ingest.job import Ingest
    from ecommerce_platform.spark.session import build_session

    settings = settings_or_exit()
    lake = Lake.of(settings)
    rows = quarantined_rows(lake, chosen_tables(table), days_of(day))
    if not rows:
        say("nothing is in quarantine")
        return
    days = sorted({row.day for row in rows})
    job = Ingest(lake, Intake.of(settings), lambda: build_session(settings), f"replay-{uuid4()}", force=True)
    results = ingest(job, days, sorted({row.table for row in rows}, key=source_tables().index))
    for name, result in results.items():
        left = sum(record.quarantined for record in result.records.values())
        before = sum(1 for row in rows if row.table == name)
        say(f"{name}: {before} rows were in quarantine, {left} are left")
        for item in result.refused.values():
            say(f"{name} {item.day} is refused: {item.reason}")
    say(f"next: {launch_command('*')} --partition-range {days[0]}...{days[-1]}")
    raise typer.Exit(1 if any(result.refused for result in results.values()) else 0)
