"""A landing zone to write files into, and its ingestion: what the lakehouse's tests stand on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.by_hand.refused import Decision, publish_refused
from ecommerce_platform.lakehouse.days.ledger import DayRecord, TableLedger, read_ledger
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest, TableResult
from ecommerce_platform.lakehouse.ingest.tables import with_extra_columns
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.load.lake_files import (
    LoadSource,
    collect,
    contents_by_day,
    files_of_days,
    open_table,
)

#: A day in January 2026, in the units that the sample's files have.
NOON = 1767268800000
FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)


def order(key: int | None, lsn: int | None, op: str | None = "c", **changes: Any) -> dict[str, Any]:
    """A row of `orders` as the sample shop's files have it."""
    row: dict[str, Any] = {
        "id": key,
        "user_id": 1,
        "status": "pending",
        "total_amount": "10.00",
        "shipping_address": "1 Main St",
        "created_at": NOON * 1000,
        "updated_at": NOON * 1000,
        "__op": op,
        "__ts_ms": NOON,
        "__source_ts_ms": NOON,
        "__source_lsn": lsn,
    }
    return row | changes


def good_rows(number: int) -> list[dict[str, object]]:
    return [order(key, key) for key in range(1, number + 1)]


ORDER_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("user_id", pa.int64()),
        ("status", pa.string()),
        ("total_amount", pa.string()),
        ("shipping_address", pa.string()),
        ("created_at", pa.int64()),
        ("updated_at", pa.int64()),
        ("__op", pa.string()),
        ("__ts_ms", pa.int64()),
        ("__source_ts_ms", pa.int64()),
        ("__source_lsn", pa.int64()),
    ]
)


@dataclass
class SmallLake:
    """An installation of its own: its landing zone and what the platform makes of it."""

    settings: Settings
    session: Callable[[], SparkSession]
    runs: int = 0
    reached: Callable[[str, str], None] = field(default=lambda table, step: None)

    def path(self, day: date, file: str = "part-0.parquet", table: str = "orders") -> Path:
        folder = Path(self.settings.landing_uri) / table / f"date={day.isoformat()}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / file

    def land(self, day: date, *rows: dict[str, Any], file: str = "part-0.parquet") -> Path:
        """Writes a file of orders."""
        path = self.path(day, file)
        pq.write_table(pa.Table.from_pylist(list(rows), ORDER_SCHEMA), path)
        return path

    def land_table(self, day: date, content: pa.Table, file: str = "part-0.parquet", **options: Any) -> Path:
        path = self.path(day, file)
        pq.write_table(content, path, **options)
        return path

    def ingest(self, *days: date, contract: Contract | None = None, force: bool = False) -> TableResult:
        """Ingests these days of orders."""
        self.runs += 1
        contracts = dict(load_contracts()) | ({"orders": contract} if contract else {})
        job = Ingest(
            Lake.of(self.settings),
            Intake.of(self.settings),
            self.session,
            f"run-{self.runs}",
            force,
            self.reached,
            contracts,
        )
        return ingest(job, days, ["orders"])["orders"]

    def withdraw(self, day: date, reason: str = "the source has withdrawn them") -> DayRecord:
        """Gives up the published events that a refused day of orders lacks."""
        self.runs += 1
        decision = Decision(reason, "ada", "2026-01-05T08:00:00+00:00", f"hand-{self.runs}", withdraw=True)
        return publish_refused(Lake.of(self.settings), load_contracts()["orders"], day, decision)

    @property
    def ledger(self) -> TableLedger:
        return read_ledger(Lake.of(self.settings), ["orders"])["orders"]

    def rows(self, *columns: str, table: str = "ecommerce.orders") -> list[tuple[Any, ...]]:
        """The published rows, in the order of file and row."""
        dicts = Lake.of(self.settings).load(table).scan().to_arrow().to_pylist()
        prefix = "__" if table.startswith("ecommerce") else ""
        dicts.sort(key=lambda row: (row[f"{prefix}source_file"], row[f"{prefix}source_row"]))
        return [tuple(row[column] for column in columns) for row in dicts]

    def quarantined(self, *columns: str) -> list[tuple[Any, ...]]:
        return self.rows(*columns, table="quarantine.orders")

    def in_ledger(self) -> dict[date, Content]:
        """Rows and checksum of each published day of orders, by the day ledger."""
        return {day: Content(item.published, str(item.checksum)) for day, item in self.ledger.published.items()}

    def in_files(self) -> dict[date, Content]:
        """The same, read from the days' files."""
        opened = open_table(Lake.of(self.settings), "orders")
        assert opened is not None
        iceberg, ledger = opened
        contract = with_extra_columns(load_contracts()["orders"], iceberg)
        files = files_of_days(iceberg, list(ledger.published.values()))
        with LoadSource.of(self.settings).scratch_folder() as folder:
            groups = collect(iceberg, [file for of_day in files.values() for file in of_day], folder)
            return contents_by_day(groups, contract, list(files))

    def branches(self) -> list[str]:
        return sorted(set(Lake.of(self.settings).load("ecommerce.orders").refs()) - {"main"})


def counts(result: TableResult, day: date) -> Sequence[int]:
    """Rows landed, published, quarantined, and duplicates of a published day."""
    record = result.records[day]
    return record.landed, record.published, record.quarantined, record.duplicates
