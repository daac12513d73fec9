"""A comparison's results as rows that data validators use, as JSON, and in a table.

What belongs here: rows out. What does not: what differs (run.py).

The rows: `count` (rows of both sides), `sum` of each number beside the key, and `rows`: of all keys, how many differ.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ecommerce_platform.reconciliation.compare.run import Compared
from ecommerce_platform.reconciliation.compare.verdicts import RowFinding
from ecommerce_platform.reconciliation.verdicts.explain import plain
from ecommerce_platform.reconciliation.verdicts.verdict import percentage_difference, status_of
from ecommerce_platform.warehouse.sql.connection import execute, quoted, transaction

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

COLUMNS = {
    "run_id": "string not null",
    "start_time": "timestamp_ntz",
    "end_time": "timestamp_ntz",
    "validation_name": "string not null",
    "validation_type": "string not null",
    "source_table": "string",
    "target_table": "string",
    "column_name": "string",
    "source_value": "number(38, 6)",
    "target_value": "number(38, 6)",
    "difference": "number(38, 6)",
    "pct_difference": "number(38, 6)",
    "pct_threshold": "number(18, 6)",
    "status": "string",
    "labels": "string",
}


@dataclass(frozen=True)
class ResultRow:
    """One figure of a comparison. Shares, not percents: 0.05 is 5 %. ClickHouse is the source, Snowflake the target."""

    run_id: str
    start_time: datetime
    end_time: datetime
    validation_name: str
    validation_type: str
    source_table: str
    target_table: str
    column_name: str | None
    source_value: Decimal
    target_value: Decimal
    difference: Decimal
    pct_difference: Decimal
    pct_threshold: Decimal
    status: str
    labels: str


def result_rows(compared: Compared) -> list[ResultRow]:
    """The figures of a comparison."""
    rows = [
        _figure(
            compared, "count", None, Decimal(compared.clickhouse.rows), Decimal(compared.snowflake.rows), Decimal(0)
        )
    ]
    for name, left in compared.clickhouse.sums.items():
        right = compared.snowflake.sums[name]
        threshold = compared.comparison.columns[name].threshold
        rows.append(_figure(compared, "sum", name, left or Decimal(0), right or Decimal(0), threshold))
    keys = Decimal(max(compared.clickhouse.rows, compared.snowflake.rows))
    agreeing = keys - len(compared.findings)
    row = _figure(compared, "rows", None, agreeing, keys, Decimal(0))
    # A search that was cut short has proved nothing of the rest.
    return [*rows, row if compared.stopped_by is None else _failed(row)]


def _figure(
    compared: Compared, kind: str, column: str | None, source: Decimal, target: Decimal, threshold: Decimal
) -> ResultRow:
    comparison = compared.comparison
    return ResultRow(
        compared.run_id,
        compared.start_time,
        compared.end_time,
        comparison.name,
        kind,
        comparison.clickhouse.table,
        comparison.snowflake.table,
        column,
        source,
        target,
        abs(source - target),
        percentage_difference(source, target),
        threshold,
        "success" if status_of(source, target, threshold, threshold) == "ok" else "fail",
        ",".join(f"{name}={value}" for name, value in sorted(comparison.labels.items())),
    )


def _failed(row: ResultRow) -> ResultRow:
    from dataclasses import replace

    return replace(row, status="fail")


def as_json(compared: Compared, most: int | None = None) -> dict[str, Any]:
    """The whole result for machines: decimals as strings, times in ISO form, UTC."""
    reasons = Counter(finding.reason.value for finding in compared.findings)
    return {
        "run_id": compared.run_id,
        "name": compared.comparison.name,
        "start_time": plain(compared.start_time),
        "end_time": plain(compared.end_time),
        "equal": compared.equal,
        "complete": compared.stopped_by is None,
        "verdict": compared.verdict,
        "reasons": dict(sorted(reasons.items())),
        "row_checksums_fetched": compared.located.rows_fetched,
        "results": [
            {name: plain(value) if not isinstance(value, str) else value for name, value in vars(row).items()}
            for row in result_rows(compared)
        ],
        "findings": [finding_json(compared, finding) for finding in compared.findings[:most]],
    }


def finding_json(compared: Compared, finding: RowFinding) -> dict[str, Any]:
    """One finding for machines."""
    sides = {"clickhouse": finding.clickhouse, "snowflake": finding.snowflake}
    return {
        "key": {name: plain(value) for name, value in zip(compared.comparison.key, finding.key, strict=True)},
        "reason": finding.reason.value,
        "columns": list(finding.columns),
        **{
            side: None if values is None else {name: plain(value) for name, value in values.items()}
            for side, values in sides.items()
        },
    }


def write_results(connection: SnowflakeConnection, table: str, compared: Compared) -> None:
    """Add the figures to `table`, which is made when it is missing; the same run id a second time replaces the first."""
    name = ".".join(quoted(part) for part in table.split("."))
    columns = ", ".join(f"{column} {type_}" for column, type_ in COLUMNS.items())
    execute(connection, f"create table if not exists {name} ({columns})")
    rows = [[_cell(getattr(row, column)) for column in COLUMNS] for row in result_rows(compared)]
    picked = ", ".join(
        f"entry.value[{place}]::{type_.removesuffix(' not null')}" for place, type_ in enumerate(COLUMNS.values())
    )
    with transaction(connection):
        execute(connection, f"delete from {name} where run_id = %s", (compared.run_id,))
        execute(
            connection,
            f"insert into {name} ({', '.join(COLUMNS)}) select {picked} "
            "from table(flatten(input => parse_json(%s))) as entry",
            (json.dumps(rows, ensure_ascii=False),),
        )


def _cell(value: object) -> str | None:
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None))
    return None if value is None else str(value)
