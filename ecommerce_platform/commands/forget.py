"""`ecommerce-platform forget`: a person is erased wherever the platform keeps rows about people."""

from __future__ import annotations

import getpass
import os
from typing import Annotated
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import ListFormat, print_rows, say, settings_or_exit


def forget(
    table: Annotated[str, typer.Argument(help="Table of the person, as `users` or `user`.")],
    key: Annotated[str, typer.Argument(help="The person's key in that table.")],
    reason: Annotated[str, typer.Option(help="Why, and who asked; kept, so without the person's name.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what holds the person.")] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Nothing else writes now: files that killed writes left may go at once.")
    ] = False,
    output: Annotated[ListFormat, typer.Option("--format", help="How the plan is printed.")] = ListFormat.TABLE,
) -> None:
    """Erase a person: plan, ask, erase, prove. Run it again after it was killed."""
    from ecommerce_platform.contracts import load_contracts
    from ecommerce_platform.erasure.erase import Request, erase, plan
    from ecommerce_platform.erasure.errors import ErasureError
    from ecommerce_platform.erasure.subject import resolve
    from ecommerce_platform.landing.forgotten import ForgottenError

    settings = settings_or_exit()
    try:
        name, number = resolve(load_contracts(), table, key)
        planned = plan(settings, name, number)
        print_rows(planned.holdings, output, f"nothing holds anything personal of {name} {number}")
        if dry_run:
            raise typer.Exit(0)
        if not yes and not typer.confirm(f"Erase {name} {number} from all of this? It cannot be undone", err=True):
            raise typer.Exit(1)
        by = os.environ.get("ECOMMERCE_USER") or getpass.getuser()
        request = Request(settings, name, number, reason, by, f"forget-{uuid4()}", alone, say)
        outcome = erase(request, planned)
    except (ErasureError, ForgottenError) as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    for item in outcome.landing_left:
        say(f"left for its owner: landing {item.table}/{item.file.path}: {item.rows} rows: {item.problem}")
    for holding in outcome.left:
        say(f"left: {holding.place} {holding.what}: {holding.rows} rows {holding.owner}".rstrip())
    say(
        "forgotten: no place holds anything personal of this person"
        if outcome.complete
        else "not complete; run it again"
    )
    raise typer.Exit(0 if outcome.complete else 1)
