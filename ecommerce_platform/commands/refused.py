"""`ecommerce-platform refused …`: days that the audit refused, looked at, published by hand, or dropped."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated, NoReturn
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import Format, ListFormat, print_rows, say, settings_or_exit
from ecommerce_platform.contracts import Contract, load_contracts, source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.next_commands import launch_command

refused_app = typer.Typer(no_args_is_help=True, help="Days that the audit refused.")

Table = Annotated[str, typer.Argument(help="A source table.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The landing day.")]


def _contract(table: str) -> Contract:
    if table not in source_tables():
        say(f"error: no table {table}; there are {', '.join(source_tables())}")
        raise typer.Exit(2)
    return load_contracts()[table]


def _fail(error: Exception) -> NoReturn:
    say(f"error: {error}")
    raise typer.Exit(1) from None


def _say_next(table: str, day: date) -> None:
    selection = f'key:"iceberg/{table}"+'
    say(f"next: {launch_command(selection)} --partition {day}")


@refused_app.command("list", epilog="Example: `ecommerce-platform refused list --all`")
def refused_list(
    everything: Annotated[bool, typer.Option("--all", help="Days published by hand, too.")] = False,
    output: Format = ListFormat.TABLE,
) -> None:
    """List the days that the audit refused, with their reasons and the branches that keep them."""
    from ecommerce_platform.lakehouse.by_hand.refused_days import decided_days

    print_rows(decided_days(Lake.of(settings_or_exit()), published=everything), output, "no day is refused")


@refused_app.command("show", epilog="Example: `ecommerce-platform refused show orders 2026-01-05`")
def refused_show(table: Table, day: Day, output: Format = ListFormat.TABLE) -> None:
    """Show why a day was refused: what the audit measured, what is in quarantine, and rows of its branch."""
    from ecommerce_platform.lakehouse.by_hand.refused_days import show_refused
    from ecommerce_platform.lakehouse.errors import OverruleError

    try:
        story = show_refused(Lake.of(settings_or_exit()), _contract(table), day.date())
    except OverruleError as error:
        _fail(error)
    fields = asdict(story)
    if output is ListFormat.JSON:
        typer.echo(json.dumps(fields, indent=2, default=str, ensure_ascii=False))
        return
    quarantined, sample = fields.pop("quarantined"), fields.pop("sample")
    audited = fields.pop("audited") or {}
    for name, value in {**fields, **audited}.items():
        typer.echo(f"{name:22} {'' if value is None else value}")
    if quarantined:
        typer.echo("\nin quarantine:")
        print_rows(quarantined, output, "")
    if sample:
        typer.echo("\nrows on the branch:")
        print_rows(sample, output, "")


@refused_app.command(
    "publish",
    epilog="Example: `ecommerce-platform refused publish orders 2026-01-05 --reason 'known bad export, agreed with sales'`",
)
def refused_publish(
    table: Table,
    day: Day,
    reason: Annotated[str, typer.Option(help="Why it is right to publish; recorded with the day.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Give up the published events that the day's files no longer have.")
    ] = False,
) -> None:
    """Publish a refused day exactly as it was audited; who, when and why are recorded with it.

    A day that is refused because published events are gone is published, without them, with --withdraw only.
    """
    from ecommerce_platform.lakehouse.by_hand.refused import Decision, publish_refused
    from ecommerce_platform.lakehouse.days.ledger import named_as_stored
    from ecommerce_platform.lakehouse.errors import LakehouseError

    now = datetime.now(UTC).isoformat(timespec="seconds")
    decision = Decision(reason, getpass.getuser(), now, f"hand-{uuid4()}", withdraw=withdraw)
    try:
        record = publish_refused(Lake.of(settings_or_exit()), _contract(table), day.date(), decision)
    except LakehouseError as error:
        _fail(error)
    typer.echo(json.dumps(named_as_stored(record), indent=2, default=str, ensure_ascii=False))
    _say_next(table, record.day)


@refused_app.command("drop", epilog="Example: `ecommerce-platform refused drop orders 2026-01-05`")
def refused_drop(table: Table, day: Day) -> None:
    """Forget a refusal with its branch and its quarantined rows; what is published of the day stays."""
    from ecommerce_platform.lakehouse.by_hand.refused import drop_refused
    from ecommerce_platform.lakehouse.errors import LakehouseError

    try:
        item = drop_refused(Lake.of(settings_or_exit()), _contract(table), day.date())
    except LakehouseError as error:
        _fail(error)
    say(f"{table} {item.day}: the refusal, {item.branch or 'no branch'} and its quarantined rows are dropped")
    say(
        "materializing the day again reads its files again: the same files are refused again, mended ones are audited; "
        "until then what was published before stays"
    )
