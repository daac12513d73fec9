"""`ecommerce-platform reconcile …` and `explain …`: the two layers, compared from the command line."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import Format, ListFormat, days_of, print_rows, say, settings_or_exit
from ecommerce_platform.live_progress import live_progress
from ecommerce_platform.reconciliation.model import FailOn, ReconciliationError

reconcile_app = typer.Typer(help="Speed layer against batch layer.")
explain_app = typer.Typer(no_args_is_help=True, help="The story of one thing across both layers.")


class YesNo(StrEnum):
    YES = "yes"
    NO = "no"


Days = Annotated[
    list[datetime] | None, typer.Option("--date", formats=["%Y-%m-%d"], help="A landing day; repeat for several.")
]


@reconcile_app.callback(
    invoke_without_command=True,
    epilog="Example: `ecommerce-platform reconcile --date 2026-01-05 --fail-on confirmed --format json`",
)
def reconcile(
    context: typer.Context,
    day: Days = None,
    fail_on: Annotated[FailOn, typer.Option(help="What makes the exit code 1.")] = FailOn.CONFIRMED,
    output: Format = ListFormat.TABLE,
) -> None:
    """Reconcile what the changes of the days touch, and what has not converged; without a day, the latter alone."""
    if context.invoked_subcommand:
        return
    from ecommerce_platform.reconciliation.command import exit_code, reconcile_days
    from ecommerce_platform.reconciliation.present.report import as_json

    try:
        with live_progress("parts") as reached:
            reconciliation = reconcile_days(settings_or_exit(), days_of(day), f"cli-{uuid4()}", say, reached)
    except ReconciliationError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None
    result = as_json(reconciliation)
    if output is ListFormat.JSON:
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        columns = ("date", "order_id", "reason", "state", "speed_value", "batch_value", "landing_file")
        rows = [{name: item[name] for name in columns} for item in result["discrepancies"]]
        print_rows(rows, output, "no order differs")
        say(f"{result['verdict']}; verified through {result['verified_through']}, cut-off {result['cut_off']}")
    raise typer.Exit(exit_code(reconciliation, fail_on))


@reconcile_app.command("plan", epilog="Example: `ecommerce-platform reconcile plan`")
def reconcile_plan(output: Format = ListFormat.TABLE) -> None:
    """Say which partitions to run again to mend which findings."""
    from ecommerce_platform.reconciliation.record.storage import open_store
    from ecommerce_platform.reconciliation.verdicts.plan import repair_plan

    settings = settings_or_exit()
    with open_store(settings, "plan") as store:
        steps = repair_plan(store.open_discrepancies(), settings.landing_uri)
    print_rows(steps, output, "nothing to mend: no discrepancy is open")


@reconcile_app.command("report", epilog="Example: `ecommerce-platform reconcile report --date 2026-01-05 --open no`")
def reconcile_report(
    day: Annotated[
        list[datetime] | None,
        typer.Option(
            "--date", formats=["%Y-%m-%d"], help="A business date; repeat for several. None: all not converged."
        ),
    ] = None,
    opened: Annotated[YesNo, typer.Option("--open", help="Show the page in a browser.")] = YesNo.YES,
    output: Format = ListFormat.TABLE,
) -> None:
    """Write the HTML report of the days and the overview of all, and say where they are."""
    import webbrowser
    from pathlib import Path

    from ecommerce_platform.reconciliation.command import write_reports
    from ecommerce_platform.reconciliation.present.publish import Place
    from ecommerce_platform.reconciliation.record.storage import open_store

    settings = settings_or_exit()
    try:
        with open_store(settings, "report") as store:
            place = Place.of(settings.reconciliation.reports_uri, settings.s3)
            written = write_reports(store, place, days_of(day))
    except (ReconciliationError, OSError) as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None
    print_rows([{"report": name, "where": where} for name, where in written.items()], output, "nothing written")
    page = Path(written[day[0].date().isoformat()] if day else written["overview"])
    if opened is YesNo.YES and page.is_file():
        webbrowser.open(page.as_uri())


@explain_app.command("order", epilog="Example: `ecommerce-platform explain order 123`")
def explain_order(order_id: Annotated[int, typer.Argument(help="The order's key in PostgreSQL.")]) -> None:
    """Print an order's whole story: every event with its file, what each layer holds, and why they differ."""
    from ecommerce_platform.reconciliation.command import opened
    from ecommerce_platform.reconciliation.present.story import order_story, tell

    try:
        with opened(settings_or_exit(), f"explain-{order_id}") as (layers, store):
            lines = tell(order_story(layers, store, order_id))
        for line in lines:
            typer.echo(line)
    except ReconciliationError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None
