"""What the speed layer says: questions to ClickHouse's order versions.

What belongs here: SQL for ClickHouse and the reading of its answers. What does not: comparisons (verdict.py, explain.py), and how
a column of some type becomes a value (clickhouse_types.py): every column but in an index condition is asked for by its value.

The current version of an order is the one with the highest `__source_lsn`; on a tie the one that was inserted last, as
FINAL has it (parts are numbered in the order of insertion). FINAL itself hides deleted orders, which a lagging delete
needs; so the questions that must see one moment of the table pick the version by themselves, in one statement.

Times travel as microseconds since 1970 in UTC, in questions and in answers: the server's time zone, and what the client makes of
a DateTime, have no say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from ecommerce_platform.contracts import Column, Contract
from ecommerce_platform.daily_metrics import DailyMetric, all_measures, exact_figure, reconciled_metrics
from ecommerce_platform.reconciliation.layers.clickhouse import CHANGE_COLUMNS, SpeedTable
from ecommerce_platform.reconciliation.layers.clickhouse_types import Comparable
from ecommerce_platform.reconciliation.layers.measured_sql import clickhouse_measure
from ecommerce_platform.reconciliation.model import Cell, OrderVersion
from ecommerce_platform.reconciliation.search.ranges import Bucket, KeyRange
from ecommerce_platform.reconciliation.search.sqltext import chunks, range_condition
from ecommerce_platform.row_hash import MODULUS, clickhouse_row_hash
from ecommerce_platform.warehouse.sql.conditions import date_condition

_INSERTION = "tuple(__lsn, toUInt64OrZero(splitByChar('_', _part)[-3]), _part_offset)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: So many versions are picked by a set of their keys, which takes some hundred bytes a key.
MOST_PICKED = 2_000_000


@dataclass(frozen=True)
class SpeedOrders:
    """The orders of the speed layer: `columns` of the contract are read, `compared` make the checksum (both without the key).

    `measured` are columns beside the contract's that `metrics` need.
    """

    table: SpeedTable
    contract: Contract
    columns: tuple[Column, ...]
    compared: tuple[Column, ...]
    measured: tuple[Column, ...] = ()
    metrics: tuple[DailyMetric, ...] = field(default_factory=reconciled_metrics)

    @cached_property
    def _of(self) -> dict[str, Comparable]:
        """How each column is compared. Raises ReconciliationError naming one of a type that is not."""
        return self.table.comparables((*self.contract.key_columns, *self._read, *CHANGE_COLUMNS))

    @property
    def _read(self) -> tuple[Column, ...]:
        """The business columns that are fetched of a version."""
        return (*self.columns, *self.measured)

    def cells(self, dates: Sequence[date], cut_off: datetime | None) -> Iterator[tuple[list[Cell], list[OrderVersion]]]:
        """Orders of `dates` by date and user as they stood at the cut-off, and each version of any date after it; block by
        block, so that millions of lagging orders are never in memory at once.

        One statement, so that a writer cannot make an order appear on both sides or on none.
        """
        picked = self._picked
        place = {name: f"v.{number}" for number, name in enumerate(picked, start=1)}
        day = _day(place["created_at"])
        measures = all_measures(self.metrics)
        measured = ", ".join(clickhouse_measure(measure, place, self._of) for measure in measures)
        late = "1" if cut_off is None else _after_cut_off(place["__source_ts_ms"])
        singles = ", ".join(f"if({late}, {value}, null)" for value in place.values())
        sql = f"""
            with current as (
                select {self._key} as order_key, argMax(tuple({", ".join(picked.values())}), {self._insertion()}) as v
                from {self.table.name}
                {self._of_keys_shown_on(dates, cut_off)}
                group by order_key
            )
            select if({late}, order_key, null) as late_key, {day} as day, {place["user_id"]} as user_of_orders,
                   any(tuple({singles})), {measured}
            from current
            where {late} or ({place["is_deleted"]} = 0 and {date_condition(day, dates, "toDate32")})
            group by late_key, day, user_of_orders
            settings optimize_aggregation_in_order = 1
        """
        for block in self.table.blocks(sql, _parameters(cut_off)):
            cells, late_orders = [], []
            for late_key, created_on, user_id, values, *figures in block:
                if late_key is not None:
                    late_orders.append(self._version(late_key, values))
                else:
                    user = None if user_id is None else int(user_id)
                    cells.append(Cell(_date(created_on), user, tuple(map(exact_figure, measures, figures))))
            yield cells, late_orders

    def _of_keys_shown_on(self, dates: Sequence[date], cut_off: datetime | None) -> str:
        """Leaves out keys of which no version is of these dates or after the cut-off, so that most of a long history is not
        grouped; nothing where they are so many that a set of them costs more memory than it saves time.
        """
        if cut_off is None:
            return ""
        version = self._picked
        on_dates = date_condition(_day(version["created_at"]), dates, "toDate32")
        shown = f"{_after_cut_off(version['__source_ts_ms'])} or {on_dates}"
        ((versions,),) = self.table.rows(f"select count() from {self.table.name} where {shown}", _parameters(cut_off))
        if versions > MOST_PICKED:
            return ""
        return f"where {self._key} in (select {self._key} from {self.table.name} where {shown})"

    def dates(self, cut_off: datetime, changed_on: Sequence[date]) -> dict[date, bool]:
        """Business dates of the orders shown at the cut-off, each with whether a change of `changed_on` touched it."""
        seen = self._of["__source_ts_ms"].value
        changed = date_condition(_day(seen), changed_on, "toDate32")
        sql = f"""
            select {_day(self._of["created_at"].value)} as day, max({changed}) as changed
            from {self.table.name} final
            where {self._live} and {seen} <= {{cut_off:Int64}} and day is not null
            group by day
        """
        return {_date(day): bool(changed) for day, changed in self.table.rows(sql, _parameters(cut_off))}

    def key_bounds(self, dates: Sequence[date] | None) -> Bucket | None:
        """Between which keys all orders of `dates` lie, and about how many; None when there are none.

        Versions that no merge has dropped yet count, too: they can only widen the bounds, and FINAL would cost a third of the
        search.
        """
        key = self._key
        sql = f"select count(), min({key}), max({key}) from {self.table.name} where {self._shown(dates)}"
        count, low, high = self.table.rows(sql)[0]
        return Bucket(count, 0, KeyRange(int(low), int(high))) if count else None

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int, hashed: bool = True
    ) -> dict[int, Bucket]:
        """Count, checksum and key bounds of the orders of `dates` in `ranges`, by (key − origin) div width."""
        key = self._key
        checksum = f"sum({self._checksum()})" if hashed else "0"
        sql = f"""
            select intDiv(toInt128({key}) - {origin}, {width}) as bucket, count(), {checksum},
                   min({key}), max({key})
            from {self.table.name} final
            where {range_condition(key, ranges)} and {self._shown(dates)}
            group by bucket
        """
        return {
            int(bucket): Bucket(count, int(total) % MODULUS, KeyRange(int(low), int(high)))
            for bucket, count, total, low, high in self.table.rows(sql)
        }

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        """Checksum of each order of `dates` in `ranges`."""
        key = self._key
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
        versions: dict[int, list[OrderVersion]] = {}
        for chunk in chunks(ids):
            listed = ", ".join(str(int(order_id)) for order_id in chunk)
            sql = f"""
                select {self._key} as order_key, {", ".join(self._picked.values())}
                from {self.table.name}
                where {self._key} in ({listed})
                order by order_key, {self._insertion()} desc
            """
            for order_id, *row in self.table.rows(sql):
                versions.setdefault(int(order_id), []).append(self._version(order_id, row))
        return versions

    def _newest(self, versions: list[OrderVersion]) -> OrderVersion:
        """The first of `versions` (newest first), with other shown contents at its LSN as rivals."""
        newest, *older = versions
        rivals: list[Any] = []
        for version in older:
            if version.lsn == newest.lsn and version.values not in (None, newest.values, *rivals):
                rivals.append(version.values)
        return replace(newest, rivals=tuple(rivals))

    def _version(self, order_id: Any, fetched: Sequence[Any]) -> OrderVersion:
        *values, deleted, lsn, seen = (
            self._of[name].read(value) for name, value in zip(self._picked, fetched, strict=True)
        )
        shown = {column.name: value for column, value in zip(self._read, values, strict=True)}
        at = seen if isinstance(seen, datetime) else None
        number = lsn if isinstance(lsn, int) else None
        return OrderVersion(int(order_id), number or None, at, None if deleted else shown, bool(deleted))

    @property
    def _picked(self) -> dict[str, str]:
        """What is fetched of a version: its columns, and what is known of the change."""
        return {column.name: self._of[column.name].value for column in (*self._read, *CHANGE_COLUMNS)}

    @property
    def _key(self) -> str:
        return self._of[self.contract.key].value

    @property
    def _live(self) -> str:
        return f"ifNull({self._of['is_deleted'].value}, 0) = 0"

    def _insertion(self) -> str:
        return _INSERTION.replace("__lsn", self._of["__source_lsn"].value)

    def _shown(self, dates: Sequence[date] | None) -> str:
        if dates is None:
            return self._live
        created = self._of["created_at"].value
        return f"{self._live} and (isNull({created}) or {date_condition(_day(created), dates, 'toDate32')})"

    def _checksum(self) -> str:
        columns = (*self.contract.key_columns, *self.compared)
        return clickhouse_row_hash((column, self._of[column.name].text) for column in columns)


def _day(microseconds: str) -> str:
    """The date in UTC of a time."""
    return f"toDate32(fromUnixTimestamp64Micro({microseconds}, 'UTC'), 'UTC')"


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _after_cut_off(microseconds: str) -> str:
    return f"ifNull({microseconds} > {{cut_off:Int64}}, 0)"


def _parameters(cut_off: datetime | None) -> dict[str, Any]:
    return {} if cut_off is None else {"cut_off": _microseconds(cut_off)}


def _date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value
