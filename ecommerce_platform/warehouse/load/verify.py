"""Is what RAW holds still what the load ledger says, and is it the published content?

What belongs here: measuring RAW against the ledger, and the verdict. What does not: loading (days.py), Dagster (checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.checksum import NO_ROWS, Content, published_content
from ecommerce_platform.warehouse.load.load_ledger import LedgerRow, batch_id, ledger_rows
from ecommerce_platform.warehouse.sql.connection import fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


@dataclass(frozen=True)
class DayMeasurement:
    """A published day: what the lakehouse published, what the load ledger recorded, what RAW holds.

    `published` is None where the day ledger has no checksum; its number of rows is known all the same.
    """

    day: date
    published_batch: str
    published_rows: int
    published: Content | None
    ledger: LedgerRow | None
    raw: Content


def measure(
    connection: SnowflakeConnection, contract: Contract, published: Mapping[date, DayRecord], days: Sequence[date]
) -> list[DayMeasurement]:
    """The published ones of `days`, in order. Two queries, however many days."""
    checked_days = sorted(day for day in days if day in published)
    if not checked_days:
        return []
    ledger = ledger_rows(connection, contract.table, checked_days)
    sql = load_sql.content_of_days(contract.table, contract.all_event_columns, checked_days)
    raw = {day: Content(int(rows), str(checksum)) for day, rows, checksum in fetch_all(connection, sql)}
    return [
        DayMeasurement(
            day,
            batch_id(contract.table, day, published[day].content_id),
            published[day].published,
            published_content(published[day]),
            ledger.get(day),
            raw.get(day, NO_ROWS),
        )
        for day in checked_days
    ]


def problems(measurements: Sequence[DayMeasurement]) -> dict[date, str]:
    """What is wrong, by day; empty when RAW holds exactly what was published."""
    problems_by_day = {measured.day: _problem(measured) for measured in measurements}
    return {day: problem for day, problem in problems_by_day.items() if problem}


def _problem(measured: DayMeasurement) -> str | None:
    if measured.ledger is None:
        return "published in Iceberg, absent from RAW.LOAD_LEDGER"
    if measured.ledger.content != measured.raw:
        return f"the ledger says {measured.ledger.content}, RAW holds {measured.raw}"
    if measured.ledger.batch_id != measured.published_batch:
        return f"RAW holds batch {measured.ledger.batch_id}, Iceberg has published {measured.published_batch} since"
    if measured.ledger.content.rows != measured.published_rows:
        return f"Iceberg published {measured.published_rows} rows, RAW holds {measured.raw.rows}"
    if measured.published is not None and measured.published != measured.raw:
        return f"Iceberg published {measured.published}, RAW holds {measured.raw}"
    return None
