"""What RAW.LOAD_LEDGER says: which content of which day is in RAW.

What belongs here: its rows and the name of a load. What does not: writing it, which is a load's transaction (days.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.sql.connection import fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


@dataclass(frozen=True)
class LedgerRow:
    """What RAW.LOAD_LEDGER says of a day."""

    batch_id: str
    snapshot_id: int
    content: Content


def batch_id(table: str, day: date, content_id: str) -> str:
    """The load's name: the same published content has the same, whoever loads it and when."""
    return f"{table}-{day.isoformat()}-{content_id}"


def ledger_rows(connection: SnowflakeConnection, table: str, days: Sequence[date]) -> dict[date, LedgerRow]:
    """What RAW.LOAD_LEDGER has of the table's days."""
    rows = fetch_all(connection, load_sql.ledger_of_days(days), (table,)) if days else []
    return {
        day: LedgerRow(batch, int(snapshot), Content(int(count), str(checksum)))
        for day, batch, snapshot, count, checksum in rows
    }
