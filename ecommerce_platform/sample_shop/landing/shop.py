"""The whole shop in memory: the events of all four tables, numbered, delivered, and here and there damaged.

What belongs here: putting the parts together. What does not: files (generate.py) and the speed layer (speed_layer.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from ecommerce_platform.sample_shop.chance import generator
from ecommerce_platform.sample_shop.clock import Window
from ecommerce_platform.sample_shop.events import Events, number_the_log
from ecommerce_platform.sample_shop.landing.columns import FileForm
from ecommerce_platform.sample_shop.landing.damage import SOUND, damage_some
from ecommerce_platform.sample_shop.landing.delivery import Delivery, FileSlice, deliver
from ecommerce_platform.sample_shop.plan import SHOP_TABLES, DirtPlan, ShopPlan, share_of
from ecommerce_platform.sample_shop.trade.catalog import catalog_events, simulate_catalog
from ecommerce_platform.sample_shop.trade.order_events import item_events, order_events
from ecommerce_platform.sample_shop.trade.people import simulate_people
from ecommerce_platform.sample_shop.trade.sales import simulate_sales

#: Of the snapshot's rows, those that arrive without a log sequence number.
_WITHOUT_LSN = 0.3


@dataclass(frozen=True)
class Shop:
    """Events and deliveries by table. `dirt[kind][table]` counts."""

    plan: ShopPlan
    window: Window
    events: Mapping[str, Events]
    deliveries: Mapping[str, Delivery]
    dirt: Mapping[str, Mapping[str, int]]
    reordered_day: int | None
    typed_day: int | None

    def form_of(self, file: FileSlice) -> FileForm:
        """The physical form of a file: the special ones are one part file of one day, in each table."""
        if file.day == self.typed_day and file.name == "part-00000.parquet":
            return FileForm.TYPED
        if file.day == self.reordered_day and file.name == "part-00001.parquet":
            return FileForm.REORDERED
        return FileForm.PLAIN

    def rows(self) -> dict[str, dict[date, int]]:
        return {
            table: dict(zip(self.plan.dates, map(int, delivery.rows_per_day(self.plan.days)), strict=True))
            for table, delivery in self.deliveries.items()
        }

    def unreadable(self) -> dict[str, dict[date, int]]:
        counts = {}
        for table, delivery in self.deliveries.items():
            damaged = self.events[table].damage[delivery.event] != SOUND
            days = np.bincount(delivery.day[damaged], minlength=self.plan.days)
            counts[table] = dict(zip(self.plan.dates, map(int, days), strict=True))
        return counts


def open_shop(plan: ShopPlan, dirt: DirtPlan) -> Shop:
    """Simulates the shop and lays out its files."""
    window = Window.of(plan.start, plan.days)
    people = simulate_people(plan, dirt, window)
    catalog = simulate_catalog(plan, window)
    sales = simulate_sales(plan, dirt, window, people, catalog)
    sold_at = sales.moves.created[sales.line_order]
    histories = {
        "users": people.events,
        "products": catalog_events(catalog, plan, dirt, window, sales.product - 1, sold_at, sales.pieces),
        "orders": order_events(sales, plan, dirt, window),
        "order_items": item_events(sales, plan, window),
    }
    numbered = number_the_log(histories, _WITHOUT_LSN, generator(plan.seed, "log"))
    known_counts: dict[str, dict[str, int]] = defaultdict(dict)
    for table, counts in (("users", people.dirt), ("orders", sales.dirt)):
        for kind, count in counts.items():
            known_counts[kind]["order_items" if kind.startswith("items_") else table] = count
    known_counts["missing_categories"]["products"] = share_of(dirt.missing_categories, plan.products)
    for table, events in numbered.items():
        for column, mask in events.unchanged.items():
            known_counts[f"unchanged_{column}"][table] = int(mask.sum())
    typed_day = _day_in(plan, dirt.typed_form_day)
    absent_day = _absent_day(plan, dirt)
    deliveries = {}
    for table in SHOP_TABLES:
        events = numbered[table]
        absent = absent_day if table == "users" else None
        delivery = deliver(events, window, dirt, absent, generator(plan.seed, f"delivery {table}"))
        typed = np.zeros(len(events), dtype=bool)
        typed[delivery.event[(delivery.day == typed_day) & (delivery.file == 0)]] = True
        rng = generator(plan.seed, f"damage {table}")
        numbered[table], damaged = damage_some(table, events, delivery, plan.days, dirt, typed, rng)
        deliveries[table] = delivery
        for kind, count in {**delivery.dirt, **damaged}.items():
            known_counts[kind][table] = count
    reordered = _day_in(plan, dirt.reordered_columns_day)
    return Shop(plan, window, numbered, deliveries, dict(known_counts), reordered, typed_day)


def _day_in(plan: ShopPlan, day: int | None) -> int | None:
    return day if day is not None and day < plan.days else None


def _absent_day(plan: ShopPlan, dirt: DirtPlan) -> int | None:
    """The day without a folder of users; not the first (the snapshot) nor the last (nothing comes after it)."""
    day = dirt.absent_users_day
    return day if day is not None and 0 < day < plan.days - 1 else None
