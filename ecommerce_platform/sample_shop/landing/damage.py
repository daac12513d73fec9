"""Rows that nobody can read: what is broken in them, and how few they are.

What belongs here: which events are damaged and how. What does not: dirt that is readable (people, sales, delivery).
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecommerce_platform.sample_shop.clock import Ints, Mask
from ecommerce_platform.sample_shop.events import DELETE, READ, UPDATE, Events
from ecommerce_platform.sample_shop.landing.delivery import Delivery
from ecommerce_platform.sample_shop.plan import UNREADABLE_LIMIT, DirtPlan

(SOUND, NULL_KEY, UNKNOWN_OP, NULL_TS_MS, NULL_SOURCE_TS_MS, NULL_LSN, TEXT_IN_DECIMAL, DECIMAL_OVERFLOW) = range(8)
DAMAGE_NAMES = (
    "sound",
    "null_key",
    "unknown_op",
    "null_ts_ms",
    "null_source_ts_ms",
    "null_lsn",
    "text_in_decimal",
    "decimal_overflow",
)
#: The decimal column that each table has damaged; users have none.
DAMAGED_DECIMAL = {"products": "price", "orders": "total_amount", "order_items": "unit_price"}
#: What stands in a damaged decimal column; the second has more digits than any price.
DAMAGED_TEXT = {TEXT_IN_DECIMAL: "n/a", DECIMAL_OVERFLOW: "123456789012.00"}


def damage_some(
    table: str, events: Events, delivery: Delivery, days: int, dirt: DirtPlan, typed: Mask, rng: np.random.Generator
) -> tuple[Events, dict[str, int]]:
    """Damages a share of each day's rows, always less than the limit; returns the events and the count of each kind.

    Only updates of orders and products are damaged (a row whose first event is lost would be another trouble), only
    events that arrive once, and none of those in files of the `typed` form, which could not hold such values.
    """
    once = np.bincount(delivery.event, minlength=len(events)) == 1
    usable = once & ~typed & ~events.tied
    usable &= events.op == UPDATE if table in ("orders", "products") else events.op <= READ
    usable &= events.op != DELETE
    kinds = np.array([NULL_KEY, UNKNOWN_OP, NULL_TS_MS, NULL_SOURCE_TS_MS, NULL_LSN])
    if table in DAMAGED_DECIMAL:
        kinds = np.append(kinds, [TEXT_IN_DECIMAL, DECIMAL_OVERFLOW])
    chosen = _chosen_rows(delivery, usable, days, dirt, rng)
    damage = events.damage.copy()
    damage[chosen] = _kinds_in_turn(kinds, events.op[chosen])
    names = {DAMAGE_NAMES[kind]: int((damage == kind).sum()) for kind in kinds}
    return replace(events, damage=damage), {name: count for name, count in names.items() if count}


def most_unreadable(rows: int) -> int:
    """How many of a day's rows may be unreadable so that their share stays below the limit."""
    return max(0, rows - 1) // round(1 / UNREADABLE_LIMIT)


def _chosen_rows(delivery: Delivery, usable: Mask, days: int, dirt: DirtPlan, rng: np.random.Generator) -> Ints:
    chosen = []
    bounds = np.searchsorted(delivery.day, np.arange(days + 1))
    for begin, end in itertools.pairwise(bounds):
        rows = int(end - begin)
        candidates = delivery.event[begin:end]
        candidates = candidates[usable[candidates]]
        count = min(int(rows * dirt.unreadable), most_unreadable(rows), len(candidates))
        if count > 0:
            chosen.append(rng.choice(candidates, count, replace=False))
    return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)


def _kinds_in_turn(kinds: Ints, op: NDArray[np.int8]) -> NDArray[np.int8]:
    """Each kind in turn; a snapshot row may lack its number, so that it gets an unknown operation instead."""
    turn = kinds[np.arange(len(op)) % len(kinds)]
    turn = np.where((op == READ) & (turn == NULL_LSN), UNKNOWN_OP, turn)
    return turn.astype(np.int8)
