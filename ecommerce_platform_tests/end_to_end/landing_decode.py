"""Reads landing files the slow and obvious way: one Python value at a time, so that the truth owes nothing to the platform.

What belongs here: the physical forms of the files, quarantine, duplicates and the counts of each table and day. What does
not: latest state and figures (oracle.py and its SQL). Nothing is imported from ecommerce_platform, on purpose: columns and
rules are written down a second time from docs/definitions.md and the design document.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform_tests.end_to_end.value_decode import (
    BIGINT,
    DECODERS,
    INT,
    MONEY,
    TEXT,
    TIMESTAMP,
    UnfitValue,
    as_microseconds,
    likely_unit,
)

COLUMNS: dict[str, dict[str, str]] = {
    "users": {
        "id": BIGINT,
        "email": TEXT,
        "first_name": TEXT,
        "last_name": TEXT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "products": {
        "id": BIGINT,
        "name": TEXT,
        "description": TEXT,
        "price": MONEY,
        "stock_quantity": INT,
        "category": TEXT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "orders": {
        "id": BIGINT,
        "user_id": BIGINT,
        "status": TEXT,
        "total_amount": MONEY,
        "shipping_address": TEXT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "order_items": {
        "id": BIGINT,
        "order_id": BIGINT,
        "product_id": BIGINT,
        "quantity": INT,
        "unit_price": MONEY,
        "created_at": TIMESTAMP,
    },
}
METADATA = {"__op": TEXT, "__ts_ms": TIMESTAMP, "__source_ts_ms": TIMESTAMP, "__source_lsn": BIGINT}
OPERATIONS = {"c": "INSERT", "u": "UPDATE", "d": "DELETE", "r": "READ"}
OPERATIONS |= {word.lower(): word for word in OPERATIONS.values()}

ARROW_TYPES = {
    BIGINT: pa.int64(),
    INT: pa.int32(),
    MONEY: pa.decimal128(10, 2),
    TEXT: pa.string(),
    TIMESTAMP: pa.timestamp("us"),
}

Event = dict[str, Any]


class DayRefused(ValueError):
    """A file that cannot be read as this table at all: its day is not published."""


@dataclass(frozen=True)
class Counts:
    """What became of the rows of one table and day; `refused` says why the day was not published, or is None."""

    landed: int = 0
    published: int = 0
    quarantined: int = 0
    duplicates: int = 0
    refused: str | None = None


@dataclass
class Landing:
    """The decoded landing files: events of each table over the applied days, counts of each table and day."""

    events: dict[str, list[Event]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    counts: dict[tuple[str, date], Counts] = field(default_factory=dict)
    quarantined: list[tuple[str, date, str, int, str]] = field(default_factory=list)
    applied: tuple[date, ...] = ()


def decode_landing(landing: Path, days: Iterable[date], max_quarantined_share: Decimal = Decimal("0.01")) -> Landing:
    """All events of `days` in `landing`; a day that one table refuses is applied for none."""
    ordered = sorted(set(days))
    landed = Landing()
    per_day: dict[tuple[str, date], list[Event]] = {}
    for table in COLUMNS:
        for day in ordered:
            events, counts, unfit = decode_day(landing, table, day, max_quarantined_share)
            per_day[table, day] = events
            landed.counts[table, day] = counts
            landed.quarantined.extend((table, day, *row) for row in unfit)
    landed.applied = tuple(
        day for day in ordered if all(landed.counts[table, day].refused is None for table in COLUMNS)
    )
    for table in COLUMNS:
        landed.events[table] = [event for day in landed.applied for event in per_day[table, day]]
    return landed


def decode_day(
    landing: Path, table: str, day: date, max_quarantined_share: Decimal
) -> tuple[list[Event], Counts, list[tuple[str, int, str]]]:
    """Published events, counts, and the quarantined rows as (file, row, reason) of one table and day."""
    folder = landing / table / f"date={day.isoformat()}"
    events: list[Event] = []
    unfit: list[tuple[str, int, str]] = []
    landed = 0
    for file in sorted(folder.glob("*.parquet")) if folder.is_dir() else []:
        if file.name.startswith(("_", ".")):
            continue
        source = f"{folder.name}/{file.name}"
        try:
            rows = read_rows(file, table)
        except DayRefused as error:
            return [], Counts(landed=landed, refused=f"{source}: {error}"), unfit
        landed += len(rows)
        for position, row in enumerate(rows):
            try:
                event = decode_row(row, table)
            except UnfitValue as error:
                unfit.append((source, position, str(error)))
            else:
                events.append(event | {"date": day, "__source_file": source, "__source_row": position})
    kept = without_duplicates(events, table)
    share_refused = Decimal(len(unfit)) > max_quarantined_share * landed
    return (
        kept,
        Counts(
            landed=landed,
            published=len(kept),
            quarantined=len(unfit),
            duplicates=len(events) - len(kept),
            refused=f"{len(unfit)} of {landed} rows quarantined" if share_refused else None,
        ),
        unfit,
    )


def read_rows(file: Path, table: str) -> list[Event]:
    """The file's rows as they are, contract and metadata columns only; a missing column is null in each of them."""
    try:
        content = pq.ParquetFile(file).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise DayRefused(f"no readable Parquet file: {error}") from error
    names = COLUMNS[table] | METADATA
    missing = [name for name in ("id", *METADATA) if name not in content.column_names]
    if missing:
        raise DayRefused(f"lacks {', '.join(missing)}")
    columns: dict[str, list[Any]] = {}
    for name, logical in names.items():
        if name in content.column_names:
            columns[name] = plain_values(content.column(name), name, logical)
        else:
            columns[name] = [None] * content.num_rows
    epochs = [
        name
        for name, logical in COLUMNS[table].items()
        if logical == TIMESTAMP and any(isinstance(value, int) for value in columns[name])
    ]
    units = {name: likely_unit(columns[name]) for name in epochs}
    known = [unit for unit in units.values() if unit]
    for name in epochs:
        unit = units[name] or (max(known, key=known.count) if known else 10**6)
        columns[name] = [as_microseconds(value, unit) if isinstance(value, int) else value for value in columns[name]]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def plain_values(column: pa.ChunkedArray, name: str, logical: str) -> list[Any]:
    """Values as Python has them; Parquet timestamps (INT96 among them) as microseconds of the epoch in a 1-tuple."""
    physical = column.type
    if pa.types.is_floating(physical) and logical != TIMESTAMP:
        raise DayRefused(f"column {name} is {physical}: numbers do not go through a float")
    if pa.types.is_timestamp(physical):
        if logical != TIMESTAMP:
            raise DayRefused(f"column {name} is {physical}, expected {logical}")
        micros = column.cast(pa.timestamp("us", tz=physical.tz), safe=False).cast(pa.int64())
        return [None if value is None else (value,) for value in micros.to_pylist()]
    is_text = pa.types.is_string(physical) or pa.types.is_large_string(physical)
    if logical == TEXT and not is_text and not pa.types.is_null(physical):
        raise DayRefused(f"column {name} is {physical}, expected text")
    return column.to_pylist()


def decode_row(row: Event, table: str) -> Event:
    """The event in the contract's types. Raises UnfitValue naming the column and the reason."""
    event: Event = {}
    for name, logical in (COLUMNS[table] | METADATA).items():
        try:
            event[name] = None if row[name] is None else DECODERS[logical](row[name], name)
        except UnfitValue as error:
            raise UnfitValue(f"{name}: {error}") from error
    operation = OPERATIONS.get(str(event["__op"]).lower())
    if operation is None:
        raise UnfitValue(f"__op: unknown {event['__op']!r}")
    event["__op"] = operation
    if operation == "READ" and not event["__source_ts_ms"]:
        event["__source_ts_ms"] = event["__ts_ms"]  # a snapshot row has no commit
    for name in ("__ts_ms", "__source_ts_ms"):
        if event[name] is not None and event[name] <= 0:
            raise UnfitValue(f"{name}: {row[name]!r} is not a time at which a change was captured")
    required = ["id", "__ts_ms", "__source_ts_ms"]
    required += [] if operation == "READ" else ["__source_lsn"]
    required += [] if operation == "DELETE" else ["created_at"]
    for name in required:
        if event[name] is None:
            raise UnfitValue(f"{name}: missing")
    return event


def without_duplicates(events: list[Event], table: str) -> list[Event]:
    """Of neighbours in the event order of one key and LSN that are equal in every column, the first stays."""
    compared = (*COLUMNS[table], *METADATA)
    kept: list[Event] = []
    previous: tuple[Any, ...] | None = None
    for event in sorted(events, key=lambda event: (event["id"], neighbourhood(event))):
        content = tuple(event[name] for name in compared)
        if content != previous:
            kept.append(event)
        previous = content
    return kept


def neighbourhood(event: Event) -> tuple[Any, ...]:
    """Orders a day's events of one key so that those of one LSN are neighbours, in event order; none counts as one LSN."""
    lsn = event["__source_lsn"]
    return (
        (lsn is not None, lsn or 0),
        event["__ts_ms"],
        event["__source_file"],
        event["__source_row"],
    )


def as_arrow(events: list[Event], table: str) -> pa.Table:
    """The events as a typed table: contract, metadata, landing day and provenance columns."""
    schema = pa.schema(
        [(name, ARROW_TYPES[logical]) for name, logical in (COLUMNS[table] | METADATA).items()]
        + [("date", pa.date32()), ("__source_file", pa.string()), ("__source_row", pa.int64())]
    )
    return pa.table(
        {item.name: pa.array([event[item.name] for event in events], type=item.type) for item in schema}, schema=schema
    )
