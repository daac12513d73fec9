"""The change events of orders and their lines.

What belongs here: the histories of the tables orders and order_items. What does not: drawing the orders (sales.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ecommerce_platform.sample_shop import words
from ecommerce_platform.sample_shop.chance import generator
from ecommerce_platform.sample_shop.clock import NEVER, Ints, Mask, Window
from ecommerce_platform.sample_shop.events import (
    DELETE,
    INSERT,
    NULL,
    PHASE_BEFORE,
    PHASE_LINES,
    PHASE_ORDER,
    READ,
    UPDATE,
    Batch,
    Events,
    assemble,
)
from ecommerce_platform.sample_shop.plan import DirtPlan, ShopPlan, share_of
from ecommerce_platform.sample_shop.trade.sales import FIRST_LINE_KEY, FIRST_ORDER_KEY, Sales

_RETURNED = len(words.STATUSES)


def order_events(sales: Sales, plan: ShopPlan, dirt: DirtPlan, window: Window) -> Events:
    """History of the table orders."""
    moves, rows = sales.moves, _OrderRows(sales)
    old = moves.created < window.snapshot
    everyone = np.arange(len(old))
    seen = everyone[old & (moves.deleted > window.snapshot)]
    fresh = everyone[~old]
    batches = [
        rows.batch(seen, READ, window.snapshot, _status_at(sales, window.snapshot)[seen], _last_change(sales, window)),
        rows.batch(fresh, INSERT, moves.created[fresh], words.PENDING),
    ]
    last = np.where(sales.returned, _RETURNED + everyone % len(words.UNKNOWN_STATUSES), words.DELIVERED)
    for moment, status in (
        (moves.corrected, np.broadcast_to(words.PENDING, old.shape)),
        (moves.processing, np.broadcast_to(words.PROCESSING, old.shape)),
        (moves.shipped, np.broadcast_to(words.SHIPPED, old.shape)),
        (moves.delivered, last),
        (moves.cancelled, np.broadcast_to(words.CANCELLED, old.shape)),
    ):
        happens = _happens(sales, moment, window)
        batches.append(rows.batch(happens, UPDATE, moment[happens], status[happens]))
    gone, back = everyone[moves.deleted != NEVER], everyone[moves.restored != NEVER]
    batches.append(rows.batch(gone, DELETE, moves.deleted[gone], words.PENDING))
    batches.append(rows.batch(back, INSERT, moves.restored[back], words.PROCESSING))
    pools = {
        "status": words.text([*words.STATUSES, *words.UNKNOWN_STATUSES]),
        "shipping_address": _addresses(plan),
    }
    events = assemble(batches, pools, generator(plan.seed, "orders lag"), window.end)
    return _leave_out_addresses(events, dirt, generator(plan.seed, "unchanged addresses"))


def item_events(sales: Sales, plan: ShopPlan, window: Window) -> Events:
    """History of the table order_items: lines are written, corrected, deleted and restored with their order."""
    moves, rows = sales.moves, _LineRows(sales)
    order = sales.line_order
    lines = np.arange(len(order))
    old = (moves.created < window.snapshot)[order]
    deleted, restored = moves.deleted[order], moves.restored[order]
    corrected = _happens(sales, moves.corrected, window)
    gone, back = lines[deleted != NEVER], lines[restored != NEVER]
    batches = [
        rows.batch(lines[old & (deleted > window.snapshot)], READ, window.snapshot, PHASE_LINES),
        rows.batch(lines[~old], INSERT, moves.created[order[~old]], PHASE_LINES),
        rows.batch(sales.first_line[corrected], UPDATE, moves.corrected[corrected], PHASE_BEFORE),
        rows.batch(gone, DELETE, deleted[gone], PHASE_BEFORE),
        rows.batch(back, INSERT, restored[back], PHASE_LINES),
    ]
    return assemble(batches, {}, generator(plan.seed, "items lag"), window.end)


def _happens(sales: Sales, moment: Ints, window: Window) -> Ints:
    """Orders whose move is seen as an update: after the snapshot, and before the order is deleted."""
    happens: Ints = np.flatnonzero((moment > window.snapshot) & (moment < sales.moves.deleted))
    return happens


def _status_at(sales: Sales, moment: int) -> Ints:
    moves = sales.moves
    status = np.full(len(moves.created), words.PENDING, dtype=np.int64)
    for reached, code in (
        (moves.processing, words.PROCESSING),
        (moves.shipped, words.SHIPPED),
        (moves.delivered, words.DELIVERED),
        (moves.cancelled, words.CANCELLED),
    ):
        status[reached <= moment] = code
    returned = sales.returned & (moves.delivered <= moment)
    status[returned] = _RETURNED + np.flatnonzero(returned) % len(words.UNKNOWN_STATUSES)
    return status


def _last_change(sales: Sales, window: Window) -> Ints:
    """When each order of the snapshot was last changed."""
    moves = sales.moves
    changed = moves.created.copy()
    for moment in (moves.processing, moves.shipped, moves.delivered, moves.cancelled):
        changed = np.where(moment <= window.snapshot, np.maximum(changed, moment), changed)
    return changed


@dataclass(frozen=True)
class _OrderRows:
    sales: Sales

    def batch(
        self, orders: Ints, op: int, moment: int | Ints, status: int | Ints, updated: Ints | None = None
    ) -> Batch:
        sales, moves = self.sales, self.sales.moves
        columns = {
            "user_id": sales.user[orders],
            "status": status,
            "total_amount": sales.total[orders] + self._correction(orders, moment),
            "shipping_address": sales.address[orders],
            "created_at": moves.created[orders],
            "updated_at": moment if updated is None else updated[orders],
        }
        tied: bool | Mask = False
        if op in (INSERT, UPDATE):
            tied = moves.instant[orders] & (moment == moves.created[orders])
        return Batch(orders + FIRST_ORDER_KEY, op, moment, PHASE_ORDER, columns, tied)

    def _correction(self, orders: Ints, moment: int | Ints) -> Ints:
        """One piece more of the first line, from the correction on; with the sign of the total."""
        sales = self.sales
        extra = sales.price[sales.first_line[orders]] * np.sign(sales.total[orders])
        return np.where(moment >= sales.moves.corrected[orders], extra, 0)


@dataclass(frozen=True)
class _LineRows:
    sales: Sales

    def batch(self, lines: Ints, op: int, moment: int | Ints, phase: int) -> Batch:
        sales = self.sales
        order = sales.line_order[lines]
        first = sales.first_line[order] == lines
        corrected = first & (moment >= sales.moves.corrected[order])
        columns = {
            "order_id": order + FIRST_ORDER_KEY,
            "product_id": sales.product[lines],
            "quantity": sales.pieces[lines] + corrected,
            "unit_price": sales.price[lines],
            "created_at": sales.moves.created[order],
        }
        return Batch(lines + FIRST_LINE_KEY, op, moment, phase, columns)


def _addresses(plan: ShopPlan) -> pa.StringArray:
    """Where each user lives, by position."""
    rng = generator(plan.seed, "addresses")
    size = plan.users + plan.days
    street = words.pick(words.STREETS, rng.integers(0, len(words.STREETS), size))
    city = words.pick(words.CITIES, rng.integers(0, len(words.CITIES), size))
    return words.joined(", ", words.joined(" ", street, words.numbers(rng.integers(1, 180, size))), city)


def _leave_out_addresses(events: Events, dirt: DirtPlan, rng: np.random.Generator) -> Events:
    """Marks updates that carry the placeholder: no update changes an address."""
    candidates = np.flatnonzero((events.op == UPDATE) & (events.columns["shipping_address"] != NULL))
    unchanged = np.zeros(len(events), dtype=bool)
    unchanged[rng.choice(candidates, share_of(dirt.unchanged_addresses, len(candidates)), replace=False)] = True
    return replace(events, unchanged={"shipping_address": unchanged})
