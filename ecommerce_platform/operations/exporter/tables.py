"""Asks the platform's own tables for the exporter: landing folders, the lakehouse's ledger, RAW.LOAD_LEDGER, RECONCILIATION.

What does not belong here: Dagster's event log (events.py) and metric names (exposition.py). A source that does not answer is
named in `problems`, and the others are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from ecommerce_platform.contracts import SOURCE_TABLES
from ecommerce_platform.lakehouse.ledger import DayRecord, RefusedDay, read_table_ledger
from ecommerce_platform.lakehouse.tables import event_identifier
from ecommerce_platform.landing.files import list_days
from ecommerce_platform.operations.exporter.state import Discrepancy, IcebergTable, PlatformState, TableDays
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.catalog import load_iceberg_table
from ecommerce_platform.transformation.project import load_manifest
from ecommerce_platform.warehouse.connection import connect
from ecommerce_platform.warehouse.query import run_sql

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

LOADED = "select table_name, max(date) from raw.load_ledger group by 1"
WORST = """
select metric, user_tier, percentage_difference, date
from reconciliation.latest_daily_business_metrics
where date not in (
    select latest.date from reconciliation.convergence as latest where latest.converged
    qualify row_number() over (partition by latest.date order by latest.reconciled_at desc) = 1
) or status <> 'ok'
qualify row_number() over (partition by metric, user_tier order by percentage_difference desc, date desc) = 1
"""
FINDINGS = "select state, count(*) from reconciliation.order_discrepancies where state <> 'healed' group by 1"
VERIFIED = "select verified_through from reconciliation.verified_through"
CONVERGENCE = """
select date, converged, seconds_to_convergence
from reconciliation.convergence
qualify row_number() over (partition by date order by reconciled_at desc) = 1
"""
QUESTIONS = {"worst": WORST, "findings": FINDINGS, "verified": VERIFIED, "days": CONVERGENCE}


def model_names(settings: Settings) -> tuple[str, ...]:
    """Every model of the dbt project: each has a failure count from the start."""
    nodes = load_manifest(settings)["nodes"].values()
    return tuple(sorted(node["name"] for node in nodes if node["resource_type"] == "model"))


def read_platform(settings: Settings) -> PlatformState:
    """One look at everything. Never raises for a source that is away: it is in `problems`."""
    problems: list[str] = []

    def ask(source: str, question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one source, the others are shown
            problems.append(f"{source}: {type(error).__name__}")
            return otherwise

    loaded: Mapping[str, date] = {}
    reconciled: dict[str, Any] = {}
    connection = ask("snowflake", partial(connect, settings), None)
    if connection is not None:
        with connection:
            loaded = ask("raw.load_ledger", lambda: dict(run_sql(connection, LOADED).rows), {})
            for name, statement in QUESTIONS.items():
                rows = partial(_rows, connection, statement)
                reconciled[name] = ask(f"reconciliation ({name})", rows, ())
    tables = ask("lakehouse", lambda: _tables(settings, loaded), ((), ()))
    days = {row[0]: row for row in reconciled.get("days", ())}
    verified = reconciled.get("verified") or ((None,),)
    return PlatformState(
        days=tables[0],
        iceberg=tables[1],
        discrepancies=tuple(
            Discrepancy(metric, tier, float(share), day) for metric, tier, share, day in reconciled.get("worst", ())
        ),
        open_findings={state: int(count) for state, count in reconciled.get("findings", ())},
        verified_through=verified[0][0],
        convergence_seconds={day: float(row[2]) for day, row in days.items() if row[2] is not None},
        not_converged_days=sum(1 for row in days.values() if not row[1]),
        problems=tuple(problems),
    )


def _rows(connection: SnowflakeConnection, statement: str) -> tuple[tuple[Any, ...], ...]:
    return run_sql(connection, statement).rows


def _tables(settings: Settings, loaded: Mapping[str, date]) -> tuple[tuple[TableDays, ...], tuple[IcebergTable, ...]]:
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    days, sizes = [], []
    for table in SOURCE_TABLES:
        published: Mapping[date, DayRecord] = {}
        refused: Mapping[date, RefusedDay] = {}
        try:
            iceberg = load_iceberg_table(settings, event_identifier(settings, table))
        except (NoSuchTableError, NoSuchNamespaceError):
            pass
        else:
            ledger = read_table_ledger(table, iceberg)
            published, refused = ledger.published, ledger.refused
            current = iceberg.current_snapshot()
            summary = current.summary.additional_properties if current and current.summary else {}
            sizes.append(
                IcebergTable(
                    event_identifier(settings, table),
                    len(iceberg.snapshots()),
                    int(summary.get("total-data-files", 0)),
                    int(summary.get("total-files-size", 0)),
                )
            )
        landed = list_days(settings.landing_uri, table, settings.s3)
        quarantined = sum(record.quarantined for record in published.values())
        days.append(
            TableDays(
                table,
                max(landed, default=None),
                max(published, default=None),
                loaded.get(table),
                quarantined,
                len(refused),
            )
        )
    return tuple(days), tuple(sizes)
