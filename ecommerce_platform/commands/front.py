"""The frame of every command: trouble ends in one paragraph on stderr and exit code 1; `--debug` shows the traceback.

A command that is stopped, by ctrl-C or SIGTERM, ends within 20 seconds, in one line and with the exit code of that signal.

What belongs here: catching. What does not: the words (troubles.py), and errors that a command itself expects.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ecommerce_platform.commands.output import say
from ecommerce_platform.execution.ending import asked, ending_in_time
from ecommerce_platform.troubles import paragraph

FAILED = 1


class Front(TyperGroup):
    """The root of the command line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with ending_in_time():
                return super().invoke(ctx)
        except (typer.TyperException, typer.Abort, typer.Exit, BrokenPipeError):
            raise
        except BaseException as error:
            if (number := asked()) is not None:
                say(f"stopped by {number.name}: what was finished stays; to go on, run the same command again")
                raise typer.Exit(128 + number) from None
            if ctx.params.get("debug") or not isinstance(error, Exception):
                raise
            say(f"error: {paragraph(error)}")
            raise typer.Exit(FAILED) from None


def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, before the command's name.")
    ] = False,
) -> None:
    """The batch analytics layer: from change events to reconciled marts."""
