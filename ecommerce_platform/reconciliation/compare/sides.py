"""The two tables of a comparison, each answering for positions: a key that is one integer, or the hash of any other key.

What belongs here: what both sides do alike. What does not: SQL for either engine (clickhouse_side.py, snowflake_side.py), the
search (locate.py) and verdicts on rows (verdicts.py).

A position is a whole number, so that the search for differing ranges serves composite and text keys as well: their position is
the lower half of the MD5 of their normalised text. Rows that share a position (copies of a key, or a collision of hashes) add up,
and are distinguished by their keys once they are fetched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.reconciliation.compare.config import Comparison, SideConfig
from ecommerce_platform.reconciliation.model import ReconciliationError, Value
from ecommerce_platform.reconciliation.search.ranges import KeyRange
from ecommerce_platform.reconciliation.search.sqltext import GREATEST_KEY, LEAST_KEY, chunks
from ecommerce_platform.row_hash import MODULUS

#: Positions in one statement that fetches rows by them.
ROWS_AT_ONCE = 20_000
WHOLE = KeyRange(0, MODULUS - 1)
Row = tuple[tuple[Value, ...], tuple[Value, ...]]


@dataclass(frozen=True)
class Totals:
    """What a side holds: rows, rows without a whole key, the sums of its numbers by column, and of a key that is one integer
    the smallest and the largest."""

    rows: int
    without_key: int
    sums: dict[str, Decimal | None]
    keys: KeyRange | None = None

    @property
    def searchable_by_key(self) -> bool:
        """Whether all keys are whole numbers of 64 bits, whose distances both engines can compute."""
        return self.keys is None or (self.keys.low >= LEAST_KEY and self.keys.high <= GREATEST_KEY)


@dataclass(frozen=True)
class Side(ABC):
    """What both tables do alike once each has its own SQL."""

    comparison: Comparison

    @property
    @abstractmethod
    def by_hash(self) -> bool:
        """Whether an integer key is hashed as any other key is."""

    @property
    @abstractmethod
    def config(self) -> SideConfig:
        """The side's part of the comparison's file."""

    @abstractmethod
    def _value(self, column: str) -> str:
        """SQL of a column's value on this side."""

    @abstractmethod
    def _read(self, column: Column, fetched: Any) -> Value:
        """One form for a value, whichever driver it came from."""

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
    def ranged(self) -> bool:
        """Whether a position is the key itself."""
        return self.comparison.numeric_key and not self.by_hash

    @property
    def _position(self) -> str:
        if self.ranged:
            return self._value(self.comparison.key[0])
        return self._hash(self.comparison.key_columns)

    def _unreadable(self, engine: str, error: Exception) -> ReconciliationError:
        return ReconciliationError(
            f"{self.comparison.name}: {engine} table {self.config.table} could not be read: {error}; "
            "expected the columns, types and filter of the comparison's file"
        )

    def fetch(self, positions: Iterable[int]) -> list[Row]:
        """Key and values of every row at these positions."""
        columns, keys = self._columns, len(self.comparison.key)
        picked = ", ".join(self._value(column.name) for column in columns)
        rows: list[Row] = []
        for some in chunks(positions, ROWS_AT_ONCE):
            sql = f"select {picked} from {self._source} where {self._where} and {self._at(some)}"
            for fetched in self.rows(sql):
                values = tuple(self._read(column, value) for column, value in zip(columns, fetched, strict=True))
                rows.append((values[:keys], values[keys:]))
        return rows


def numbers(comparison: Comparison) -> list[str]:
    return [c.name for c in comparison.value_columns if c.type in (LogicalType.BIGINT, LogicalType.DECIMAL)]


def decimal_or_null(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def bounds_of(comparison: Comparison, value: Callable[[str], str]) -> str:
    """The smallest and the largest key, or nulls where the key is not one integer."""
    if not comparison.numeric_key:
        return "null, null"
    key = value(comparison.key[0])
    return f"min({key}), max({key})"


def range_of(low: Any, high: Any) -> KeyRange | None:
    return None if low is None else KeyRange(int(low), int(high))
