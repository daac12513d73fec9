"""Both layers by hand: events for the batch layer, versions for the speed layer, on the real stand-ins.

What belongs here: putting the layers into a known state. The batch layer's tables are what a dbt run over the given events would
leave, computed here in plain Python from a few rules, so that a test's data can be checked by hand.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import zip_longest
from typing import Any

from clickhouse_connect.driver.client import Client
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.sql.connection import execute

DAY = date(2026, 1, 5)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
REVENUE = ("processing", "shipped", "delivered")
#: Business dates that have rows in the marts: of a start date of 2026 and a last day of 2027, thereabouts.
SPAN = (date(2016, 1, 1), date(2028, 12, 31))

_STAGING = """
create table if not exists staging.orders_enhanced (
    id NUMBER, user_id NUMBER, status STRING, total_amount NUMBER(10,2), shipping_address STRING,
    created_at TIMESTAMP_NTZ, updated_at TIMESTAMP_NTZ, order_size_category STRING,
    has_date_in_span BOOLEAN, processed_at TIMESTAMP_NTZ);
create table if not exists staging.base_landing_days (
    table_name STRING, date DATE, batch_id STRING, is_pending BOOLEAN);
create table if not exists staging.users_enhanced (id NUMBER, customer_tier STRING);
create table if not exists marts.daily_business_metrics (
    date DATE, total_active_customers NUMBER, total_orders NUMBER, total_revenue NUMBER(18,2), avg_order_value NUMBER(10,2),
    cancelled_orders NUMBER)
"""
_SPEED = """
create or replace table orders_realtime (
    id Int64, user_id Nullable(Int64), status Nullable(String), total_amount Nullable(Decimal(10,2)),
    shipping_address Nullable(String), created_at Nullable(DateTime64(6, 'UTC')),
    updated_at Nullable(DateTime64(6, 'UTC')), __op String, __source_lsn UInt64,
    __source_ts_ms DateTime64(3, 'UTC'), is_deleted UInt8
) engine = ReplacingMergeTree(__source_lsn, is_deleted) order by id
"""
_STATE = ("id", "user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at")
_SPEED_COLUMNS = (*_STATE, "__op", "__source_lsn", "__source_ts_ms", "is_deleted")


@dataclass(frozen=True)
class Event:
    """One change of an order; as a speed version the same, without the landing. A snapshot row may lack the LSN."""

    id: int
    lsn: int | None
    status: str | None = "shipped"
    amount: Decimal | None = Decimal("10.00")
    user: int | None = 1
    address: str | None = "Elm Street 1"
    created: datetime = NOON
    updated: datetime | None = None
    at: datetime = NOON
    op: str = "INSERT"
    day: date = DAY

    def but(self, **changes: Any) -> Event:
        return replace(self, **changes)

    def then(self, status: str, days: int = 1, **changes: Any) -> Event:
        """The order's next event, some days later."""
        at = self.at + timedelta(days=days)
        values = {"status": status, "lsn": (self.lsn or 0) + 1, "at": at, "updated": at, "op": "UPDATE"}
        return replace(self, **(values | {"day": self.day + timedelta(days=days)} | changes))

    def read_again(self, days: int = 1, **changes: Any) -> Event:
        """The order as an incremental snapshot has it, some days later."""
        return self.then("shipped", days, **({"lsn": None, "op": "READ", "updated": self.updated} | changes))

    def deleted(self, days: int = 1, **changes: Any) -> Event:
        """The order's deletion: key and metadata, nulls elsewhere, but for `created` which the writers leave out."""
        return self.then("", days).but(status=None, amount=None, user=None, address=None, op="DELETE", **changes)


@dataclass
class TwoLayers:
    """The tables of both stand-ins; `reset` empties them."""

    connection: SnowflakeConnection
    client: Client
    tiers: dict[int, str] = field(default_factory=lambda: {1: "bronze", 2: "gold"})

    def create(self) -> None:
        contracts = load_contracts()
        for definition in ddl.table_definitions(contracts):
            execute(self.connection, ddl.create_table(definition))
        for statement in _STAGING.split(";"):
            execute(self.connection, statement)

    def reset(self) -> None:
        for table in (
            "raw.orders",
            "raw.superseded_orders",
            "raw.load_ledger",
            "staging.applied_days",
            "staging.base_landing_days",
            "staging.orders_enhanced",
            "staging.users_enhanced",
            "marts.daily_business_metrics",
            "reconciliation.runs",
            "reconciliation.daily_business_metrics",
            "reconciliation.order_discrepancies",
            "reconciliation.convergence",
            "reconciliation.verified_through",
        ):
            execute(self.connection, f"delete from {table}")
        self.tiers = {1: "bronze", 2: "gold"}
        self.client.command(_SPEED)

    def batch(self, *events: Event, applied: Iterable[date] | None = None) -> None:
        """The batch layer as it is after these events (in landing order), of which the days `applied` have been applied."""
        for table in ("raw.orders", "raw.load_ledger", "staging.applied_days", "staging.base_landing_days"):
            execute(self.connection, f"delete from {table}")
        days = sorted({event.day for event in events})
        self._insert(
            "raw.load_ledger",
            ("table_name", "date", "batch_id", "iceberg_snapshot_id"),
            [("orders", day, _batch_id(day), 7000 + day.day) for day in days],
        )
        applied_days = set(days if applied is None else applied)
        self.build_begins(applied_days)
        self.build_ends()
        names = (
            *_STATE,
            "__op",
            "__ts_ms",
            "__source_ts_ms",
            "__source_lsn",
            "batch_id",
            "date",
            "__source_file",
            "__source_row",
        )
        self._insert("raw.orders", names, [_raw_row(event, row) for row, event in enumerate(events)])
        state: dict[int, Event] = {}
        # A snapshot row without LSN was taken after all that is given of its order.
        by_lsn = sorted(events, key=lambda event: (event.lsn is None, event.lsn or 0))
        state |= {event.id: event for event in by_lsn if event.day in applied_days}
        self.show([event for event in state.values() if event.op != "DELETE"])

    def build_begins(self, days: Iterable[date]) -> None:
        """dbt has frozen which days it applies, and is about to rewrite the models."""
        execute(self.connection, "delete from staging.base_landing_days")
        frozen = [("orders", day, _batch_id(day)) for day in sorted(days)]
        self._insert("staging.base_landing_days", ("table_name", "date", "batch_id"), frozen)

    def build_ends(self) -> None:
        """dbt has built all models."""
        execute(self.connection, "delete from staging.applied_days")
        execute(
            self.connection,
            "insert into staging.applied_days (table_name, date, batch_id) "
            "select table_name, date, batch_id from staging.base_landing_days",
        )

    def show(self, orders: Sequence[Event]) -> None:
        """Staging and marts with exactly these orders."""
        execute(self.connection, "delete from staging.orders_enhanced")
        execute(self.connection, "delete from staging.users_enhanced")
        execute(self.connection, "delete from marts.daily_business_metrics")
        rows = [[*_state_row(event), SPAN[0] <= event.created.date() <= SPAN[1]] for event in orders]
        self._insert("staging.orders_enhanced", (*_STATE, "has_date_in_span"), rows)
        self._insert("staging.users_enhanced", ("id", "customer_tier"), list(self.tiers.items()))
        by_day: dict[date, list[Event]] = defaultdict(list)
        for order in orders:
            by_day[order.created.date()].append(order)
        mart = []
        for day, of_day in by_day.items():
            if not SPAN[0] <= day <= SPAN[1]:
                continue
            purchases = [order for order in of_day if order.status in REVENUE]
            revenue = sum((order.amount or Decimal(0) for order in purchases), Decimal(0))
            average = (revenue / len(purchases)).quantize(Decimal("0.01"), ROUND_HALF_UP) if purchases else Decimal(0)
            users = {order.user for order in of_day} - {None}
            cancelled = sum(order.status == "cancelled" for order in of_day)
            mart.append((day, len(users), len(of_day), revenue, average, cancelled))
        columns = (
            "date",
            "total_active_customers",
            "total_orders",
            "total_revenue",
            "avg_order_value",
            "cancelled_orders",
        )
        self._insert("marts.daily_business_metrics", columns, mart)

    def speed(self, *versions: Event) -> None:
        """Versions written to the speed layer, one insert (and so one part) for each call."""
        if not versions:
            return
        rows = [
            [*(_state_row(version, empty=version.op == "DELETE", aware=True)), version.op, version.lsn or 0, version.at,
             int(version.op == "DELETE")]
            for version in versions
        ]  # fmt: skip
        self.client.insert("orders_realtime", rows, column_names=list(_SPEED_COLUMNS))

    def both(self, *events: Event) -> None:
        """A healthy pair of layers."""
        self.batch(*events)
        self.speed(*events)

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        picked = ", ".join(f"entry.value[{place}]::string" for place in range(len(columns)))
        sql = f"insert into {table} ({', '.join(columns)}) select {picked} from table(flatten(input => parse_json(%s))) as entry"
        for start in range(0, len(rows), 1000):
            execute(self.connection, sql, (json.dumps(rows[start : start + 1000], default=str),))


def together(
    two: TwoLayers, situations: Iterable[tuple[Sequence[Event], Sequence[Event]]], *others: Event
) -> list[int]:
    """Several situations (events, speed versions in the order of insertion) in one pair of layers, and `others` in batch.

    Each situation's keys are moved by a thousand of its own, which is returned.
    """
    moved = [
        tuple([event.but(id=event.id + 1000 * number) for event in side] for side in situation)
        for number, situation in enumerate(situations, start=1)
    ]
    two.batch(*(event for events, _ in moved for event in events), *others)
    for versions in zip_longest(*(versions for _, versions in moved)):
        two.speed(*(version for version in versions if version is not None))
    return [1000 * number for number in range(1, len(moved) + 1)]


def _batch_id(day: date) -> str:
    return f"orders-{day}-1"


def _state_row(event: Event, empty: bool = False, aware: bool = False) -> tuple[Any, ...]:
    if empty:
        return (event.id, None, None, None, None, None, None)
    created, updated = event.created, event.updated
    if not aware:
        created, updated = created.replace(tzinfo=None), updated.replace(tzinfo=None) if updated else None
    return (event.id, event.user, event.status, event.amount, event.address, created, updated)


def _raw_row(event: Event, row: int) -> tuple[Any, ...]:
    at = event.at.replace(tzinfo=None)
    return (
        *_state_row(event, empty=event.op == "DELETE"),
        event.op,
        at,
        at,
        event.lsn,
        _batch_id(event.day),
        event.day,
        f"date={event.day}/part-0.parquet",
        row,
    )
