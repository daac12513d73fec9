"""Published events without landing files: tables of the lake whose days a test writes and takes away as it likes.

What belongs here: the tables, and what is published of them. What does not: histories, and expectations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.published import NEEDED, PublishedInput
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.iceberg.catalog import ensure_namespaces
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.analytics.rows import event_frame

Event = Mapping[str, Any]


@dataclass
class EventLake:
    """`contents` has the events of each table and day; `publish` puts them into the tables, where they differ from before."""

    spark: SparkSession
    settings: Settings
    contents: dict[tuple[str, date], list[Event]] = field(default_factory=lambda: defaultdict(list))
    _published: dict[tuple[str, date], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ensure_namespaces(self.spark, self.settings.lakehouse)
        for table in NEEDED:
            empty = event_frame(self.spark, table, [])
            empty.writeTo(self.name(table)).using("iceberg").partitionedBy(F.col("date")).create()

    @property
    def lake(self) -> Lake:
        return Lake.of(self.settings)

    def name(self, table: str) -> str:
        return self.lake.in_spark(self.lake.events(table))

    def add(self, table: str, events: Iterable[Event]) -> None:
        for event in events:
            self.contents[table, event["date"]].append(event)

    def publish(self, *days: date) -> PublishedInput:
        """What is published when these are the days that all tables have."""
        for table in NEEDED:
            changed = [day for day in days if self._content_id(table, day) != self._published.get((table, day))]
            if changed:
                events = [event for day in changed for event in self.contents[table, day]]
                rows = event_frame(self.spark, table, events).repartition(1).sortWithinPartitions("date")
                rows.writeTo(self.name(table)).overwrite(F.col("date").isin(changed))
            self._published |= {(table, day): self._content_id(table, day) for day in changed}
        snapshots = {table: self._snapshot(table) for table in NEEDED}
        return PublishedInput(
            days=tuple(sorted(days)),
            contents={(table, day): self._published[table, day] for table in NEEDED for day in days},
            snapshots={table: snapshot for table, snapshot in snapshots.items() if snapshot},
            span=BusinessSpan.of(self.settings),
            events=sum(map(len, self.contents.values())),
        )

    def _content_id(self, table: str, day: date) -> str:
        return repr(sorted(self.contents[table, day], key=repr))

    def _snapshot(self, table: str) -> int:
        snapshot = self.lake.load(self.lake.events(table)).current_snapshot()
        return snapshot.snapshot_id if snapshot else 0

    def stored(self, name: str) -> pa.Table:
        """All rows of a table of the analytics, read without Spark."""
        table = self.lake.load(self.lake.analytics(name))
        return table.scan().to_arrow()
