"""`ecommerce-platform init`: a project folder for those who do not want to fork the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecommerce_platform.commands.output import say


def init(folder: Annotated[Path, typer.Argument(help="A folder that is not there yet, or is empty.")]) -> None:
    """Make a project folder: settings, contracts and models of your own, workspace, CI; the platform stays a package."""
    from ecommerce_platform.new_project import NewProjectError, create_project

    try:
        files = create_project(folder)
    except (NewProjectError, OSError) as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    say(f"{folder}: {len(files)} files. Next: read {folder / 'README.md'}, then")
    say(f"  cd {folder} && make demo")
