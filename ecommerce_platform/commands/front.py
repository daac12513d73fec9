"""The frame of every command: trouble ends in one paragraph on stderr and exit code 1; `--debug` shows the traceback.

What belongs here: catching. What does not: the words (troubles.py), and errors that a command itself expects.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer._click import Context
from typer._click.exceptions import ClickException
from typer.core import TyperGroup

from ecommerce_platform.commands.output import say
from ecommerce_platform.troubles import paragraph

FAILED = 1


class Front(TyperGroup):
    """The root of the command line."""

    def invoke(self, ctx: Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ClickException, typer.Abort, typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            say(f"error: {paragraph(error)}")
            raise typer.Exit(FAILED) from None


def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, before the command's name.")
    ] = False,
) -> None:
    """The batch analytics layer: from change events to reconciled marts."""
