"""The two tables of a comparison, each answering for positions: a key that is one integer, or the hash of any other key.

What belongs here: SQL for either engine and the reading of its answers. What does not: the search (locate.py) and verdicts on
rows (verdicts.py).

A position is a whole number, so that the search for differing ranges serves composite and text keys as well: their position is
the lower half of the MD5 of their normalised text. Rows that share a position (copies of a key, or a collision of hashes) add up,
and are told apart by their keys once they are fetched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from snowflake.connector.errors import ProgrammingError

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.reconciliation.checksum import MODULUS, clickhouse_checksum, snowflake_checksum
from ecommerce_platform.reconciliation.clickhouse import quoted as clickhouse_name
from ecommerce_platform.reconciliation.compare.config import ClickHouseSide, Comparison, SideConfig
from ecommerce_platform.reconciliation.locate import Bucket, KeyRange
from ecommerce_platform.reconciliation.model import ReconciliationError, Value
from ecommerce_platform.reconciliation.sqltext import chunks, range_condition
from ecommerce_platform.warehouse.conditions import key_condition
from ecommerce_platform.warehouse.connection import fetch_all
from ecommerce_platform.warehouse.connection import quoted as snowflake_name

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: Positions in one statement that fetches rows by them.
ROWS_AT_ONCE = 20_000
_WHOLE = KeyRange(0, MODULUS - 1)
Row = tuple[tuple[Value, ...], tuple[Value, ...]]


@dataclass(frozen=True)
class Totals:
    """What a side holds: rows, rows without a whole key, and the sums of its numbers by column."""

    rows: int
    without_key: int
    sums: dict[str, Decimal | None]


@dataclass(frozen=True)
class _Side(ABC):
    """What both tables do alike once each has its own SQL."""

    comparison: Comparison

    @property
    @abstractmethod
    def config(self) -> SideConfig:
        """The side's part of the comparison's file."""

    @abstractmethod
    def _name(self, column: str) -> str:
        """A column's quoted name on this side."""

    @property
    @abstractmethod
    def _source(self) -> str:
        """The table as a FROM clause names it."""

    @abstractmethod
    def _hash(self, columns: Sequence[Column]) -> str:
        """Checksum over columns, alike on both sides."""

    @abstractmethod
    def _at(self, positions: Iterable[int]) -> str:
        """Condition: the row is at one of these positions."""

    @abstractmethod
    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Answer to a query. Raises ReconciliationError with the engine's words."""

    @property
    def _columns(self) -> tuple[Column, ...]:
        return (*self.comparison.key_columns, *self.comparison.value_columns)

    @property
    def _where(self) -> str:
        return f"({self.config.where})" if self.config.where else "1 = 1"

    @property
    def _position(self) -> str:
        if self.comparison.numeric_key:
            return self._name(self.comparison.key[0])
        return self._hash(self.comparison.key_columns)

    def _unreadable(self, engine: str, error: Exception) -> ReconciliationError:
        return ReconciliationError(
            f"{self.comparison.name}: {engine} table {self.config.table} could not be read: {error}; "
            "expected the columns, types and filter of the comparison's file"
        )

    def fetch(self, positions: Iterable[int]) -> list[Row]:
        """Key and values of every row at these positions."""
        columns = self._columns
        picked = ", ".join(self._name(column.name) for column in columns)
        found: list[Row] = []
        for some in chunks(positions, ROWS_AT_ONCE):
            sql = f"select {picked} from {self._source} where {self._where} and {self._at(some)}"
            found += (_row(values, columns, len(self.comparison.key)) for values in self.rows(sql))
        return found


@dataclass(frozen=True)
class ClickHouseTable(_Side):
    """The ClickHouse side."""

    client: Client

    @property
    def config(self) -> ClickHouseSide:
        return self.comparison.clickhouse

    def _name(self, column: str) -> str:
        return clickhouse_name(self.config.columns.get(column, column))

    @property
    def _source(self) -> str:
        return f"{clickhouse_name(self.config.table)}{' final' if self.config.final else ''}"

    def _hash(self, columns: Sequence[Column]) -> str:
        return clickhouse_checksum(columns, self._name)

    def _at(self, positions: Iterable[int]) -> str:
        return f"{self._position} in ({', '.join(str(int(position)) for position in positions)})"

    @property
    def _checksum(self) -> str:
        return self._hash(self._columns)

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Answer to a query. Raises ReconciliationError with ClickHouse's words."""
        try:
            return self.client.query(sql).result_rows
        except ClickHouseError as error:
            raise self._unreadable("ClickHouse", error) from error

    def totals(self) -> Totals:
        names = _numbers(self.comparison)
        sums = "".join(f", sum(toDecimal256({self._name(name)}, 6))" for name in names)
        missing = " or ".join(f"isNull({self._name(name)})" for name in self.comparison.key)
        count, without, *found = self.rows(
            f"select count(), countIf({missing}){sums} from {self._source} where {self._where}"
        )[0]
        return Totals(count, without, {name: _decimal(value) for name, value in zip(names, found, strict=True)})

    def key_bounds(self, dates: Sequence[date] | None) -> KeyRange | None:
        if not self.comparison.numeric_key:
            return _WHOLE
        key = self._position
        count, low, high = self.rows(f"select count(), min({key}), max({key}) from {self._source} where {self._where}")[
            0
        ]
        return KeyRange(int(low), int(high)) if count else None

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int
    ) -> dict[int, Bucket]:
        sql = f"""
            select intDiv(toInt256(position) - toInt256('{origin}'), toInt256('{width}')) as bucket, count(), sum(checksum),
                   min(position), max(position)
            from (select {self._position} as position, {self._checksum} as checksum from {self._source} where {self._where})
            where {range_condition("position", ranges)}
            group by bucket
        """
        return {
            int(bucket): Bucket(count, int(total) % MODULUS, KeyRange(int(low), int(high)))
            for bucket, count, total, low, high in self.rows(sql)
        }

    def row_checksums(self, dates: Sequence[date] | None, ranges: Sequence[KeyRange]) -> dict[int, int]:
        sql = f"""
            select position, sum(checksum)
            from (select {self._position} as position, {self._checksum} as checksum from {self._source} where {self._where})
            where {range_condition("position", ranges)}
            group by position
        """
        return {int(position): int(total) % MODULUS for position, total in self.rows(sql)}


@dataclass(frozen=True)
class SnowflakeTable(_Side):
    """The Snowflake side."""

    connection: SnowflakeConnection

    @property
    def config(self) -> SideConfig:
        return self.comparison.snowflake

    def _name(self, column: str) -> str:
        return snowflake_name(self.config.columns.get(column, column))

    @property
    def _source(self) -> str:
        return ".".join(snowflake_name(part) for part in self.config.table.split("."))

    def _hash(self, columns: Sequence[Column]) -> str:
        return snowflake_checksum(columns, self._name)

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
        names = _numbers(self.comparison)
        sums = "".join(f", sum({self._name(name)})" for name in names)
        missing = " or ".join(f"{self._name(name)} is null" for name in self.comparison.key)
        count, without, *found = self.rows(
            f"select count(*), count_if({missing}){sums} from {self._source} where {self._where}"
        )[0]
        sums_of = {name: _decimal(value) for name, value in zip(names, found, strict=True)}
        # COUNT_IF over no rows is 0 in Snowflake, and null in the stand-in.
        return Totals(int(count), int(without or 0), sums_of)

    def key_bounds(self, dates: Sequence[date] | None) -> KeyRange | None:
        if not self.comparison.numeric_key:
            return _WHOLE
        key = self._position
        low, high = self.rows(f"select min({key}), max({key}) from {self._source} where {self._where}")[0]
        return None if low is None else KeyRange(int(low), int(high))

    def buckets(
        self, dates: Sequence[date] | None, ranges: Sequence[KeyRange], origin: int, width: int
    ) -> dict[int, Bucket]:
        # The bucket's first position stands for its number: a quotient of numbers this large would lose digits on the way.
        offset = f"(row_position - ({origin}))"
        bucket = f"({offset} - mod({offset}, {width}))"
        sql = f"""
            {self._rows}
            select {bucket} as bucket, count(*), sum(row_checksum), min(row_position), max(row_position)
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


def _numbers(comparison: Comparison) -> list[str]:
    return [c.name for c in comparison.value_columns if c.type in (LogicalType.BIGINT, LogicalType.DECIMAL)]


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _row(values: Sequence[Any], columns: Sequence[Column], keys: int) -> Row:
    plain = tuple(_plain(value, column.type) for value, column in zip(values, columns, strict=True))
    return plain[:keys], plain[keys:]


def _plain(value: Any, kind: LogicalType) -> Value:
    """One form for a value, whichever driver it came from."""
    if value is None:
        return None
    if kind is LogicalType.BIGINT:
        return int(value)
    if kind is LogicalType.DECIMAL:
        return Decimal(str(value))
    if kind is LogicalType.BOOLEAN:
        return bool(value)
    if kind is LogicalType.TIMESTAMP:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if kind is LogicalType.DATE:
        return value.date() if isinstance(value, datetime) else value
    return str(value)
