"""How the orders of a set of versions stand: their latest state by business date and customer tier, and its daily metrics.

What belongs here: counting what the reconciliation counts, to plant faults of a known size. What does not: planting them
(faults.py). The definitions are those of docs/definitions.md; the platform itself uses nothing of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from ecommerce_platform.metrics import REVENUE_STATUSES, TIERS
from ecommerce_platform.sample_shop import words
from ecommerce_platform.sample_shop.clock import DAY, Ints, Mask, Window, day_of
from ecommerce_platform.sample_shop.events import DELETE, NULL, Events, latest
from ecommerce_platform.sample_shop.report import MetricEffect
from ecommerce_platform.settings import BusinessSettings

#: Tier of an order whose user is unknown, beside the positions in TIERS.
NO_TIER = len(TIERS)
_REVENUE_CODES = [words.STATUSES.index(status) for status in REVENUE_STATUSES]


@dataclass(frozen=True)
class Standing:
    """The orders that exist, one entry each: `version` is the index of its latest version. Cents, keys, codes.

    `group` numbers business date and tier together; it is negative for business dates before the first day.
    """

    version: Ints
    key: Ints
    user: Ints
    status: Ints
    amount: Ints
    business_date: Ints
    tier: Ints
    group: Ints

    @property
    def revenue(self) -> Mask:
        """Whether each order is a purchase."""
        return np.isin(self.status, _REVENUE_CODES)


def standing_of(versions: Events, users: Events, window: Window) -> Standing:
    """Latest state of the orders in `versions`; tiers by lifetime spend of the users that exist in `users`."""
    last = latest(versions)
    last = last[versions.op[last] != DELETE]
    user, status = versions.columns["user_id"][last], versions.columns["status"][last]
    amount = versions.columns["total_amount"][last]
    date = versions.columns["created_at"][last] // DAY
    tier = _tiers(user, np.where(np.isin(status, _REVENUE_CODES), amount, 0), users)
    day = date - window.start // DAY
    group = np.where(day >= 0, day * (NO_TIER + 1) + tier, -1)
    return Standing(last, versions.key[last], user, status, amount, date, tier, group)


def _tiers(user: Ints, spent: Ints, users: Events) -> Ints:
    """Tier of each order's user (position in TIERS, or NO_TIER)."""
    last = latest(users)
    known = users.key[last[users.op[last] != DELETE]]
    distinct, where = np.unique(user, return_inverse=True)
    total = np.bincount(where, weights=spent).astype(np.int64)
    business = BusinessSettings()
    steps = [int(step * 100) for step in (business.tier_silver, business.tier_gold, business.tier_platinum)]
    tier = np.searchsorted(np.array(steps), total, side="right")
    tiers: Ints = np.where(np.isin(distinct, known), tier, NO_TIER)[where]
    return tiers


@dataclass(frozen=True)
class GroupSizes:
    """Size of each order's group (business date and tier): its distinct users and its revenue in cents."""

    users: Ints
    revenue: Ints

    @classmethod
    def of(cls, standing: Standing) -> GroupSizes:
        groups, where = np.unique(standing.group, return_inverse=True)
        pairs = np.unique(np.column_stack([where, standing.user]), axis=0)[:, 0]
        revenue = np.bincount(where, weights=np.where(standing.revenue, standing.amount, 0)).astype(np.int64)
        return cls(np.bincount(pairs, minlength=len(groups))[where], revenue[where])


def effects(speed: Standing, batch: Standing) -> tuple[MetricEffect, ...]:
    """Every daily metric, over all tiers, that differs between two standings."""
    both = _metrics(speed), _metrics(batch)
    states = []
    for date in sorted(set(both[0]) | set(both[1])):
        nothing = dict.fromkeys(("active_customers", "total_orders", "total_revenue", "avg_order_value"), Decimal(0))
        ours, theirs = both[0].get(date, nothing), both[1].get(date, nothing)
        for metric, value in theirs.items():
            gap = abs(ours[metric] - value)
            if gap:
                share = Decimal(100) if value == 0 else gap / abs(value) * 100
                states.append(MetricEffect(day_of(date * DAY), metric, ours[metric], value, round(share, 4)))
    return tuple(states)


def _metrics(standing: Standing) -> dict[int, dict[str, Decimal]]:
    """The reconciled metrics of each business date (days since 1970). A loop over dates, not over orders."""
    dates, where = np.unique(standing.business_date, return_inverse=True)
    orders = np.bincount(where, minlength=len(dates))
    named = standing.user != NULL
    pairs = np.unique(np.column_stack([where[named], standing.user[named]]), axis=0)[:, 0]
    customers = np.bincount(pairs, minlength=len(dates))
    bought = standing.revenue
    purchases = np.bincount(where[bought], minlength=len(dates))
    revenue = np.zeros(len(dates), dtype=np.int64)
    np.add.at(revenue, where[bought], standing.amount[bought])
    cent = Decimal("0.01")
    return {
        int(date): {
            "active_customers": Decimal(int(customers[at])),
            "total_orders": Decimal(int(orders[at])),
            "total_revenue": int(revenue[at]) * cent,
            "avg_order_value": (
                (int(revenue[at]) * cent / int(purchases[at])).quantize(cent, ROUND_HALF_UP)
                if purchases[at]
                else Decimal(0)
            ),
        }
        for at, date in enumerate(dates)
    }
