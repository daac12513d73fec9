"""What lands, is published, refused, withdrawn, and asked for: a model of the lakehouse, and the platform's own sensor.

What belongs here: files that come and go, the rule on absence in a few lines, Dagster's known run keys, and the oracle. What
does not: the warehouse and who works on it (shop.py). Spark and Iceberg have no part in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import dagster as dg

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.landing.files import LandingFile, LandingTable
from ecommerce_platform.landing.sensor import evaluate
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.transformation.raw_events import Event, order

DAYS = (date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3))
Rows = dict[int, tuple[Any, ...]]


@dataclass(kw_only=True)
class Landing:
    """Files by day and name, and what a lakehouse makes of them."""

    settings: Settings
    random: Random
    landing: dict[date, dict[str, tuple[Event, ...]]] = field(default_factory=dict)
    published: dict[date, tuple[Event, ...]] = field(default_factory=dict)
    refused: set[date] = field(default_factory=set)
    cursor: str | None = None
    spent_keys: set[str] = field(default_factory=set)
    queued: list[tuple[date, ...]] = field(default_factory=list)
    written: int = 0

    def land(self, day: date) -> None:
        """A file more: new orders, and changes of orders that the day or another has, late ones among them."""
        self.written += 1
        events = []
        for _ in range(self.random.randint(1, 3)):
            lsn = self.random.randrange(1, 10_000) * 100 + self.written
            status = self.random.choice(("pending", "shipped", "delivered"))
            amount = Decimal(self.random.randrange(10_000)) / 100
            op = self.random.choice(("INSERT", "UPDATE", "DELETE"))
            events.append(order(self.random.randrange(1, 7), lsn, str(day), op, status=status, total_amount=amount))
        self.landing.setdefault(day, {})[f"part-{self.written}.parquet"] = tuple(events)

    def remove(self, day: date) -> None:
        files = self.landing[day]
        files.pop(self.random.choice(sorted(files)))
        if not files:
            del self.landing[day]

    def landed(self, day: date) -> tuple[Event, ...]:
        return tuple(event for name in sorted(self.landing.get(day, {})) for event in self.landing[day][name])

    def _publish(self, day: date) -> None:
        """What a run does with a day: published events that are gone refuse it, and the last good state stays."""
        if set(map(repr, self.published.get(day, ()))) - set(map(repr, self.landed(day))):
            self.refused.add(day)
        else:
            self.refused.discard(day)
            self.published[day] = self.landed(day)

    def withdraw(self, day: date) -> None:
        """`refused publish --withdraw`, and a run of the day, which the person launches."""
        self.refused.discard(day)
        self.published[day] = self.landed(day)
        self.queued.append((day,))

    def _tick(self) -> None:
        """One tick of the platform's sensor; Dagster drops a request whose key a run has."""
        files = {
            day: tuple(LandingFile(f"date={day}/{name}", name, 1, name) for name in sorted(self.landing[day]))
            for day in sorted(self.landing)
        }
        tables = [LandingTable(table, files if table == "orders" else {}) for table in source_tables()]
        published = {table: {day: len(events) for day, events in self.published.items()} for table in source_tables()}
        result = evaluate(self.settings, self.settings.landing_uri, tables, self.cursor, lambda: published).result
        if isinstance(result, dg.SkipReason):
            return
        self.cursor = result.cursor
        for request in result.run_requests or ():
            first, last = (
                date.fromisoformat(request.tags[f"dagster/asset_partition_range_{end}"]) for end in ("start", "end")
            )
            if request.run_key not in self.spent_keys:
                self.spent_keys.add(request.run_key or "")
                self.queued.append(tuple(day for day in DAYS if first <= day <= last))


def truth(days: Iterable[tuple[Event, ...]]) -> Rows:
    """The oracle: of each order the event with the highest LSN; a deleted one is left out."""
    latest: dict[int, Event] = {}
    for event in (event for events in days for event in events):
        if event.id not in latest or (event.lsn or 0) > (latest[event.id].lsn or 0):
            latest[event.id] = event
    return {
        key: (event.values["status"], event.values["total_amount"])
        for key, event in latest.items()
        if event.op != "DELETE"
    }
