"""The shop's catalog: goods, prices that change, stock that falls with sales and is filled up again.

What belongs here: the history of the table products. What does not: who buys them (sales.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ecommerce_platform.sample_shop import words
from ecommerce_platform.sample_shop.chance import between, generator
from ecommerce_platform.sample_shop.clock import DAY, HOUR, MINUTE, NEVER, SECOND, Ints, Mask, Window
from ecommerce_platform.sample_shop.events import (
    DELETE,
    INSERT,
    NULL,
    PHASE_OTHER,
    READ,
    UPDATE,
    Batch,
    Events,
    assemble,
)
from ecommerce_platform.sample_shop.plan import DirtPlan, ShopPlan, share_of

_OLD_SHARE = 0.95
_OLDEST = 600 * DAY
_REPRICED_PER_DAY = 0.03
_REDESCRIBED = 0.05
_DELETED = 0.02
#: Stock is written by a job, for all goods that sold since its last run, in one statement.
STOCK_PERIOD = 4 * HOUR


@dataclass(frozen=True)
class Catalog:
    """All products in the order in which they enter; key = position + 1. Prices in cents.

    Price changes are sorted by product and time; the first of each product is its price from the start.
    """

    entered: Ints
    old: int
    change_product: Ints
    change_time: Ints
    change_price: Ints
    deleted: Ints
    restored: Ints

    @property
    def unknown_key(self) -> int:
        """Keys from here on belong to no product."""
        return len(self.entered) + 1_000_001

    def price_at(self, product: Ints, moment: Ints) -> Ints:
        """Price of each product (by position) at a moment."""
        changes = _by_product_and_second(self.change_product, self.change_time)
        asked = _by_product_and_second(product, moment)
        return self.change_price[np.searchsorted(changes, asked, side="right") - 1]


def _by_product_and_second(product: Ints, moment: Ints) -> Ints:
    """One ascending number for product and time; a time before 1970 is the first second of its product."""
    return product * (1 << 36) + np.maximum(moment, 0) // SECOND


def simulate_catalog(plan: ShopPlan, window: Window) -> Catalog:
    """The products, their prices over time, and which of them are deleted."""
    rng = generator(plan.seed, "catalog")
    count = plan.products
    old = max(1, round(count * _OLD_SHARE))
    entered = np.concatenate(
        [
            np.sort(between(window.start - _OLDEST, window.start - 400 * DAY, old, rng)),
            np.sort(between(window.start + HOUR, window.end - HOUR, count - old, rng)),
        ]
    )
    first = np.round(np.exp(rng.normal(3.35, 0.8, count)) * 100).astype(np.int64).clip(199, 99_900)
    changes = share_of(_REPRICED_PER_DAY * plan.days, count)
    product = rng.integers(0, count, changes)
    moment = between(np.maximum(entered[product], window.start) + HOUR, window.end, changes, rng) // SECOND * SECOND
    price = np.maximum(99, np.round(first[product] * rng.uniform(0.8, 1.2, changes))).astype(np.int64)
    all_products = np.concatenate([np.arange(count), product])
    all_times = np.concatenate([np.zeros(count, dtype=np.int64), moment])
    deleted, restored = _deletions(window, old, count, rng)
    # Two changes of one product in one second are one change; a product that is not there does not change.
    _, distinct = np.unique(_by_product_and_second(all_products, all_times), return_index=True)
    kept = distinct[_in_table(all_times[distinct], all_products[distinct], deleted, restored)]
    prices = np.concatenate([first, price])
    return Catalog(entered, old, all_products[kept], all_times[kept], prices[kept], deleted, restored)


def _in_table(moment: Ints, product: Ints, deleted: Ints, restored: Ints) -> Mask:
    """Whether each product (by position) can be updated at a moment: it is not deleted then, or well restored."""
    in_table: Mask = (moment < deleted[product]) | (moment - MINUTE > restored[product])
    return in_table


def _deletions(window: Window, old: int, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """When each product is deleted and restored (NEVER for nearly all): slow sellers go, the first comes back."""
    going = np.arange(old)[::-1][: share_of(_DELETED, old) + 1]
    deleted = np.full(count, NEVER)
    restored = np.full(count, NEVER)
    middle = window.start + (window.end - window.start) // 2
    deleted[going] = between(middle, window.end - 3 * HOUR, len(going), rng)
    restored[going[0]] = deleted[going[0]] + 2 * HOUR
    return deleted, restored


@dataclass(frozen=True)
class _Texts:
    name: pa.StringArray
    description: pa.StringArray
    category: NDArray[np.int64]


def catalog_events(
    catalog: Catalog, plan: ShopPlan, dirt: DirtPlan, window: Window, sold_product: Ints, sold_at: Ints, sold: Ints
) -> Events:
    """History of the table products, given every line sold: its product (by position), time and quantity."""
    rng = generator(plan.seed, "catalog events")
    texts = _texts(len(catalog.entered), rng)
    lost = generator(plan.seed, "missing categories")
    texts.category[lost.choice(plan.products, share_of(dirt.missing_categories, plan.products), replace=False)] = NULL
    stock = _Stock.of(catalog, window, sold_product, sold_at, sold, rng)
    described_at = _description_changes(catalog, window, rng)
    rows = _Rows(catalog, texts, stock, described_at)
    products = np.arange(len(catalog.entered))
    repriced = catalog.change_time > window.snapshot
    described = np.flatnonzero(described_at != NEVER)
    gone = np.flatnonzero(catalog.deleted != NEVER)
    back = np.flatnonzero(catalog.restored != NEVER)
    batches = [
        rows.batch(products[: catalog.old], READ, np.full(catalog.old, window.snapshot)),
        rows.batch(products[catalog.old :], INSERT, catalog.entered[catalog.old :]),
        *(
            rows.batch(product[alive], UPDATE, moment[alive])
            for product, moment in (
                (stock.product, stock.moment),
                (catalog.change_product[repriced], catalog.change_time[repriced]),
                (described, described_at[described]),
            )
            for alive in [rows.alive(product, moment)]
        ),
        rows.batch(gone, DELETE, catalog.deleted[gone]),
        rows.batch(back, INSERT, catalog.restored[back]),
    ]
    pools = {
        "name": texts.name,
        "description": texts.description,
        "category": words.text([category for category, _ in words.CATALOG]),
    }
    events = assemble(batches, pools, generator(plan.seed, "catalog lag"), window.end)
    return _leave_out_descriptions(events, described_at, dirt, generator(plan.seed, "unchanged descriptions"))


def _leave_out_descriptions(events: Events, described_at: Ints, dirt: DirtPlan, rng: np.random.Generator) -> Events:
    """Marks updates that carry the placeholder: those that change something else than the description."""
    candidates = np.flatnonzero((events.op == UPDATE) & (events.commit != described_at[events.key - 1]))
    chosen = rng.choice(candidates, share_of(dirt.unchanged_descriptions, len(candidates)), replace=False)
    unchanged = np.zeros(len(events), dtype=bool)
    unchanged[chosen] = True
    return replace(events, unchanged={"description": unchanged})


def _texts(count: int, rng: np.random.Generator) -> _Texts:
    """Names, and two descriptions of each product: the first, then at `count +` position the second."""
    category = rng.integers(0, len(words.CATALOG), count)
    goods = words.text([good for _, names in words.CATALOG for good in names])
    kinds = len(words.CATALOG[0][1])
    good = words.pick(goods, category * kinds + rng.integers(0, kinds, count))
    adjective = words.pick(words.ADJECTIVES, rng.integers(0, len(words.ADJECTIVES), count))
    name = words.joined(" ", adjective, good, words.numbers(np.arange(count) + 1))
    first = words.joined(" ", name, "for every day. Made to last, easy to clean, and packed without plastic.")
    second = words.joined(" ", name, "in its new edition: lighter than before, with a longer guarantee.")
    return _Texts(name, words.concatenated(first, second), category)


def _description_changes(catalog: Catalog, window: Window, rng: np.random.Generator) -> Ints:
    """When each product gets its second description (NEVER for most)."""
    count = len(catalog.entered)
    described_at = np.full(count, NEVER)
    chosen = rng.choice(count, share_of(_REDESCRIBED, count), replace=False)
    earliest = np.maximum(catalog.entered[chosen], window.start) + HOUR
    described_at[chosen] = between(earliest, np.maximum(window.end, earliest + HOUR), len(chosen), rng)
    return described_at


@dataclass(frozen=True)
class _Stock:
    """Stock after each run of the stock job, for the products that sold since the run before; sorted like prices."""

    first: Ints
    product: Ints
    moment: Ints
    level: Ints

    @classmethod
    def of(
        cls, catalog: Catalog, window: Window, product: Ints, sold_at: Ints, sold: Ints, rng: np.random.Generator
    ) -> _Stock:
        """Counts what sold. A delivery of fixed size comes whenever as much has been sold; first stock may run out."""
        count = len(catalog.entered)
        periods = window.days * (DAY // STOCK_PERIOD)
        inside = (sold_at >= window.start) & (product < count)
        period = (sold_at[inside] - window.start) // STOCK_PERIOD
        cell, where = np.unique(product[inside] * periods + period, return_inverse=True)
        pieces = np.bincount(where, weights=sold[inside], minlength=len(cell)).astype(np.int64)
        of_product = cell // periods
        total = np.cumsum(pieces)
        begins = np.searchsorted(of_product, np.arange(count))
        before = np.where(begins > 0, total[np.maximum(begins, 1) - 1], 0) if len(total) else np.zeros(count, int)
        until = total - before[of_product]
        daily = np.bincount(of_product, weights=pieces, minlength=count) / window.days
        delivery = np.maximum(10, np.round(daily * rng.uniform(3, 9, count))).astype(np.int64)
        first = np.round(delivery * rng.uniform(0.7, 1.6, count)).astype(np.int64)
        level = first[of_product] + delivery[of_product] * (until // delivery[of_product]) - until
        moment = window.start + (cell % periods + 1) * STOCK_PERIOD - SECOND
        return cls(first, of_product, moment, np.maximum(0, level))

    def at(self, product: Ints, moment: Ints) -> Ints:
        runs = _by_product_and_second(self.product, self.moment)
        index = np.searchsorted(runs, _by_product_and_second(product, moment), side="right") - 1
        known = (index >= 0) & (self.product[index] == product) if len(runs) else np.zeros(len(product), dtype=bool)
        return np.where(known, self.level[index] if len(runs) else 0, self.first[product])


@dataclass(frozen=True)
class _Rows:
    """The values that a product's row has at a moment."""

    catalog: Catalog
    texts: _Texts
    stock: _Stock
    described_at: Ints

    def alive(self, product: Ints, moment: Ints) -> Mask:
        """Whether the product is in the table, so that it can be updated."""
        catalog = self.catalog
        exists = _in_table(moment, product, catalog.deleted, catalog.restored)
        return exists & (moment > catalog.entered[product])

    def batch(self, product: Ints, op: int, moment: Ints) -> Batch:
        catalog = self.catalog
        second = moment >= self.described_at[product]
        again = moment >= catalog.restored[product]
        columns = {
            "name": product,
            "description": np.where(second, len(catalog.entered) + product, product),
            "price": catalog.price_at(product, moment),
            "stock_quantity": self.stock.at(product, moment),
            "category": self.texts.category[product],
            "created_at": np.where(again, catalog.restored[product], catalog.entered[product]),
            "updated_at": np.where(op == READ, catalog.entered[product], moment),
        }
        return Batch(product + 1, op, moment, PHASE_OTHER, columns)
