"""What a speed layer would have seen of the orders: every readable event once, in commit order, typed.

What belongs here: the order versions of `orders_realtime`. What does not: choosing faults (faults.py) and loading them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.sample_shop.chance import generator
from ecommerce_platform.sample_shop.events import Events
from ecommerce_platform.sample_shop.landing.columns import speed_table
from ecommerce_platform.sample_shop.landing.damage import SOUND
from ecommerce_platform.sample_shop.landing.landing_files import TableMaker
from ecommerce_platform.sample_shop.landing.shop import Shop
from ecommerce_platform.sample_shop.plan import FaultPlan
from ecommerce_platform.sample_shop.report import MetricEffect, PlantedFault
from ecommerce_platform.sample_shop.speed.faults import plant
from ecommerce_platform.sample_shop.speed.standing import effects, standing_of

_ROWS_PER_FILE = 1_000_000


@dataclass(frozen=True)
class SpeedLayer:
    """Versions with the planted faults, the same without them, the list of faults and what they do to daily metrics."""

    versions: Events
    healthy: Events
    faults: tuple[PlantedFault, ...]
    effects: tuple[MetricEffect, ...]


def speed_layer(shop: Shop, plan: FaultPlan) -> SpeedLayer:
    """What the speed layer of this shop holds at the end of the last day."""
    healthy = healthy_versions(shop.events["orders"])
    if plan == FaultPlan.none():
        return SpeedLayer(healthy, healthy, (), ())
    users = shop.events["users"]
    faulty = plant(healthy, users, shop.window, plan, generator(shop.plan.seed, "faults"))
    sides = (standing_of(versions, users, shop.window) for versions in (faulty.versions, healthy))
    return SpeedLayer(faulty.versions, healthy, faulty.faults, effects(*sides))


def healthy_versions(orders: Events) -> Events:
    """Versions of a healthy speed layer: nothing damaged, and one version for a key and log sequence number.

    The table there keeps one row for key and number; of a tied pair it keeps the later one.
    """
    readable = orders.take(orders.damage == SOUND)
    order = np.lexsort((readable.ts_ms, readable.lsn, readable.key))
    key, lsn = readable.key[order], readable.lsn[order]
    last = np.append((key[1:] != key[:-1]) | (lsn[1:] != lsn[:-1]), True) if len(order) else order.astype(bool)
    return readable.take(np.sort(order[last]))


def realtime_tables(versions: Events) -> dict[str, TableMaker]:
    """The Parquet files of the versions by name, with what makes their content."""
    contract = load_contracts()["orders"]

    def maker(begin: int) -> TableMaker:
        return lambda: speed_table(
            contract, versions.take(np.arange(begin, min(begin + _ROWS_PER_FILE, len(versions))))
        )

    starts = range(0, max(len(versions), 1), _ROWS_PER_FILE)
    return {f"orders-{number:05d}.parquet": maker(begin) for number, begin in enumerate(starts)}
