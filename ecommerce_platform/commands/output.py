"""How commands print (results to stdout, everything else to stderr, days as ISO dates), and the options that several have."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import zip_longest
from typing import Annotated, Any

import typer

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.safe_text import visible
from ecommerce_platform.settings import Settings, SettingsError, load_settings

_GAP = "  "
_NARROWEST = 8


class ListFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


Format = Annotated[ListFormat, typer.Option("--format", help="How the result is printed.")]
Tables = Annotated[list[str] | None, typer.Option("--table", help="A source table; repeat for several.")]
Days = Annotated[list[datetime] | None, typer.Option("--date", formats=["%Y-%m-%d"], help="A day; repeat for several.")]


def say(message: str) -> None:
    """Progress and remarks go to stderr: stdout holds results only."""
    typer.echo(message, err=True)


def settings_or_exit() -> Settings:
    """The settings of the environment; exits with 2, naming the variable, when they cannot be used."""
    try:
        return load_settings()
    except SettingsError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None


def chosen_tables(chosen: list[str] | None) -> list[str]:
    """The tables named on the command line, all when there are none; exits with 2 for any other name."""
    unknown = sorted(set(chosen or ()) - set(source_tables()))
    if unknown:
        say(f"error: no table {', '.join(unknown)}; there are {', '.join(source_tables())}")
        raise typer.Exit(2)
    return chosen or list(source_tables())


def days_of(values: Sequence[datetime] | None) -> list[date]:
    """Days given on the command line."""
    return [value.date() for value in values or ()]


def print_rows(rows: Iterable[Any], output: ListFormat, empty: str) -> None:
    """Prints dataclasses as aligned columns or as a JSON array; `empty` goes to stderr when there are none."""
    records = [asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row) for row in rows]
    if output is ListFormat.JSON:
        typer.echo(json.dumps(records, indent=2, default=str, ensure_ascii=False))
        return
    if not records:
        say(empty)
        return
    # Piped, a row is one line, whatever its length: other programs read it.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table_lines(records, width):
        typer.echo(line)


def table_lines(records: Sequence[Mapping[str, object]], width: int | None) -> list[str]:
    """The records under a header, in aligned columns; in lines of `width` at most, where the widest columns are wrapped.

    A table of so many columns that each would get less than eight characters is as wide as it must be.
    """
    header = list(records[0])
    cells = [header, *([_cell(record[name]) for name in header] for record in records)]
    widths = [max(1, *(len(line[index]) for line in cells)) for index in range(len(header))]
    if width is not None:
        widths = _narrowed(widths, width - len(_GAP) * (len(header) - 1))
    lines = []
    for row in cells:
        parts = [textwrap.wrap(text, size) or [""] for text, size in zip(row, widths, strict=True)]
        for texts in zip_longest(*parts, fillvalue=""):
            line = _GAP.join(text.ljust(size) for text, size in zip(texts, widths, strict=True))
            lines.append(line.rstrip())
    return lines


def _narrowed(widths: list[int], room: int) -> list[int]:
    """The widths, the widest of them made smaller until all fit into `room`, or are `_NARROWEST`."""
    narrowed = list(widths)
    while sum(narrowed) > room and max(narrowed) > _NARROWEST:
        widest = narrowed.index(max(narrowed))
        narrowed[widest] -= 1
    return narrowed


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        shown = [visible(str(item)) for item in value]
        return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} … {shown[-1]} ({len(shown)})"
    return "" if value is None else visible(str(value))
