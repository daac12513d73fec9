"""The three results from the latest state that is kept: the rows that a day's changes concern, or all rows.

What belongs here: which rows are computed, and how they take their place. What does not: finding what has changed (changes.py),
what a row says (customers.py, products.py, daily.py), and computing from all events (compute.py).
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from threading import Lock

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.beside import side_by_side
from ecommerce_platform.analytics.declared import CUSTOMER_METRICS, DAILY_BUSINESS_METRICS, PRODUCT_ANALYTICS, TABLES
from ecommerce_platform.analytics.figures.customers import customer_rows
from ecommerce_platform.analytics.figures.daily import calculate_daily_business_metrics, with_all_days
from ecommerce_platform.analytics.figures.products import calculate_product_analytics
from ecommerce_platform.analytics.figures.purchases import purchased_items, purchases_of
from ecommerce_platform.analytics.follow.buyers import follow_purchases, totals
from ecommerce_platform.analytics.follow.changes import Differences, Version, either, near_dates, touched, within
from ecommerce_platform.analytics.follow.following import follow
from ecommerce_platform.analytics.follow.latest import load_state
from ecommerce_platform.analytics.frames import Frames
from ecommerce_platform.analytics.published import NEEDED, PublishedInput, definition_digest
from ecommerce_platform.analytics.tables import WrittenTable, current, partition, replace
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake

#: Property of a result's snapshot: the versions of the state that it was computed from (Source), as JSON.
SOURCE = "ecommerce.states"


@dataclass(frozen=True)
class Source:
    """What a result was computed from: by which definition, the snapshots of the states, and the span of business dates."""

    definition: str
    states: Mapping[str, int]
    span: tuple[date, date]

    def as_text(self) -> str:
        return json.dumps([self.definition, dict(sorted(self.states.items())), [str(end) for end in self.span]])

    @classmethod
    def from_text(cls, text: str) -> Source:
        definition, states, (first, last) = json.loads(text)
        return cls(definition, states, (date.fromisoformat(first), date.fromisoformat(last)))


def refresh_from_state(
    spark: SparkSession,
    lake: Lake,
    published: PublishedInput,
    names: list[str],
    properties: Mapping[str, str],
    *,
    rebuild: bool = False,
) -> dict[str, WrittenTable]:
    """Brings the state tables to `published`, and then these results to the state. With `rebuild`, the state from all
    events, and what each user has bought from all of the state.

    State and results are commits of their own. Each says what it was made from, so that a run which is killed between them leaves
    nothing to be undone: the next one goes on from what each table says.
    """
    definition = definition_digest(load_contracts())
    span = published.span.dates(published.as_of)
    following = [partial(follow, spark, lake, published, definition, table, rebuild=rebuild) for table in NEEDED]
    states = dict(zip(NEEDED, side_by_side(spark, following), strict=True))
    new = Version(spark, lake, states, span)
    source = Source(definition, {table: state.snapshot_id for table, state in states.items()}, span)
    written = {**properties, SOURCE: source.as_text()}
    if rebuild:
        follow_purchases(Differences(new), definition, rebuild=True)
    with _Results(new, source, written) as results:
        done = side_by_side(spark, [partial(results.write, name) for name in names])
    return dict(zip(names, done, strict=True))


class _Results:
    """The results of one version of the state; what several of them need is found once."""

    def __init__(self, new: Version, source: Source, properties: Mapping[str, str]) -> None:
        self._new, self._source, self._properties = new, source, properties
        self._differences = Differences(new)
        self._lock = Lock()
        self._concerned: dict[str, _Concerned | None] = {}
        self._frames: Frames | None = None

    def __enter__(self) -> _Results:
        return self

    def __exit__(self, *_: object) -> None:
        if self._frames is not None:
            self._frames.__exit__()
        for concerned in self._concerned.values():
            if concerned is not None:
                concerned.end()
        self._differences.end()

    def write(self, name: str) -> WrittenTable:
        """Brings a result to the version: the rows that may differ from the version that it has, or all."""
        spark, lake = self._new.spark, self._new.lake
        if name == CUSTOMER_METRICS:
            bought = totals(follow_purchases(self._differences, self._source.definition), self._source.span)
            return replace(spark, lake, TABLES[name], customer_rows(self._new.rows("users"), bought), self._properties)
        before = current(lake, name)
        changed = self._changed_since(before)
        if before is None or changed is None:
            partition(spark, lake, TABLES[name])
            return replace(spark, lake, TABLES[name], self._all().result(name), self._properties)
        stored = spark.sql(
            f"select * from {lake.in_spark(lake.analytics(name))} version as of {int(before.snapshot_id)}"
        )
        rows, condition = _COMPUTED[name](changed, stored)
        columns = [F.col(column.name).cast(column.spark_type).alias(column.name) for column in TABLES[name].columns]
        return replace(
            spark, lake, TABLES[name], rows.select(*columns), self._properties, condition, before.snapshot_id
        )

    def _changed_since(self, before: WrittenTable | None) -> _Concerned | None:
        """What may differ from the version that a result has; None where that is not known any more, or too much of it."""
        text = before.properties.get(SOURCE) if before is not None else None
        if text is None:
            return None
        with self._lock:
            if text not in self._concerned:
                self._concerned[text] = self._find(Source.from_text(text))
            return self._concerned[text]

    def _find(self, old: Source) -> _Concerned | None:
        if old.definition != self._source.definition or old.span[0] != self._source.span[0]:
            return None
        if old.span[1] > self._source.span[1]:
            return None
        lake = self._new.lake
        states = {table: load_state(lake, table, snapshot) for table, snapshot in old.states.items()}
        known = {table: state for table, state in states.items() if state is not None}
        if len(known) < len(NEEDED):
            return None
        return _Concerned(self._new, touched(Version(self._new.spark, lake, known, old.span), self._differences))

    def _all(self) -> Frames:
        with self._lock:
            if self._frames is None:
                states = {table: self._new.rows(table) for table in NEEDED}
                self._frames = Frames(states, self._source.span)
            return self._frames


def _sold(orders: DataFrame, new: Version) -> DataFrame:
    """Items of those of these orders that are purchases."""
    purchases = purchases_of(orders)
    items = new.rows("order_items").where(within(purchases, "id", "order_id"))
    return purchased_items(purchases, items)


class _Concerned:
    """What has changed, with the frames that several results share: orders of the touched dates, and their sold items."""

    def __init__(self, new: Version, dates: list[date]) -> None:
        self.new, self.dates = new, dates
        near = new.rows("orders").where(near_dates("created_at", dates))
        self.orders = near.where(F.col("business_date").isin(self.dates)).persist(StorageLevel.MEMORY_AND_DISK)
        self.items = _sold(self.orders, new).persist(StorageLevel.MEMORY_AND_DISK)

    def end(self) -> None:
        for frame in (self.orders, self.items):
            frame.unpersist()


def _products(of: _Concerned, stored: DataFrame) -> tuple[DataFrame, Column | None]:
    months = sorted({(day.year, day.month) for day in of.dates})
    in_month = either(F.col("date").between(first, last) for first, last in map(_month, months))
    kept = stored.where(in_month & ~F.col("date").isin(of.dates))
    rows = calculate_product_analytics(of.items).unionByName(kept)
    return rows.repartition(F.date_trunc("month", F.col("date"))), in_month


def _daily(of: _Concerned, stored: DataFrame) -> tuple[DataFrame, Column | None]:
    computed = calculate_daily_business_metrics(of.new.rows("users"), of.orders, of.items)
    # A few rows, which are looked at twice.
    rows = of.new.spark.createDataFrame(computed.collect(), computed.schema)
    kept = stored.where(~F.col("date").isin(of.dates))
    # A row without orders is there because of those around it.
    return with_all_days(kept.unionByName(rows).where("total_orders > 0")), None


def _month(month: tuple[int, int]) -> tuple[date, date]:
    """The first and the last date of a month."""
    return date(*month, 1), date(*month, calendar.monthrange(*month)[1])


_COMPUTED = {PRODUCT_ANALYTICS: _products, DAILY_BUSINESS_METRICS: _daily}
