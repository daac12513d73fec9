"""What the lakehouse has published, as the analytics read it: which days, which content, which events, by which definition.

What belongs here: reading published events, and the digests that say what a result was computed from. What does not: Dagster
(assets.py), and computing anything (compute.py, incremental.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.code import code_digest
from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.analytics.tables import PROPERTIES
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.lake import Lake

#: What the transformations need of each source table, besides its key.
NEEDED = {
    "users": ("email", "first_name", "last_name", "created_at"),
    "orders": ("user_id", "status", "total_amount", "created_at"),
    "order_items": ("order_id", "product_id", "quantity", "unit_price"),
}

#: Columns of an event that say where it stands among those of its key, and what it does.
ORDER = ("__op", "__source_lsn", "__source_ts_ms", "__ts_ms", "date", "__source_file", "__source_row")

#: Modules that make a result, by name: some of them import this one.
_CODE = (
    "business_span",
    "metrics",
    *(
        f"analytics.{name}"
        for name in (
            "follow.buyers",
            "follow.changes",
            "compute",
            "figures.customers",
            "figures.daily",
            "event_order",
            "figures.exact",
            "follow.fold",
            "follow.following",
            "frames",
            "follow.incremental",
            "key_changes",
            "follow.latest",
            "figures.products",
            "published",
            "figures.purchases",
            "state",
        )
    ),
)


@dataclass(frozen=True)
class PublishedInput:
    """What the lakehouse has published: the days that all four tables have, the content of each, and the snapshot of each
    table that holds them.

    `contents` maps table and day to the id of the day's content; `snapshots` maps each table to its snapshot. `span` says
    which business dates have rows. `events` counts those that the tables hold.
    """

    days: tuple[date, ...]
    contents: Mapping[tuple[str, date], str]
    snapshots: Mapping[str, int]
    span: BusinessSpan
    events: int = 0

    @property
    def as_of(self) -> date | None:
        return self.days[-1] if self.days else None

    @property
    def basis(self) -> str:
        """A digest of all that the result depends on: the days, their contents, the span of business dates, and the
        definition of the tables.
        """
        digest = hashlib.sha256()
        digest.update(definition_digest(load_contracts()).encode())
        digest.update(f"{self.span}\n".encode())
        for day in self.days:
            for table in NEEDED:
                digest.update(f"{table}\t{day}\t{self.contents.get((table, day), '')}\n".encode())
        return digest.hexdigest()[:32]


def definition_digest(contracts: Mapping[str, Contract]) -> str:
    """Digest of what computes the tables: the code, without its remarks; the columns and types of the results; the columns and
    types that are read, as their contracts have them.
    """
    written = {
        name: [(column.name, column.spark_type) for column in table.columns] for name, table in sorted(TABLES.items())
    }
    read = {
        table: [
            (column.name, column.spark_type, column.late)
            for column in map(contracts[table].column, (contracts[table].key, *names))
        ]
        for table, names in NEEDED.items()
    }
    return hashlib.sha256(json.dumps([digest_of_code(), written, PROPERTIES, read]).encode()).hexdigest()


def digest_of_code() -> str:
    """Digest of the code that computes the tables; read once in a process."""
    return code_digest(tuple(import_module(f"ecommerce_platform.{name}") for name in _CODE))


def read_events(
    spark: SparkSession, lake: Lake, published: PublishedInput, table: str, columns: Sequence[str]
) -> DataFrame:
    """The events of the published days, from the snapshot that the ledger was read with; no rows when there are no days."""
    return events_of_days(spark, lake, table, columns, published.days, published.snapshots.get(table))


def events_of_days(
    spark: SparkSession,
    lake: Lake,
    table: str,
    columns: Sequence[str],
    days: Iterable[date],
    snapshot: int | None,
) -> DataFrame:
    """The events of these days in a snapshot of the table."""
    contract = load_contracts()[table]
    chosen = list(days)
    if not chosen or snapshot is None:
        types = ", ".join(f"`{name}` {contract.column(name).spark_type}" for name in (*columns, *ORDER))
        return spark.createDataFrame([], types)
    name = lake.in_spark(lake.events(table))
    # The snapshot is a number of the ledger's own, never text from outside.
    events = spark.sql(f"select * from {name} version as of {int(snapshot)}")
    return events.where(F.col("date").isin(chosen)).select(*columns, *ORDER)
