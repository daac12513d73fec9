"""A small lakehouse for tests: days published by PyIceberg, with the ledger that the lakehouse room writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import In

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import DayRecord, published_properties, read_table_ledger
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, with_extra_columns
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.lake_files import LoadSource, collect, contents_by_day, files_of_days

Row = dict[str, Any]
FIRST_DAY = date(2026, 1, 1)


def day(number: int) -> date:
    """The number-th day of the tests, from 1."""
    return FIRST_DAY + timedelta(days=number - 1)


def event(contract: Contract, on: date, position: int, **values: object) -> Row:
    """An event row with plain values; `values` replace columns by name."""
    at = datetime(on.year, on.month, on.day, 12, 0, 0, 123456, tzinfo=UTC)
    row: Row = {}
    for column in contract.columns:
        row[column.name] = {
            "bigint": position,
            "int": position,
            "decimal": None,
            "text": f"{column.name} {position}",
            "timestamp": at,
            "date": on,
            "boolean": True,
        }[column.type.value]
    row |= {"__op": "INSERT", "__ts_ms": at, "__source_ts_ms": at, "__source_lsn": 1000 + position, "date": on}
    row |= {"__source_file": f"date={on}/part-0.parquet", "__source_row": position}
    return row | values


def events(contract: Contract, on: date, count: int, **values: object) -> list[Row]:
    return [event(contract, on, position, **values) for position in range(1, count + 1)]


def publish(
    settings: Settings,
    table: str,
    days: Mapping[date, Sequence[Row]],
    contract: Contract | None = None,
    claimed_rows: int | None = None,
    with_checksums: bool = True,
) -> dict[date, DayRecord]:
    """Publishes days with exactly these rows in one commit, replacing what they had; returns their ledger records.

    Without checksums they are as earlier releases published them.
    """
    catalog = Lake.of(settings).catalog
    iceberg = ensure_event_table(catalog, Lake.of(settings), contract or load_contracts()[table])
    rows = [row for of_day in days.values() for row in of_day]
    arrow = pa.Table.from_pylist(rows, schema=iceberg.schema().as_arrow())
    iceberg.overwrite(arrow, overwrite_filter=In(term="date", literals=set(days)))
    snapshot = iceberg.current_snapshot()
    assert snapshot is not None
    records = {}
    for on, of_day in days.items():
        content = hashlib.sha256(repr(of_day).encode()).hexdigest()[:12]
        count = len(of_day) if claimed_rows is None else claimed_rows
        records[on] = DayRecord(table, on, snapshot.snapshot_id, content, count, count, 0, 0, 1, 100, "test-run")
    if with_checksums and claimed_rows is None:
        with LoadSource.of(settings).scratch_folder() as folder:
            files = [file for of_day in files_of_days(iceberg, list(records.values())).values() for file in of_day]
            contents = contents_by_day(
                collect(iceberg, files, folder),
                with_extra_columns(contract or load_contracts()[table], iceberg),
                list(records),
            )
        records = {on: replace(record, checksum=contents[on].checksum) for on, record in records.items()}
    with iceberg.transaction() as change:
        change.set_properties(published_properties(read_table_ledger(table, iceberg), records.values()))
    return records
