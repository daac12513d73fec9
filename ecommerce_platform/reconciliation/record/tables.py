"""The room's tables in Snowflake: RECONCILIATION.* as DDL.

What belongs here: names, columns, types and what each means. What does not: reading and writing them (storage.py).

The columns follow those that data validators use (run, start and end, source and target value, difference, share, threshold,
status, labels), so that a dashboard of one fits the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.warehouse.schema.ddl import literal
from ecommerce_platform.warehouse.schema.migrations import Migration, SchemaVersion

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


@dataclass(frozen=True)
class ReconciliationTable:
    """A table of the room: full name, what a row is, and its columns in order."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _text(name: str, description: str, required: bool = False) -> Column:
    return Column(name, LogicalType.TEXT, description, required)


def _number(name: str, description: str, required: bool = False) -> Column:
    return Column(name, LogicalType.BIGINT, description, required)


def _decimal(name: str, precision: int, scale: int, description: str) -> Column:
    return Column(name, LogicalType.DECIMAL, description, precision=precision, scale=scale)


def _time(name: str, description: str, required: bool = False) -> Column:
    return Column(name, LogicalType.TIMESTAMP, description, required)


def _date(name: str, description: str, required: bool = False) -> Column:
    return Column(name, LogicalType.DATE, description, required)


def _boolean(name: str, description: str) -> Column:
    return Column(name, LogicalType.BOOLEAN, description)


_RUN_ID = _text("run_id", "Run of Dagster or of the command.", required=True)
_START, _END = _time("start_time", "Begin of the reconciliation, UTC."), _time("end_time", "Its end, UTC.")
_CUT_OFF = _time("cut_off", "Latest commit time of an order event that the batch layer had applied, UTC.")

_TABLES = (
    ReconciliationTable(
        RUNS,
        "One row a reconciliation: what it covered, as of when, and what it found.",
        (
            _RUN_ID,
            _START,
            _END,
            _CUT_OFF,
            _date("first_day", "First landing day of the run."),
            _date("last_day", "Last landing day of the run."),
            _number("dates", "Business dates that it covered."),
            _number("orders_differing", "Orders that differ, lag left out."),
            _number("orders_lagging", "Orders whose speed version is newer than the cut-off."),
            _boolean("complete", "Whether no limit cut the search short."),
            _text("verdict", "The result in a sentence."),
            _date("verified_through", "Last date of the unbroken run of converged dates."),
        ),
    ),
    ReconciliationTable(
        METRICS,
        "Both layers' metrics by business date and tier; one set a reconciliation.",
        (
            _RUN_ID,
            _START,
            _END,
            _date("date", "Business date.", required=True),
            _text("metric", "A metric of ecommerce_platform/daily_metrics.py.", required=True),
            _text("user_tier", "Tier of the customers, or `all`.", required=True),
            _decimal("speed_value", 38, 2, "The speed layer's figure, without orders that lag."),
            _decimal("batch_value", 38, 2, "The batch layer's figure, without orders that lag."),
            _decimal("difference", 38, 2, "Absolute difference."),
            _decimal("percentage_difference", 38, 6, "As a share of the batch value: 0.05 is 5 %."),
            _decimal("tolerance", 18, 6, "Share above which the metric warns."),
            _decimal("failure", 18, 6, "Share above which it fails."),
            _boolean("within_tolerance", "Whether the status is ok."),
            _text("status", "ok, warn or error."),
            _CUT_OFF,
            _number("lagging_orders", "Orders of the date that lag."),
            _text("labels", "Metric and tier as data validators write labels."),
        ),
    ),
    ReconciliationTable(
        DISCREPANCIES,
        "Orders that differ or differed: one row from first seen to healed.",
        (
            _date("date", "Business date of the order.", required=True),
            _number("order_id", "Key of the order.", required=True),
            _text("reason", "Why it differs (docs/reconciliation.md).", required=True),
            _text("state", "suspected, confirmed or healed.", required=True),
            _text("speed_value", "What the speed layer has; no personal value."),
            _text("batch_value", "What the batch layer has; no personal value."),
            _text("differing_columns", "Names of the columns that differ, with commas between."),
            _text("detail", "What else is known of the difference."),
            _time("first_seen", "First reconciliation that saw it, UTC."),
            _time("last_seen", "Last one that saw it, UTC."),
            _time("healed_at", "First one that saw the order agree, UTC."),
            _text("first_run_id", "Run that saw it first."),
            _text("run_id", "Run that wrote the row."),
            _number("speed_lsn", "Log sequence number of the speed layer's version."),
            _number("batch_lsn", "Effective log sequence number of the batch layer's version."),
            _time("speed_event_time", "Commit time of the speed layer's version, UTC."),
            _time("batch_event_time", "Commit time of the batch layer's version, UTC."),
            _date("landing_date", "Landing day of the event behind the batch layer's version."),
            _text("landing_file", "Its landing file."),
            _number("landing_row", "Its row in that file, from 0."),
            _number("iceberg_snapshot_id", "Iceberg snapshot that its load came from."),
            _text("batch_id", "Its load; see RAW.LOAD_LEDGER."),
        ),
    ),
    ReconciliationTable(
        CONVERGENCE,
        "How each business date stood at each of its reconciliations.",
        (
            _RUN_ID,
            _date("date", "Business date.", required=True),
            _time("reconciled_at", "Time of the reconciliation, UTC.", required=True),
            _CUT_OFF,
            _number("suspected", "Orders that were suspected."),
            _number("confirmed", "Orders that were confirmed."),
            _number("healed", "Orders that had healed."),
            _number("lagging", "Orders that lagged."),
            _boolean("complete", "Whether no limit cut the search short."),
            _boolean("converged", "Whether no order differed and all were examined."),
            _time("diverged_at", "Since when the date differs, UTC."),
            _time("converged_at", "Since when it agrees, UTC; null while it differs."),
            _number("seconds_to_convergence", "From the first to the second."),
            _number("half_life_seconds", "How long half of the differing orders took to heal."),
        ),
    ),
    ReconciliationTable(
        VERIFIED,
        "One row: the last business date up to which all dates have converged.",
        (
            _date("verified_through", "That date; null before the first."),
            _text("run_id", "Run that wrote it."),
            _time("recorded_at", "End of that reconciliation, UTC."),
        ),
    ),
)

TABLES: Mapping[str, ReconciliationTable] = {table.name: table for table in _TABLES}


def statements() -> list[str]:
    """What creates the tables where they are missing. DDL: never inside a transaction that should roll back."""
    tables = []
    for table in TABLES.values():
        listed = ",\n  ".join(
            f"{column.name} {column.snowflake_type}{' not null' if column.required else ''}" for column in table.columns
        )
        tables.append(
            f"create table if not exists {table.name} (\n  {listed}\n) comment = {literal(table.description)}"
        )
    latest = f"""create view if not exists {LATEST_METRICS} as
select {", ".join(TABLES[METRICS].column_names)}
from {METRICS}
qualify rank() over (partition by date order by start_time desc, run_id desc) = 1"""
    return ["create schema if not exists reconciliation", *tables, latest]
