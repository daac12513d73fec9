"""What the batch layer says: questions to Snowflake's orders, tiers and marts, and to the events behind them.

What belongs here: SQL for Snowflake and the reading of its answers. What does not: comparisons (verdict.py, explain.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ecommerce_platform.contracts import Column, Contract
from ecommerce_platform.daily_metrics import DailyMetric, all_measures, exact_figure, reconciled_metrics
from ecommerce_platform.reconciliation.layers.batch_events import applied_events, event_history
from ecommerce_platform.reconciliation.layers.measured_sql import snowflake_measure
from ecommerce_platform.reconciliation.model import (
    BatchEvent,
    Cell,
    MetricValues,
    OrderVersion,
    ReconciliationError,
    Value,
)
from ecommerce_platform.reconciliation.search.ranges import Bucket, KeyRange
from ecommerce_platform.reconciliation.search.sqltext import chunks, range_condition, snowflake_multiple
from ecommerce_platform.row_hash import MODULUS, Decimals, snowflake_row_hash
from ecommerce_platform.warehouse.sql.conditions import date_condition, key_condition
from ecommerce_platform.warehouse.sql.connection import fetch_all, is_missing_object

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ORDERS = "staging.orders_enhanced"
USERS = "staging.users_enhanced"
#: What else is known of an order, its items folded in.
ANALYTICS = "intermediate.int_order_analytics"
MART = "marts.daily_business_metrics"
_IN_SPAN = "has_date_in_span"


@dataclass(frozen=True)
class BatchOrders:
    """The orders of the batch layer: `columns` of the contract are read, `compared` make the checksum (both without the key).

    `measured` are columns beside the contract's that `metrics` need, from INTERMEDIATE.INT_ORDER_ANALYTICS.
    """

    connection: SnowflakeConnection
    contract: Contract
    columns: tuple[Column, ...]
    compared: tuple[Column, ...]
    measured: tuple[Column, ...] = ()
    metrics: tuple[DailyMetric, ...] = field(default_factory=reconciled_metrics)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Answer to a query. Raises ReconciliationError when the batch layer's tables are not there yet."""
        try:
            return fetch_all(self.connection, sql)
        except Exception as error:
            if not is_missing_object(error):
                raise
            raise ReconciliationError(
                f"the batch layer is not there to be compared: {error}; expected RAW, STAGING and MARTS as a run of all "
                "models leaves them. Materialize the days up to marts/daily_business_metrics first"
            ) from error

    def column_names(self, table: str = ORDERS) -> set[str]:
        """The columns that the batch layer's orders have, or those of another table."""
        cursor = self.connection.cursor()
        cursor.execute(f"select * from {table} limit 0")
        return {column.name.lower() for column in cursor.description}

    def cut_off(self) -> datetime | None:
        """Latest commit time in the source among all applied events of orders; None when there are none."""
        # That of the last landing date, which is read alone, is most often the latest; then few others can be later.
        latest = self._latest_commit("date = (select max(date) from applied)")
        return _utc(self._latest_commit("1 = 1" if latest is None else f"__source_ts_ms >= '{latest}'::timestamp_ntz"))

    def _latest_commit(self, condition: str) -> datetime | None:
        events = applied_events(self.contract, "__source_ts_ms", condition=condition)
        ((latest,),) = self.rows(f"{events} select max(__source_ts_ms) from events")
        return latest

    def touched_dates(self, days: Sequence[date]) -> list[date]:
        """Business dates that any applied event of an order gave it, for the orders with an event in `days`."""
        events = applied_events(self.contract, "created_at", of_orders_with=date_condition("date", days))
        sql = f"{events} select distinct to_date(created_at) from events where created_at is not null"
        return sorted(day for (day,) in self.rows(sql))

    def dates(self) -> set[date]:
        """Business dates on which the batch layer has orders."""
        return {
            day
            for (day,) in self.rows(f"select distinct to_date(created_at) from {ORDERS} where created_at is not null")
        }

    def cells(self, dates: Sequence[date]) -> list[Cell]:
        """Orders of `dates` by date and user."""
        measures = all_measures(self.metrics)
        measured = ", ".join(snowflake_measure(measure, self._place) for measure in measures)
        sql = f"""
            select to_date(orders.created_at) as day, orders.user_id, {measured}
            from {self._orders_measured}
            where {date_condition("to_date(orders.created_at)", dates)}
            group by to_date(orders.created_at), orders.user_id
        """
        return [
            Cell(day, user_id, tuple(map(exact_figure, measures, figures))) for day, user_id, *figures in self.rows(sql)
        ]

    @property
    def _orders_measured(self) -> str:
        """The orders, with what else the metrics need."""
        if not self.measured:
            return f"{ORDERS} as orders"
        return (
            f"{ORDERS} as orders left join {ANALYTICS} as analytics on analytics.order_id = orders.{self.contract.key}"
        )

    def _place(self, name: str) -> str:
        """A column of `_orders_measured`."""
        return f"{'analytics' if any(column.name == name for column in self.measured) else 'orders'}.{name}"

    def tiers(self, user_ids: Iterable[int]) -> dict[int, str]:
        """Tier of each of these users that the batch layer knows."""
        tier_by_order: dict[int, str] = {}
        for chunk in chunks(user_ids):
            tier_by_order.update(
                dict(self.rows(f"select id, customer_tier from {USERS} where {key_condition('id', chunk)}"))
            )
        return tier_by_order

    def mart(self, dates: Sequence[date]) -> dict[date, MetricValues]:
        """The mart's figures of `dates`, of the metrics that it publishes. Raises ReconciliationError naming a metric whose
        column the mart does not have."""
        published = {metric.name: metric.mart_column for metric in self.metrics if metric.mart_column is not None}
        if not published:
            return {}
        columns = self.column_names(MART)
        for metric, column in published.items():
            if column not in columns:
                raise ReconciliationError(
                    f"{MART.upper()} has no column {column}, which the metric {metric} names; expected one of "
                    f"{', '.join(sorted(columns))}. Correct mart_column in ecommerce_platform/daily_metrics.py, or leave it out"
                )
        sql = f"""
            select date, {", ".join(published.values())}
            from {MART}
            where {date_condition("date", dates)}
        """
        return {day: dict(zip(published, map(_decimal, figures), strict=True)) for day, *figures in self.rows(sql)}

    def dates_outside_the_span(self, dates: Sequence[date]) -> set[date]:
        """Those of `dates` for which the mart has no row by definition: the orders' dates are outside the span."""
        if _IN_SPAN not in self.column_names():
            return set()
        condition = date_condition("to_date(created_at)", dates)
        rows = self.rows(f"select distinct to_date(created_at) from {ORDERS} where not {_IN_SPAN} and {condition}")
        return {day for (day,) in rows}

    def key_bounds(self, dates: Sequence[date] | None) -> Bucket | None:
        """Smallest and largest key of the orders of `dates`, and how many; None when there are none."""
        key = self.contract.key
        count, low, high = self.rows(f"select count(*), min({key}), max({key}) from {ORDERS} where {self._on(dates)}")[
            0
        ]
        return None if low is None else Bucket(int(count), 0, KeyRange(int(low), int(high)))

    def known_keys(self) -> KeyRange | None:
        """Smallest and largest key that any event or order of the batch layer has; None when it has none."""
        key = self.contract.key
        low, high = self.rows(f"""
            select min({key}), max({key})
            from (
                select {key} from raw.orders
                union all select {key} from raw.superseded_orders
                union all select {key} from {ORDERS}
            ) as known
        """)[0]
        return None if low is None else KeyRange(int(low), int(high))

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int, hashed: bool = True
    ) -> dict[int, Bucket]:
        """Count, checksum and key bounds of the orders of `dates` in `ranges`, by (key − origin) div width.

        Rows are grouped by the multiple of the width that they reach, which is divided here: Snowflake's division rounds, and
        one for each row costs more than all else in this question but the texts.
        """
        key = self.contract.key
        checksum = f"sum({self._checksum()})" if hashed else "0"
        multiple = snowflake_multiple(key, ranges, origin, width)
        sql = f"""
            select {multiple} as reached, count(*), {checksum}, min({key}), max({key})
            from {ORDERS}
            where {range_condition(key, ranges)} and {self._on(dates)}
            group by {multiple}
        """
        return {
            int(reached) // width: Bucket(count, int(total) % MODULUS, KeyRange(int(low), int(high)))
            for reached, count, total, low, high in self.rows(sql)
        }

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        """Checksum of each order of `dates` in `ranges`."""
        key = self.contract.key
        sql = f"""
            select {key}, {self._checksum()}
            from {ORDERS}
            where {range_condition(key, ranges)} and {self._on(dates)}
        """
        return {int(order_id): int(checksum) for order_id, checksum in self.rows(sql)}

    def versions(self, ids: Iterable[int], history: Mapping[int, Sequence[BatchEvent]]) -> dict[int, OrderVersion]:
        """What the batch layer shows of each of these orders, with the effective LSN and the time of the last event in their
        `history`."""
        key, order_ids = self.contract.key, sorted(set(ids))
        last = {order_id: history[order_id][-1] for order_id in order_ids if order_id in history}
        shown: dict[int, dict[str, Value]] = {}
        names = [column.name for column in (*self.columns, *self.measured)]
        read = ", ".join(map(self._place, names))
        for chunk in chunks(order_ids):
            sql = f"select orders.{key}, {read} from {self._orders_measured} where {key_condition(f'orders.{key}', chunk)}"
            for order_id, *values in self.rows(sql):
                shown[int(order_id)] = dict(zip(names, map(_value, values), strict=True))
        versions = {}
        for order_id in shown.keys() | last.keys():
            event = last.get(order_id)
            versions[order_id] = OrderVersion(
                order_id,
                event.effective_lsn if event else None,
                event.event_time if event else None,
                shown.get(order_id),
                deleted=order_id not in shown and event is not None and event.deletes,
            )
        return versions

    def history(self, ids: Iterable[int]) -> dict[int, list[BatchEvent]]:
        """The applied events of each of these orders, oldest first in event order, with where they came from."""
        key, names = self.contract.key, [column.name for column in self.columns]
        events: dict[int, list[BatchEvent]] = {}
        for chunk in chunks(ids):
            sql = event_history(self.contract, names, key_condition(key, chunk))
            for order_id, op, lsn, effective, seen, day, file, row, batch_id, snapshot, *values in self.rows(sql):
                events.setdefault(int(order_id), []).append(
                    BatchEvent(
                        int(order_id),
                        op,
                        _integer(lsn),
                        _utc(seen),
                        dict(zip(names, map(_value, values), strict=True)),
                        day,
                        file,
                        int(row),
                        batch_id,
                        _integer(snapshot),
                        _integer(effective),
                    )
                )
        return events

    def _on(self, dates: Sequence[date] | None) -> str:
        return "1 = 1" if dates is None else date_condition("to_date(created_at)", dates)

    def _checksum(self) -> str:
        return snowflake_row_hash((*self.contract.key_columns, *self.compared), str, Decimals.DIGITS)


def _utc(value: datetime | None) -> datetime | None:
    """Snowflake's TIMESTAMP_NTZ holds UTC and comes without a zone; a time with one is moved to UTC."""
    if value is None:
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _value(value: Any) -> Value:
    return _utc(value) if isinstance(value, datetime) else value


def _decimal(value: Any) -> Decimal:
    return Decimal(0) if value is None else Decimal(value)
