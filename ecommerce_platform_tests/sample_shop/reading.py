"""Reads a sample's files back, row by row and without any of the sample shop's code.

What belongs here: decoding of the forms that the sample shop writes, and the latest state. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TABLES = ("users", "products", "orders", "order_items")
OPS = {"c": "INSERT", "u": "UPDATE", "d": "DELETE", "r": "READ"}
DECIMALS = ("price", "total_amount", "unit_price")
TIMES = ("created_at", "updated_at")
MILLISECONDS = ("__ts_ms", "__source_ts_ms")
PLACEHOLDER = "__debezium_unavailable_value"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One row of a landing file. `values` are decoded; one that cannot be decoded is an Unreadable."""

    table: str
    day: date
    file: str
    position: int
    values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def late(self) -> bool:
        return self.file.startswith("late-")

    @property
    def committed_on(self) -> date:
        return (EPOCH + timedelta(milliseconds=self["__source_ts_ms"])).date()

    @property
    def is_readable(self) -> bool:
        metadata = all(self[name] is not None for name in ("id", *MILLISECONDS))
        numbered = self["__source_lsn"] is not None or self["__op"] == "READ"
        values = not any(isinstance(value, Unreadable) for value in self.values.values())
        return metadata and numbered and values and self["__op"] in OPS.values()

    @property
    def content(self) -> tuple[Any, ...]:
        return tuple(sorted(self.values.items(), key=lambda item: item[0]))


@dataclass(frozen=True)
class Unreadable:
    text: str


def landing_rows(landing: Path) -> list[Row]:
    """All rows of all landing files, file after file."""
    return [row for path in sorted(landing.rglob("*.parquet")) for row in _rows_of(landing, path)]


def _rows_of(landing: Path, path: Path) -> Iterator[Row]:
    table, folder, file = path.relative_to(landing).parts
    day = date.fromisoformat(folder.removeprefix("date="))
    for position, values in enumerate(pq.ParquetFile(path).read().to_pylist()):
        yield Row(table, day, file, position, {name: decode(name, value) for name, value in values.items()})


def decode(name: str, value: Any) -> Any:
    """Money as Decimal, business times as microseconds, the connector's as milliseconds, operations as words."""
    if value is None:
        return None
    if isinstance(value, datetime):
        value = (value - EPOCH) // timedelta(milliseconds=1 if name in MILLISECONDS else 0, microseconds=name in TIMES)
    if name == "__op":
        return OPS.get(value, value)
    if name in DECIMALS and isinstance(value, str):
        try:
            number = Decimal(value)
        except ArithmeticError:
            return Unreadable(value)
        return number if abs(number) < Decimal(10) ** 8 else Unreadable(value)
    return value


def of_table(rows: Iterable[Row], table: str) -> list[Row]:
    return [row for row in rows if row.table == table]


def event_order(row: Row) -> tuple[Any, ...]:
    lsn = row["__source_lsn"]
    return (row["id"], -1 if lsn is None else lsn, row["__ts_ms"], row.day, row.file, row.position)


def histories(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Readable events of each key in event order, each event once."""
    ordered = sorted((row for row in rows if row.is_readable), key=event_order)
    return {key: _without_copies(events) for key, events in groupby(ordered, key=lambda row: row["id"])}


def _without_copies(events: Iterable[Row]) -> list[Row]:
    kept: list[Row] = []
    for event in events:
        if not kept or event.content != kept[-1].content:
            kept.append(event)
    return kept


def latest_states(rows: Iterable[Row]) -> dict[int, dict[str, Any]]:
    """Latest values of each key that exists, placeholders replaced by the value before."""
    states = {}
    for key, events in histories(rows).items():
        if events[-1]["__op"] == "DELETE":
            continue
        state = dict(events[-1].values)
        for name, value in state.items():
            if value == PLACEHOLDER:
                state[name] = next(
                    (e[name] for e in reversed(events) if e["__op"] != "DELETE" and e[name] != PLACEHOLDER), None
                )
        states[key] = state
    return states


def count(rows: Iterable[Row], condition: Callable[[Row], bool]) -> int:
    return sum(1 for row in rows if condition(row))
