"""`ecommerce-platform compare`: any ClickHouse table against any Snowflake table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from ecommerce_platform.commands.output import Format, ListFormat, print_rows, say, settings_or_exit
from ecommerce_platform.reconciliation.model import ReconciliationError

ROWS_SHOWN = 100


def compare(
    file: Annotated[Path, typer.Argument(help="YAML: two tables, their key, columns, tolerances and filters.")],
    output: Format = ListFormat.TABLE,
    run_id: Annotated[str | None, typer.Option(help="Name of this run in the results; a new one each time.")] = None,
) -> None:
    """Compare a ClickHouse table with a Snowflake table; the exit code is 0 when all rows agree, 1 when not, 2 on errors."""
    from ecommerce_platform.reconciliation.command import compare_tables
    from ecommerce_platform.reconciliation.compare.results import as_json

    try:
        comparison = compare_tables(settings_or_exit(), file, run_id or f"compare-{uuid4()}")
    except ReconciliationError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None
    result = as_json(comparison)
    if output is ListFormat.JSON:
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        rows = [
            item | {name: json.dumps(item[name], ensure_ascii=False) for name in ("key", "clickhouse", "snowflake")}
            for item in result["findings"][:ROWS_SHOWN]
        ]
        print_rows(rows, output, "no row differs")
        if (more := len(result["findings"]) - ROWS_SHOWN) > 0:
            say(f"… and {more:,} more: --format json shows all")
        say(result["verdict"])
    raise typer.Exit(0 if comparison.equal else 1)
