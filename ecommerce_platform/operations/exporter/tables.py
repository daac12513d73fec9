"""Asks the platform's own tables for the exporter: landing folders, the lakehouse's ledger, RAW.LOAD_LEDGER, RECONCILIATION.

What does not belong here: Dagster's event log (events.py) and metric names (exposition.py). A source that does not answer is
named in `problems`, and the others are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import EMPTY, TableLedger, read_table_ledger
from ecommerce_platform.landing.files import LandingZone, list_days
from ecommerce_platform.operations.exporter.state import Discrepancy, IcebergTable, Model, PlatformState, TableDays
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.translator import model_key
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform.warehouse.sql.query import run_sql

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from snowflake.connector import SnowflakeConnection

LOADED = "select table_name, date from raw.load_ledger"
WORST = """
with newest as (
    select date, converged from reconciliation.convergence
    qualify row_number() over (partition by date order by reconciled_at desc) = 1
),

judged as (
    select
        metrics.metric,
        metrics.user_tier,
        metrics.date,
        -- A date that has converged within tolerance counts as 0: the series stays, and nothing of the past lingers in it.
        iff(newest.converged and metrics.status = 'ok', 0, metrics.percentage_difference) as share
    from reconciliation.latest_daily_business_metrics as metrics
    left join newest on metrics.date = newest.date
)

select metric, user_tier, share, date
from judged
qualify row_number() over (partition by metric, user_tier order by share desc, date desc) = 1
"""
FINDINGS = "select state, count(*) from reconciliation.order_discrepancies where state <> 'healed' group by 1"
VERIFIED = "select verified_through from reconciliation.verified_through"
CONVERGENCE = """
select date, converged, seconds_to_convergence
from reconciliation.convergence
qualify row_number() over (partition by date order by reconciled_at desc) = 1
"""
QUESTIONS = {"worst": WORST, "findings": FINDINGS, "verified": VERIFIED, "days": CONVERGENCE}


def models_of(manifest: Mapping[str, Any]) -> tuple[Model, ...]:
    """Every model of dbt's manifest: each has its series from the start."""
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return tuple(
        Model(node["name"], model_key(node).to_user_string(), node["config"]["materialized"])
        for node in sorted(nodes, key=lambda node: str(node["name"]))
    )


def read_platform(settings: Settings) -> PlatformState:
    """One look at everything. Never raises for a source that is away: it is in `problems`."""
    problems: list[str] = []

    def ask(source: str, question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one source, the others are shown
            problems.append(f"{source}: {type(error).__name__}")
            return otherwise

    loaded: Mapping[str, set[date]] = {}
    reconciled: dict[str, Any] = {}
    connection = ask("snowflake", partial(connect, settings), None)
    if connection is not None:
        with connection:
            loaded = ask("raw.load_ledger", lambda: _days_by_table(_rows(connection, LOADED)), {})
            for name, statement in QUESTIONS.items():
                rows = partial(_rows, connection, statement)
                reconciled[name] = ask(f"reconciliation ({name})", rows, ())
    tables = ask(
        "lakehouse", lambda: _tables(LandingZone.of(settings), Lake.of(settings), settings.start_date, loaded), ((), ())
    )
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


def _days_by_table(rows: Iterable[tuple[str, date]]) -> dict[str, set[date]]:
    days: dict[str, set[date]] = {}
    for table, day in rows:
        days.setdefault(table, set()).add(day)
    return days


def _rows(connection: SnowflakeConnection, statement: str) -> tuple[tuple[Any, ...], ...]:
    return run_sql(connection, statement).rows


def _tables(
    zone: LandingZone, lake: Lake, first: date, loaded: Mapping[str, set[date]]
) -> tuple[tuple[TableDays, ...], tuple[IcebergTable, ...]]:
    days, sizes = [], []
    for table in source_tables():
        ledger = EMPTY
        iceberg = lake.find(lake.events(table))
        if iceberg is not None:
            ledger = read_table_ledger(table, iceberg)
            sizes.append(_size(lake.events(table), iceberg))
        days.append(_days(zone, first, table, ledger, loaded.get(table, set())))
    for name in ANALYTICS:
        analytics = lake.find(lake.analytics(name))
        if analytics is not None:
            sizes.append(_size(lake.analytics(name), analytics))
    return tuple(days), tuple(sizes)


def _size(name: str, iceberg: Table) -> IcebergTable:
    current = iceberg.current_snapshot()
    summary = current.summary.additional_properties if current and current.summary else {}
    return IcebergTable(
        name,
        len(iceberg.snapshots()),
        int(summary.get("total-data-files", 0)),
        int(summary.get("total-files-size", 0)),
    )


def _days(zone: LandingZone, first: date, table: str, ledger: TableLedger, loaded: set[date]) -> TableDays:
    landed = list_days(zone, table)
    return TableDays(
        table,
        max(landed, default=None),
        max(ledger.published, default=None),
        max(loaded, default=None),
        sum(record.quarantined for record in ledger.published.values()),
        len(ledger.refused),
        # A day that was refused has an alert of its own, and days before the first partition are ignored.
        len({day for day in landed if day >= first} - loaded - set(ledger.refused)),
    )
