"""The Snowflake table of a comparison.

What belongs here: SQL for Snowflake and the reading of its answers. What does not: what both sides do alike (sides.py), the
search (locate.py) and verdicts on rows (verdicts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from snowflake.connector.errors import ProgrammingError

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.reconciliation.compare.config import SideConfig
from ecommerce_platform.reconciliation.compare.sides import (
    WHOLE,
    Side,
    Totals,
    bounds_of,
    decimal_or_null,
    numbers,
    range_of,
)
from ecommerce_platform.reconciliation.model import Value
from ecommerce_platform.reconciliation.search.ranges import Bucket, KeyRange
from ecommerce_platform.reconciliation.search.sqltext import range_condition, snowflake_multiple
from ecommerce_platform.row_hash import MODULUS, Decimals, snowflake_row_hash
from ecommerce_platform.warehouse.sql.conditions import key_condition
from ecommerce_platform.warehouse.sql.connection import fetch_all, quoted

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


@dataclass(frozen=True)
class SnowflakeTable(Side):
    """The Snowflake side. The text of `uuids` is compared in lower case, as ClickHouse writes a UUID."""

    connection: SnowflakeConnection
    by_hash: bool = False
    uuids: frozenset[str] = frozenset()

    @property
    def config(self) -> SideConfig:
        return self.comparison.snowflake

    def _name(self, column: str) -> str:
        return quoted(self.config.columns.get(column, column))

    def _value(self, column: str) -> str:
        return f"lower({self._name(column)})" if column in self.uuids else self._name(column)

    def _read(self, column: Column, fetched: Any) -> Value:
        return _plain(fetched, column.type)

    @property
    def _source(self) -> str:
        return ".".join(quoted(part) for part in self.config.table.split("."))

    @cached_property
    def _scales(self) -> dict[str, int | None]:
        """The scale of each column that is a NUMBER. Raises ReconciliationError with Snowflake's words."""
        picked = ", ".join(self._name(column.name) for column in self._columns)
        try:
            with self.connection.cursor() as cursor:
                described = cursor.describe(f"select {picked} from {self._source}")
        except ProgrammingError as error:
            raise self._unreadable("Snowflake", error) from error
        return {column.name: result.scale for column, result in zip(self._columns, described, strict=True)}

    def _hash(self, columns: Sequence[Column]) -> str:
        scaled = [replace(column, scale=self._scales[column.name]) for column in columns]
        return snowflake_row_hash(scaled, self._value, Decimals.DIGITS)

    def _at(self, positions: Iterable[int]) -> str:
        return key_condition(self._position, positions)

    @property
    def _rows(self) -> str:
        return f"""
            with hashed as (
                select {self._position} as row_position, {self._hash(self._columns)} as row_checksum
                from {self._source}
                where {self._where}
            )"""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Answer to a query. Raises ReconciliationError with Snowflake's words."""
        try:
            return fetch_all(self.connection, sql)
        except ProgrammingError as error:
            raise self._unreadable("Snowflake", error) from error

    def totals(self) -> Totals:
        names = numbers(self.comparison)
        sums = "".join(f", sum({self._name(name)})" for name in names)
        missing = " or ".join(f"{self._name(name)} is null" for name in self.comparison.key)
        bounds = bounds_of(self.comparison, self._value)
        count, without, low, high, *aggregates = self.rows(
            f"select count(*), count_if({missing}), {bounds}{sums} from {self._source} where {self._where}"
        )[0]
        sums_of = {name: decimal_or_null(value) for name, value in zip(names, aggregates, strict=True)}
        # COUNT_IF over no rows is 0 in Snowflake, and null in the stand-in.
        return Totals(int(count), int(without or 0), sums_of, range_of(low, high))

    def key_bounds(self, dates: Sequence[date] | None) -> Bucket | None:
        bounds = f"min({self._position}), max({self._position})" if self.ranged else "null, null"
        count, low, high = self.rows(f"select count(*), {bounds} from {self._source} where {self._where}")[0]
        return Bucket(int(count), 0, range_of(low, high) or WHOLE) if count else None

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int, hashed: bool = True
    ) -> dict[int, Bucket]:
        # The bucket's first position stands for its number: a quotient of numbers this large would lose digits on the way.
        bucket = snowflake_multiple("row_position", ranges, origin, width)
        sql = f"""
            {self._rows}
            select {bucket} as bucket, count(*), {"sum(row_checksum)" if hashed else "0"}, min(row_position), max(row_position)
            from hashed
            where {range_condition("row_position", ranges)}
            group by {bucket}
        """
        return {
            int(first) // width: Bucket(int(count), int(total) % MODULUS, KeyRange(int(low), int(high)))
            for first, count, total, low, high in self.rows(sql)
        }

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        sql = f"""
            {self._rows}
            select row_position, sum(row_checksum)
            from hashed
            where {range_condition("row_position", ranges)}
            group by row_position
        """
        return {int(position): int(total) % MODULUS for position, total in self.rows(sql)}


def _plain(value: Any, kind: LogicalType) -> Value:
    """One form for a value of Snowflake's driver."""
    if value is None:
        return None
    if kind is LogicalType.BIGINT:
        # A number with places is a whole one only when they are zeros.
        return int(value) if value == int(value) else Decimal(str(value))
    if kind is LogicalType.DECIMAL:
        return Decimal(str(value))
    if kind is LogicalType.BOOLEAN:
        return bool(value)
    if kind is LogicalType.TIMESTAMP:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if kind is LogicalType.DATE:
        return value.date() if isinstance(value, datetime) else value
    return str(value)
