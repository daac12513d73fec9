"""`ecommerce-platform dbt …`: dbt by hand, with the connection, the variables and the folders of the platform."""

from __future__ import annotations

from typing import Annotated

import typer

from ecommerce_platform.commands.output import say, settings_or_exit

#: What follows is dbt's, also its options.
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}


def dbt(
    context: typer.Context,
    sources_from: Annotated[
        str | None,
        typer.Option(
            help="Database whose RAW tables are read, where ECOMMERCE_SNOWFLAKE__DATABASE is one of your own."
        ),
    ] = None,
) -> None:
    """Run a command of dbt's, such as `build -s marts`; its options follow it. Builds wait for no other: they fail at once."""
    from ecommerce_platform.transformation.project.by_hand import run_by_hand

    if not context.args:
        say("error: name a command of dbt's, such as build -s marts, test, docs generate, source freshness")
        raise typer.Exit(2)
    code = run_by_hand(settings_or_exit(), context.args, sources_from)
    if code:
        say(f"error: dbt ended with exit code {code}; what it says is above")
    raise typer.Exit(code)
