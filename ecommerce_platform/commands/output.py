"""How commands print: results to stdout, everything else to stderr, days as ISO dates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import typer

from ecommerce_platform.settings import Settings, SettingsError, load_settings


class ListFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


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
    header = list(records[0])
    cells = [header, *([_cell(record[name]) for name in header] for record in records)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(header))]
    for line in cells:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        shown = [str(item) for item in value]
        return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} … {shown[-1]} ({len(shown)})"
    return "" if value is None else str(value)
