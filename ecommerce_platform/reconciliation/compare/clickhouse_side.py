"""The ClickHouse table of a comparison.

What belongs here: SQL for ClickHouse and the reading of its answers. What does not: what both sides do alike (sides.py), the
search (locate.py) and verdicts on rows (verdicts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from ecommerce_platform.contracts import Column
from ecommerce_platform.reconciliation.compare.config import ClickHouseSide
from ecommerce_platform.reconciliation.compare.sides import (
    WHOLE,
    Side,
    Totals,
    bounds_of,
    decimal_or_null,
    numbers,
    range_of,
)
from ecommerce_platform.reconciliation.layers.clickhouse import quoted, required
from ecommerce_platform.reconciliation.layers.clickhouse_types import Comparable, comparable
from ecommerce_platform.reconciliation.model import ReconciliationError, Value
from ecommerce_platform.reconciliation.search.ranges import Bucket, KeyRange
from ecommerce_platform.reconciliation.search.sqltext import range_condition
from ecommerce_platform.row_hash import MODULUS, clickhouse_row_hash


@dataclass(frozen=True)
class ClickHouseTable(Side):
    """The ClickHouse side."""

    client: Client
    by_hash: bool = False

    @property
    def config(self) -> ClickHouseSide:
        return self.comparison.clickhouse

    def _name(self, column: str) -> str:
        return quoted(self._bare_name(column))

    def _bare_name(self, column: str) -> str:
        return self.config.columns.get(column, column)

    @property
    def _source(self) -> str:
        return f"{quoted(self.config.table)}{' final' if self.config.final else ''}"

    @cached_property
    def _comparables(self) -> dict[str, Comparable]:
        """How each column is compared. Raises ReconciliationError naming one that is missing, or of a type that is not."""
        declared = {name: kind for name, kind, *_ in self.rows(f"describe table {quoted(self.config.table)}")}
        comparable_by_name = {}
        for column in self._columns:
            name = self._bare_name(column.name)
            if name not in declared:
                raise ReconciliationError(
                    f"{self.comparison.name}: ClickHouse table {self.config.table} has no column {name}; expected "
                    f"{column.name} (another name: in clickhouse.columns)"
                )
            comparable_by_name[column.name] = required(
                comparable(column, self._name(column.name), declared[name]), column, self.config.table, name,
                declared[name], "name another type in the comparison's file, or leave it out there",
            )  # fmt: skip
        return comparable_by_name

    @property
    def uuids(self) -> frozenset[str]:
        """Columns whose text agrees in either case."""
        return frozenset(name for name, comparable in self._comparables.items() if comparable.is_uuid)

    def _value(self, column: str) -> str:
        return self._comparables[column].value

    def _read(self, column: Column, fetched: Any) -> Value:
        return self._comparables[column.name].read(fetched)

    def _hash(self, columns: Sequence[Column]) -> str:
        return clickhouse_row_hash((column, self._comparables[column.name].text) for column in columns)

    def _at(self, positions: Iterable[int]) -> str:
        return f"{self._position} in ({', '.join(str(int(position)) for position in positions)})"

    @property
    def _rows(self) -> str:
        return (
            f"select {self._position} as row_position, {self._hash(self._columns)} as row_checksum "
            f"from {self._source} where {self._where}"
        )

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Answer to a query. Raises ReconciliationError with ClickHouse's words."""
        try:
            return self.client.query(sql).result_rows
        except ClickHouseError as error:
            raise self._unreadable("ClickHouse", error) from error

    def totals(self) -> Totals:
        names = numbers(self.comparison)
        sums = "".join(f", {self._comparables[name].sum()}" for name in names)
        missing = " or ".join(f"isNull({self._value(name)})" for name in self.comparison.key)
        bounds = bounds_of(self.comparison, self._value)
        count, without, low, high, *aggregates = self.rows(
            f"select count(), countIf({missing}), {bounds}{sums} from {self._source} where {self._where}"
        )[0]
        sums_of = {name: decimal_or_null(value) for name, value in zip(names, aggregates, strict=True)}
        return Totals(count, without, sums_of, range_of(low, high) if count > without else None)

    def key_bounds(self, dates: Sequence[date] | None) -> Bucket | None:
        bounds = f"min({self._position}), max({self._position})" if self.ranged else "null, null"
        count, low, high = self.rows(f"select count(), {bounds} from {self._source} where {self._where}")[0]
        return Bucket(int(count), 0, range_of(low, high) or WHOLE) if count else None

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int, hashed: bool = True
    ) -> dict[int, Bucket]:
        sql = f"""
            select intDiv(toInt256(row_position) - toInt256('{origin}'), toInt256('{width}')) as bucket, count(),
                   {"sum(row_checksum)" if hashed else "0"}, min(row_position), max(row_position)
            from ({self._rows})
            where {range_condition("row_position", ranges)}
            group by bucket
        """
        return {
            int(bucket): Bucket(count, int(total) % MODULUS, KeyRange(int(low), int(high)))
            for bucket, count, total, low, high in self.rows(sql)
        }

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        sql = f"""
            select row_position, sum(row_checksum)
            from ({self._rows})
            where {range_condition("row_position", ranges)}
            group by row_position
        """
        return {int(position): int(total) % MODULUS for position, total in self.rows(sql)}
