"""The room's tables in Snowflake: RECONCILIATION.* as DDL.

What belongs here: names, columns, types. What does not: reading and writing them (storage.py).

The columns follow those that data validators use (run, start and end, source and target value, difference, share, threshold,
status, labels), so that a dashboard of one fits the other.
"""

from __future__ import annotations

from ecommerce_platform.warehouse.ddl import literal
from ecommerce_platform.warehouse.migrations import Migration, SchemaVersion

RUNS = "reconciliation.runs"
METRICS = "reconciliation.daily_business_metrics"
LATEST_METRICS = "reconciliation.latest_daily_business_metrics"
DISCREPANCIES = "reconciliation.order_discrepancies"
CONVERGENCE = "reconciliation.convergence"
VERIFIED = "reconciliation.verified_through"

#: A new table needs no step. A new column of a table that is there does, and so does a new view of one.
VERSION = SchemaVersion(
    "reconciliation",
    version_table="reconciliation.schema_version",
    first_table=RUNS,
    migrations=(Migration(1, "the first version"),),
)

RUN_COLUMNS = {
    "run_id": "string not null",
    "start_time": "timestamp_ntz",
    "end_time": "timestamp_ntz",
    "cut_off": "timestamp_ntz",
    "first_day": "date",
    "last_day": "date",
    "dates": "number",
    "orders_differing": "number",
    "orders_lagging": "number",
    "complete": "boolean",
    "verdict": "string",
    "verified_through": "date",
}
METRIC_COLUMNS = {
    "run_id": "string not null",
    "start_time": "timestamp_ntz",
    "end_time": "timestamp_ntz",
    "date": "date not null",
    "metric": "string not null",
    "user_tier": "string not null",
    "speed_value": "number(38, 2)",
    "batch_value": "number(38, 2)",
    "difference": "number(38, 2)",
    "percentage_difference": "number(38, 6)",
    "tolerance": "number(18, 6)",
    "failure": "number(18, 6)",
    "within_tolerance": "boolean",
    "status": "string",
    "cut_off": "timestamp_ntz",
    "lagging_orders": "number",
    "labels": "string",
}
DISCREPANCY_COLUMNS = {
    "date": "date not null",
    "order_id": "number not null",
    "reason": "string not null",
    "state": "string not null",
    "speed_value": "string",
    "batch_value": "string",
    "differing_columns": "string",
    "detail": "string",
    "first_seen": "timestamp_ntz",
    "last_seen": "timestamp_ntz",
    "healed_at": "timestamp_ntz",
    "first_run_id": "string",
    "run_id": "string",
    "speed_lsn": "number",
    "batch_lsn": "number",
    "speed_event_time": "timestamp_ntz",
    "batch_event_time": "timestamp_ntz",
    "landing_date": "date",
    "landing_file": "string",
    "landing_row": "number",
    "iceberg_snapshot_id": "number",
    "batch_id": "string",
}
CONVERGENCE_COLUMNS = {
    "run_id": "string not null",
    "date": "date not null",
    "reconciled_at": "timestamp_ntz not null",
    "cut_off": "timestamp_ntz",
    "suspected": "number",
    "confirmed": "number",
    "healed": "number",
    "lagging": "number",
    "complete": "boolean",
    "converged": "boolean",
    "diverged_at": "timestamp_ntz",
    "converged_at": "timestamp_ntz",
    "seconds_to_convergence": "number",
    "half_life_seconds": "number",
}
VERIFIED_COLUMNS = {
    "verified_through": "date",
    "run_id": "string",
    "recorded_at": "timestamp_ntz",
}

TABLES = {
    RUNS: (RUN_COLUMNS, "One row a reconciliation: what it covered, as of when, and what it found."),
    METRICS: (METRIC_COLUMNS, "Both layers' metrics by business date and tier; one set a reconciliation."),
    DISCREPANCIES: (DISCREPANCY_COLUMNS, "Orders that differ or differed: one row from first seen to healed."),
    CONVERGENCE: (CONVERGENCE_COLUMNS, "How each business date stood at each of its reconciliations."),
    VERIFIED: (VERIFIED_COLUMNS, "One row: the last business date up to which all dates have converged."),
}


def statements() -> list[str]:
    """What creates the tables where they are missing. DDL: never inside a transaction that should roll back."""
    tables = []
    for name, (columns, comment) in TABLES.items():
        listed = ",\n  ".join(f"{column} {type_}" for column, type_ in columns.items())
        tables.append(f"create table if not exists {name} (\n  {listed}\n) comment = {literal(comment)}")
    latest = f"""create view if not exists {LATEST_METRICS} as
select {", ".join(METRIC_COLUMNS)}
from {METRICS}
qualify rank() over (partition by date order by start_time desc, run_id desc) = 1"""
    return ["create schema if not exists reconciliation", *tables, latest]
