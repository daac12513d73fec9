"""What the speed layer says: questions to ClickHouse's order versions.

What belongs here: SQL for ClickHouse and the reading of its answers. What does not: comparisons (verdict.py, explain.py).

The current version of an order is the one with the highest `__source_lsn`; on a tie the one that was inserted last, as
FINAL has it (parts are numbered in the order of insertion). FINAL itself hides deleted orders, which a lagging delete
needs; so the questions that must see one moment of the table pick the version by themselves, in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from ecommerce_platform.contracts import Column, Contract, LogicalType
from ecommerce_platform.metrics import REVENUE_STATUSES, in_statuses
from ecommerce_platform.reconciliation.checksum import MODULUS, clickhouse_checksum
from ecommerce_platform.reconciliation.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.locate import Bucket, KeyRange
from ecommerce_platform.reconciliation.model import Cell, OrderVersion, Value
from ecommerce_platform.reconciliation.sqltext import chunks, range_condition
from ecommerce_platform.warehouse.conditions import date_condition

_INSERTION = "tuple(__lsn, toUInt64OrZero(splitByChar('_', _part)[-3]), _part_offset)"


@dataclass(frozen=True)
class SpeedOrders:
    """The orders of the speed layer: `columns` of the contract are read, `compared` make the checksum (both without the key)."""

    table: SpeedTable
    contract: Contract
    columns: tuple[Column, ...]
    compared: tuple[Column, ...]

    def cells(self, dates: Sequence[date], cut_off: datetime | None) -> Iterator[tuple[list[Cell], list[OrderVersion]]]:
        """Orders of `dates` by date and user as they stood at the cut-off, and each version of any date after it; block by
        block, so that millions of lagging orders are never in memory at once.

        One statement, so that a writer cannot make an order appear on both sides or on none.
        """
        t = self.table
        names = [t.column(column.name) for column in self.columns]
        picked = [*names, t.column("is_deleted"), t.column("__source_ts_ms"), t.column("__source_lsn")]
        position = {column.name: f"v.{index}" for index, column in enumerate(self.columns, start=1)}
        deleted, seen = (f"v.{len(names) + index}" for index in (1, 2))
        day = f"toDate32({position['created_at']})"
        revenue = in_statuses(f"ifNull({position['status']}, '')", REVENUE_STATUSES)
        late = "1" if cut_off is None else f"({seen} > {{cut_off:DateTime64(3, 'UTC')}})"
        singles = ", ".join(f"if({late}, v.{index}, null)" for index in range(1, len(picked) + 1))
        order_id = f"if({late}, id, null)"
        sql = f"""
            with current as (
                select {t.column(self.contract.key)} as id,
                       argMax(tuple({", ".join(picked)}), {self._insertion()}) as v
                from {t.name}
                group by id
            )
            select {order_id} as late_id, {day} as day, {position["user_id"]} as user_id, count() as orders,
                   countIf({revenue}) as revenue_orders,
                   sumIf(ifNull({position["total_amount"]}, 0), {revenue}) as revenue,
                   any(tuple({singles}))
            from current
            where {late} or ({deleted} = 0 and {date_condition(day, dates, "toDate32")})
            group by late_id, day, user_id
            settings optimize_aggregation_in_order = 1
        """
        parameters = {} if cut_off is None else {"cut_off": cut_off}
        for block in t.blocks(sql, parameters):
            cells, late_orders = [], []
            for late_id, found, user_id, orders, revenue_orders, total, values in block:
                if late_id is not None:
                    late_orders.append(self._version(late_id, values))
                else:
                    cells.append(Cell(_date(found), user_id, orders, revenue_orders, Decimal(total)))
            yield cells, late_orders

    def dates(self, cut_off: datetime, changed_on: Sequence[date]) -> dict[date, bool]:
        """Business dates of the orders shown at the cut-off, each with whether a change of `changed_on` touched it."""
        t = self.table
        changed = date_condition(f"toDate32({t.column('__source_ts_ms')}, 'UTC')", changed_on, "toDate32")
        day = f"toDate32({t.column('created_at')})"
        sql = f"""
            select {day} as day, max({changed}) as changed
            from {t.name} final
            where {t.column("is_deleted")} = 0 and {t.column("__source_ts_ms")} <= {{cut_off:DateTime64(3, 'UTC')}}
                  and day is not null
            group by day
        """
        return {_date(day): bool(changed) for day, changed in t.rows(sql, {"cut_off": cut_off})}

    def key_bounds(self, dates: Sequence[date] | None) -> KeyRange | None:
        """A smallest and a largest key between which all orders of `dates` lie; None when there are none.

        Versions that no merge has dropped yet count, too: they can only widen the bounds, and FINAL would cost a third of the
        search.
        """
        key = self.table.column(self.contract.key)
        sql = f"select count(), min({key}), max({key}) from {self.table.name} where {self._shown(dates)}"
        count, low, high = self.table.rows(sql)[0]
        return KeyRange(low, high) if count else None

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int
    ) -> dict[int, Bucket]:
        """Count, checksum and key bounds of the orders of `dates` in `ranges`, by (key − origin) div width."""
        key = self.table.column(self.contract.key)
        sql = f"""
            select intDiv(toInt128({key}) - {origin}, {width}) as bucket, count(), sum({self._checksum()}),
                   min({key}), max({key})
            from {self.table.name} final
            where {range_condition(key, ranges)} and {self._shown(dates)}
            group by bucket
        """
        return {
            int(bucket): Bucket(count, int(total) % MODULUS, KeyRange(low, high))
            for bucket, count, total, low, high in self.table.rows(sql)
        }

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        """Checksum of each order of `dates` in `ranges`."""
        key = self.table.column(self.contract.key)
        sql = f"""
            select {key}, {self._checksum()}
            from {self.table.name} final
            where {range_condition(key, ranges)} and {self._shown(dates)}
        """
        return dict(self.table.rows(sql))  # type: ignore[arg-type]

    def versions(self, ids: Iterable[int]) -> dict[int, OrderVersion]:
        """The current version of each of these orders, deleted ones and rivals at the same LSN included."""
        return {order_id: self._newest(versions) for order_id, versions in self._stored(ids).items()}

    def stored_versions(self, order_id: int) -> tuple[OrderVersion, ...]:
        """Every version of the order that the table still holds, oldest first."""
        return tuple(reversed(self._stored([order_id]).get(order_id, [])))

    def _stored(self, ids: Iterable[int]) -> dict[int, list[OrderVersion]]:
        """All rows of these orders that no merge has dropped yet, newest first."""
        found: dict[int, list[OrderVersion]] = {}
        t = self.table
        key = t.column(self.contract.key)
        names = [t.column(column.name) for column in self.columns]
        picked = ", ".join([*names, t.column("is_deleted"), t.column("__source_ts_ms"), t.column("__source_lsn")])
        for chunk in chunks(ids):
            wanted = ", ".join(str(int(order_id)) for order_id in chunk)
            sql = f"""
                select {key} as id, {picked}
                from {t.name}
                where {key} in ({wanted})
                order by id, {self._insertion()} desc
            """
            for order_id, *row in t.rows(sql):
                found.setdefault(order_id, []).append(self._version(order_id, row))
        return found

    def _newest(self, versions: list[OrderVersion]) -> OrderVersion:
        """The first of `versions` (newest first), with other shown contents at its LSN as rivals."""
        newest, *older = versions
        rivals: list[Any] = []
        for version in older:
            if version.lsn == newest.lsn and version.values not in (None, newest.values, *rivals):
                rivals.append(version.values)
        return replace(newest, rivals=tuple(rivals))

    def _version(self, order_id: int, picked: Sequence[Any]) -> OrderVersion:
        *values, deleted, seen, lsn = picked
        shown = {column.name: _value(value, column) for column, value in zip(self.columns, values, strict=True)}
        return OrderVersion(order_id, lsn or None, _utc(seen), None if deleted else shown, bool(deleted))

    def _insertion(self) -> str:
        return _INSERTION.replace("__lsn", self.table.column("__source_lsn"))

    def _shown(self, dates: Sequence[date] | None) -> str:
        live = f"{self.table.column('is_deleted')} = 0"
        if dates is None:
            return live
        created = self.table.column("created_at")
        return f"{live} and (isNull({created}) or {date_condition(f'toDate32({created})', dates, 'toDate32')})"

    def _checksum(self) -> str:
        columns = (*self.contract.key_columns, *self.compared)
        return clickhouse_checksum(columns, self.table.column)


def _date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value


def _value(value: Any, column: Column) -> Value:
    """Times aware and in UTC, money as Decimal even where the speed layer keeps floats, all else as it is."""
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, float) and column.type is LogicalType.DECIMAL:
        return Decimal(str(value))
    return value


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
