"""Queries for people: `ecommerce-platform sql`.

What belongs here: running one statement and printing its result. What does not: the command line (cli.py).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from ecommerce_platform.safe_text import no_formula, visible

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

Format = Literal["table", "json", "csv"]


@dataclass(frozen=True)
class QueryResult:
    """Column names, in lower case where Snowflake folded them to upper, and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def run_sql(connection: SnowflakeConnection, statement: str, parameters: Sequence[object] = ()) -> QueryResult:
    """The result of one statement; `%s` in it stand for `parameters`. Raises the connector's errors."""
    cursor = connection.cursor()
    cursor.execute(statement, tuple(parameters) or None)
    columns = tuple(_shown_name(column.name) for column in cursor.description or ())
    return QueryResult(columns, tuple(tuple(row) for row in cursor.fetchall()))


def format_result(result: QueryResult, output: str = "table", for_spreadsheets: bool = False) -> str:
    """The result as text, ending with a newline. Raises ValueError for an unknown format.

    json: an array of objects; decimals are strings, timestamps ISO 8601 without offset (UTC), dates YYYY-MM-DD. The second column
    of a name is `name_2`, because an object has each name once; table and csv repeat the name.
    csv: a header and one line a row; a null is an empty field, an empty text is "". `for_spreadsheets` puts an apostrophe before
    a text that a spreadsheet would take for a formula. table: characters that a terminal would obey are shown as escapes.
    """
    if output == "json":
        keys = _distinct(result.columns)
        objects = [dict(zip(keys, map(_json_value, row), strict=True)) for row in result.rows]
        return json.dumps(objects, indent=2, ensure_ascii=False) + "\n"
    if output == "csv":
        return _csv(result, for_spreadsheets)
    if output == "table":
        return _table(result)
    raise ValueError(f"format {output!r} is unknown; expected table, json or csv")


def _shown_name(name: str) -> str:
    return name.lower() if name == name.upper() else name


def _distinct(columns: Sequence[str]) -> list[str]:
    """The names, each once: those that come again are numbered from 2, past any name that is there."""
    names: dict[str, None] = {}
    for column in columns:
        name, number = column, 2
        while name in names or (name != column and name in columns):
            name, number = f"{column}_{number}", number + 1
        names[name] = None
    return list(names)


def _json_value(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return value_text(value)


def value_text(value: object) -> str:
    """A value as every format but JSON shows it; see `format_result`."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _csv(result: QueryResult, for_spreadsheets: bool = False) -> str:
    text = io.StringIO()
    # QUOTE_NOTNULL would tell a null from an empty text, and comes with Python 3.12: quote what is text instead.
    heads = [no_formula(name) if for_spreadsheets else name for name in result.columns]
    csv.writer(text, lineterminator="\n").writerow(heads)
    for row in result.rows:
        fields = []
        for value in row:
            field = "" if value is None else value_text(value)
            if for_spreadsheets and isinstance(value, str):
                field = no_formula(field)
            needs_quotes = value == "" or any(character in field for character in ',"\n\r')
            fields.append('"' + field.replace('"', '""') + '"' if needs_quotes else field)
        text.write(",".join(fields) + "\n")
    return text.getvalue()


def _table(result: QueryResult) -> str:
    cells = [["NULL" if value is None else visible(value_text(value)) for value in row] for row in result.rows]
    heads = [visible(name) for name in result.columns]
    widths = [
        max(len(name), *(len(row[position]) for row in cells)) if cells else len(name)
        for position, name in enumerate(heads)
    ]
    numeric = [
        any(isinstance(row[position], int | float | Decimal) for row in result.rows)
        for position in range(len(result.columns))
    ]

    def line(values: Sequence[str]) -> str:
        aligned = (
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    lines = [line(heads), "  ".join("-" * width for width in widths), *map(line, cells)]
    return "\n".join(lines) + "\n"
