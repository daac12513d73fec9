"""Small RAW histories, written the way the warehouse room's loads leave them.

What belongs here: events as short literals, loading and re-loading a day of them. What does not: expectations (the tests).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all, transaction

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def at(text: str) -> datetime:
    """A moment in UTC, `2026-01-01` or `2026-01-01 10:30:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


@dataclass(frozen=True)
class Event:
    """A change of one key. `changed` is the source's clock and, unless given, also when the connector saw it."""

    table: str
    id: int
    lsn: int | None
    changed: str
    op: str = "INSERT"
    seen: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def row(self, day: date, position: int, batch_id: str) -> tuple[Any, ...]:
        contract = load_contracts()[self.table]
        known = {
            **dict(self.values),
            "id": self.id,
            "__op": self.op,
            "__ts_ms": at(self.seen or self.changed),
            "__source_ts_ms": at(self.changed),
            "__source_lsn": self.lsn,
            "loaded_at": datetime.now(UTC).replace(tzinfo=None),
            "batch_id": batch_id,
            "date": day,
            "__source_file": f"date={day}/part-0.parquet",
            "__source_row": position,
        }
        return tuple(known.get(column.name) for column in contract.raw_columns)


def user(key: int, lsn: int | None, changed: str, op: str = "INSERT", **values: Any) -> Event:
    defaults = {"email": f"user{key}@example.com", "first_name": "Ada", "last_name": "Lovelace"}
    return _event("users", key, lsn, changed, op, defaults, values)


def product(key: int, lsn: int | None, changed: str, op: str = "INSERT", **values: Any) -> Event:
    defaults = {
        "name": f"Product {key}",
        "description": "Fine",
        "price": Decimal("10.00"),
        "stock_quantity": 100,
        "category": "tools",
    }
    return _event("products", key, lsn, changed, op, defaults, values)


def order(key: int, lsn: int | None, changed: str, op: str = "INSERT", **values: Any) -> Event:
    defaults = {"user_id": 1, "status": "processing", "total_amount": Decimal("20.00"), "shipping_address": "1 Road"}
    return _event("orders", key, lsn, changed, op, defaults, values)


def item(key: int, lsn: int | None, changed: str, op: str = "INSERT", **values: Any) -> Event:
    defaults = {"order_id": 1, "product_id": 1, "quantity": 2, "unit_price": Decimal("10.00")}
    return _event("order_items", key, lsn, changed, op, defaults, values)


def _event(
    table: str, key: int, lsn: int | None, changed: str, op: str, defaults: Mapping[str, Any], values: Mapping[str, Any]
) -> Event:
    stamps = {"created_at": changed, "updated_at": changed}
    merged = {**stamps, **defaults, **values}
    for name in ("created_at", "updated_at"):
        if isinstance(merged[name], str):
            merged[name] = at(merged[name])
    if op == "DELETE":
        # REPLICA IDENTITY DEFAULT: a delete carries the key and nothing else.
        merged = dict(values)
    return Event(table, key, lsn, changed, op, values=merged)


def load_day(connection: SnowflakeConnection, day: str, events: Iterable[Event]) -> None:
    """A landing day of all four tables; loading it again replaces it, and keeps what it replaced as superseded."""
    events = list(events)
    for table in source_tables():
        load_table_day(connection, table, day, [event for event in events if event.table == table])


def load_table_day(connection: SnowflakeConnection, table: str, day: str, events: Sequence[Event]) -> None:
    """One table's landing day, in one transaction, with its ledger row."""
    landing_day = date.fromisoformat(day)
    digest = hashlib.sha256(repr(events).encode()).hexdigest()[:12]
    batch_id = f"{table}-{day}-{digest}"
    held = fetch_all(
        connection, "select batch_id from RAW.LOAD_LEDGER where table_name = %s and date = %s", (table, landing_day)
    )
    if held == [(batch_id,)]:
        return
    columns = ", ".join(f'"{column.name.upper()}"' for column in load_contracts()[table].raw_columns)
    with transaction(connection):
        if held:
            execute(
                connection,
                f"insert into RAW.SUPERSEDED_{table} ({columns}) select {columns} from RAW.{table} where date = %s",
                (landing_day,),
            )
        execute(connection, f"delete from RAW.{table} where date = %s", (landing_day,))
        execute(connection, "delete from RAW.LOAD_LEDGER where table_name = %s and date = %s", (table, landing_day))
        rows = [event.row(landing_day, position, batch_id) for position, event in enumerate(events)]
        if rows:
            marks = "(" + ", ".join(["%s"] * len(rows[0])) + ")"
            values = [value for row in rows for value in row]
            execute(connection, f"insert into RAW.{table} ({columns}) values {', '.join([marks] * len(rows))}", values)
        execute(
            connection,
            "insert into RAW.LOAD_LEDGER (table_name, date, batch_id, row_count) values (%s, %s, %s, %s)",
            (table, landing_day, batch_id, len(rows)),
        )


def next_day(day: str, offset: int = 1) -> str:
    return (date.fromisoformat(day) + timedelta(days=offset)).isoformat()
