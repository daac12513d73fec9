"""Reads the published days, computes the analytics, and replaces their tables.

What belongs here: which snapshots are read, what is cached, and when there is nothing to do. What does not: Dagster (assets.py)
and the transformations themselves.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from types import ModuleType

from pyspark import StorageLevel, inheritable_thread_target
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform import business_span, metrics
from ecommerce_platform.analytics import customers, daily, event_order, exact, key_changes, products, purchases, state
from ecommerce_platform.analytics.code import code_digest
from ecommerce_platform.analytics.declared import (
    APPLIED_DAYS,
    AS_OF,
    BASIS,
    CUSTOMER_METRICS,
    DAILY_BUSINESS_METRICS,
    PRODUCT_ANALYTICS,
    RUN_ID,
    TABLES,
)
from ecommerce_platform.analytics.tables import PROPERTIES, WrittenTable, current, replace, spark_name
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.catalog import ensure_namespaces, pyiceberg_catalog
from ecommerce_platform.iceberg.installation import claim
from ecommerce_platform.settings import Settings

#: What the transformations need of each source table, besides its key.
NEEDED = {
    "users": ("email", "first_name", "last_name", "created_at"),
    "orders": ("user_id", "status", "total_amount", "created_at"),
    "order_items": ("order_id", "product_id", "quantity", "unit_price"),
}

_CODE: tuple[ModuleType, ...] = (
    customers,
    daily,
    event_order,
    exact,
    key_changes,
    products,
    purchases,
    state,
    metrics,
    business_span,
)


@dataclass(frozen=True)
class PublishedInput:
    """What the lakehouse has published: the days that all four tables have, the content of each, and the snapshot of each
    table that holds them.

    `contents` maps table and day to the id of the day's content; `snapshots` maps each table to its snapshot. `span` says
    which business dates have rows.
    """

    days: tuple[date, ...]
    contents: Mapping[tuple[str, date], str]
    snapshots: Mapping[str, int]
    span: BusinessSpan

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
    code = code_digest((*_CODE, sys.modules[__name__]))
    return hashlib.sha256(json.dumps([code, written, PROPERTIES, read]).encode()).hexdigest()


def refresh(
    open_session: Callable[[], SparkSession],
    settings: Settings,
    published: PublishedInput,
    names: Iterable[str],
    run_id: str,
) -> dict[str, WrittenTable]:
    """Brings the `wanted` tables to `published`. Those that were computed from the very same input stay as they are, and
    when all of them were, no session is opened.
    """
    basis = published.basis
    refreshed = {name: current(settings, name) for name in names}
    done = {name: entry for name, entry in refreshed.items() if entry is not None and entry.basis == basis}
    missing = [name for name in refreshed if name not in done]
    if not missing:
        return done
    claim(settings, pyiceberg_catalog(settings))
    spark = open_session()
    ensure_namespaces(spark, settings)
    properties = {
        AS_OF: published.as_of.isoformat() if published.as_of else "",
        APPLIED_DAYS: str(len(published.days)),
        BASIS: basis,
        RUN_ID: run_id,
    }
    states = {table: read_state(spark, settings, published, table) for table in NEEDED}

    def write(name: str) -> WrittenTable:
        return replace(spark, settings, TABLES[name], frames.result(name), properties)

    # Side by side: one table's planning and commit leave the cores to the others' rows. What they share is computed once.
    with (
        Frames(states, published.span.dates(published.as_of)) as frames,
        ThreadPoolExecutor(len(missing), thread_name_prefix="analytics") as pool,
    ):
        running = {name: pool.submit(inheritable_thread_target(spark)(write), name) for name in missing}
    return done | {name: future.result() for name, future in running.items()}


def read_state(spark: SparkSession, settings: Settings, published: PublishedInput, table: str) -> DataFrame:
    """The latest state of a table over the published days, with the columns that the transformations need."""
    contract = load_contracts()[table]
    events = read_events(spark, settings, published, table, (contract.key, *NEEDED[table]))
    return state.latest_state(events, contract, NEEDED[table])


def read_events(
    spark: SparkSession, settings: Settings, published: PublishedInput, table: str, columns: Sequence[str]
) -> DataFrame:
    """The events of the published days, from the snapshot that the ledger was read with; no rows when there are no days."""
    contract = load_contracts()[table]
    order = ("__op", "__source_lsn", "__source_ts_ms", "__ts_ms", "date", "__source_file", "__source_row")
    if not published.days:
        types = ", ".join(f"`{name}` {contract.column(name).spark_type}" for name in (*columns, *order))
        return spark.createDataFrame([], types)
    name = spark_name(settings, settings.lakehouse.namespace, table)
    # The snapshot is a number of the ledger's own, never text from outside.
    events = spark.sql(f"select * from {name} version as of {int(published.snapshots[table])}")
    return events.where(F.col("date").isin(list(published.days))).select(*columns, *order)


class Frames:
    """The frames that several results share, kept in memory while the tables are written. `span`: the first and the last
    business date that has rows.
    """

    def __init__(self, states: Mapping[str, DataFrame], span: tuple[date, date]) -> None:
        self._users = states["users"].persist(StorageLevel.MEMORY_AND_DISK)
        dated = purchases.with_business_date(states["orders"], *span)
        self._orders = dated.persist(StorageLevel.MEMORY_AND_DISK)
        self._purchases = purchases.purchases_of(self._orders)
        items = purchases.purchased_items(self._purchases, states["order_items"])
        self._items = items.persist(StorageLevel.MEMORY_AND_DISK)

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        for frame in (self._items, self._orders, self._users):
            frame.unpersist()

    def result(self, table: str) -> DataFrame:
        """The content of one of the three tables."""
        if table == CUSTOMER_METRICS:
            return customers.calculate_customer_metrics(self._users, self._purchases, self._items)
        if table == PRODUCT_ANALYTICS:
            return products.calculate_product_analytics(self._items)
        if table == DAILY_BUSINESS_METRICS:
            return daily.calculate_daily_business_metrics(self._users, self._orders, self._items)
        raise KeyError(f"no analytics table {table!r}; there are {', '.join(TABLES)}")
