"""Faults planted in the speed layer, so that the reconciliation has something to find; each is listed.

What belongs here: choosing orders and changing their versions. What does not: counting (standing.py).

But for the two dates whose revenue is meant to be off, a fault goes to a business date and tier of its own, large enough that
no metric of that date and tier moves by 5 %. A shop too small for that gets its faults where they fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ecommerce_platform.metrics import TIERS
from ecommerce_platform.sample_shop import words
from ecommerce_platform.sample_shop.clock import DAY, HOUR, Ints, Mask, Window, day_of
from ecommerce_platform.sample_shop.events import DELETE, INSERT, NULL, OP_WORDS, Events, latest
from ecommerce_platform.sample_shop.plan import FaultPlan
from ecommerce_platform.sample_shop.report import PlantedFault
from ecommerce_platform.sample_shop.speed.standing import NO_TIER, GroupSizes, Standing, standing_of

_LEAST_USERS = 25
_MOST_REVENUE_SHARE = 0.04
_EXTRA_CENTS = 150
#: Orders that only the speed layer has get keys this far above all others.
_STRANGE_KEYS = 1_000_000


@dataclass(frozen=True)
class Faulty:
    """The speed layer's versions with faults, and the list of these."""

    versions: Events
    faults: tuple[PlantedFault, ...]


def plant(versions: Events, users: Events, window: Window, plan: FaultPlan, rng: np.random.Generator) -> Faulty:
    """Plants the faults of the plan in healthy versions. Kinds that find no order left are planted fewer times."""
    standing = standing_of(versions, users, window)
    gaps = _gap_days(plan, window)
    planter = _Planter(versions, standing, window)
    for day, share in gaps.items():
        planter.gap(day, share)
    victims = _Victims.of(versions, standing, window, frozenset(gaps), rng)
    for kind, count in (
        ("status_behind", plan.status_behind),
        ("wrong_status", plan.wrong_status),
        ("deleted_in_speed", plan.deleted_in_speed),
        ("missing_in_speed", plan.missing_in_speed),
        ("missing_in_batch", plan.missing_in_batch),
        ("amount_differs", plan.amount_differs),
    ):
        for order in victims.choose(kind, count):
            getattr(planter, kind)(int(order))
    for key in _deleted_keys(versions, window, frozenset(gaps), rng)[: plan.deleted_in_batch]:
        planter.deleted_in_batch(int(key))
    return planter.result()


def _gap_days(plan: FaultPlan, window: Window) -> Mapping[int, float]:
    """The days (index) whose revenue is off, with the share; one day holds one gap."""
    large, small = window.days // 2, window.days // 2 - 3 if window.days > 5 else 0
    gaps = {small: plan.small_revenue_gap} if plan.small_revenue_gap else {}
    return gaps | ({large: plan.large_revenue_gap} if plan.large_revenue_gap else {})


@dataclass
class _Victims:
    """Orders that can carry a fault, in random order, the well-placed ones of groups of their own first."""

    standing: Standing
    candidates: Ints
    eligible: Mapping[str, Mask]

    @classmethod
    def of(
        cls, versions: Events, standing: Standing, window: Window, kept_free: frozenset[int], rng: np.random.Generator
    ) -> _Victims:
        day = standing.business_date - window.start // DAY
        free = (day >= 0) & ~np.isin(day, list(kept_free)) & (standing.amount > 0) & (standing.user != NULL)
        sizes = GroupSizes.of(standing)
        calm = (standing.tier < NO_TIER) & (sizes.users >= _LEAST_USERS)
        calm &= standing.amount <= sizes.revenue * _MOST_REVENUE_SHARE
        shuffled = rng.permutation(np.flatnonzero(free))
        shuffled = shuffled[np.argsort(~calm[shuffled], kind="stable")]
        _, first = np.unique(standing.group[shuffled], return_index=True)
        others = np.setdiff1d(np.arange(len(shuffled)), first)
        order = np.concatenate([np.sort(first), others])
        candidates = shuffled[order]
        candidates = candidates[np.argsort(~calm[candidates], kind="stable")]
        return cls(standing, candidates, _eligible(versions, standing))

    def choose(self, kind: str, count: int) -> Ints:
        """Takes up to `count` orders that can have this fault."""
        fitting = self.candidates[self.eligible[kind][self.candidates]][:count]
        self.candidates = self.candidates[~np.isin(self.candidates, fitting)]
        return fitting


def _eligible(versions: Events, standing: Standing) -> dict[str, Mask]:
    """Which orders can have which fault."""
    everyone = np.ones(len(standing.key), dtype=bool)
    before = _version_before(versions)[standing.version]
    status_before = np.where(before >= 0, versions.columns["status"][before], NULL)
    amount_before = np.where(before >= 0, versions.columns["total_amount"][before], NULL)
    moved = np.isin(standing.status, (words.SHIPPED, words.DELIVERED)) & (standing.status == status_before + 1)
    early = versions.commit[standing.version] < versions.commit.max(initial=0) - 2 * HOUR
    return {
        "status_behind": moved & (amount_before == standing.amount),
        "wrong_status": standing.status == words.DELIVERED,
        "deleted_in_speed": early & (versions.lsn[standing.version] != NULL),
        "missing_in_speed": everyone,
        "missing_in_batch": versions.lsn[standing.version] != NULL,
        "amount_differs": standing.revenue,
    }


def _version_before(versions: Events) -> Ints:
    """Index of the version of the same key before each one, in event order; -1 for the first."""
    order = np.lexsort((versions.ts_ms, versions.lsn, versions.key))
    before = np.full(len(versions), -1)
    same = versions.key[order[1:]] == versions.key[order[:-1]]
    before[order[1:][same]] = order[:-1][same]
    return before


def _deleted_keys(versions: Events, window: Window, kept_free: frozenset[int], rng: np.random.Generator) -> Ints:
    """Keys whose latest version is a DELETE and whose order had been placed on a day that is free for faults."""
    last = latest(versions)
    last = last[versions.op[last] == DELETE]
    before = _version_before(versions)[last]
    last, before = last[before >= 0], before[before >= 0]
    day = window.day_index(versions.columns["created_at"][before])
    free = (day >= 0) & ~np.isin(day, list(kept_free))
    # Small orders first: each moves its day and tier the least.
    index = rng.permutation(np.flatnonzero(free))
    index = index[np.argsort(versions.columns["total_amount"][before[index]], kind="stable")]
    keys: Ints = versions.key[last[index]]
    return keys


class _Planter:
    """Collects changes to the versions; one method for each kind of fault. Orders are positions in the standing."""

    def __init__(self, versions: Events, standing: Standing, window: Window) -> None:
        self._versions = versions
        self._standing = standing
        self._window = window
        self._columns = {name: values.copy() for name, values in versions.columns.items()}
        self._kept = np.ones(len(versions), dtype=bool)
        self._added: list[Events] = []
        self._faults: list[PlantedFault] = []

    def result(self) -> Faulty:
        versions = replace(self._versions, columns=self._columns).take(self._kept)
        for added in self._added:
            versions = versions.plus(added)
        order = np.argsort(versions.commit, kind="stable")
        return Faulty(versions.take(order), tuple(self._faults))

    def gap(self, day: int, share: float) -> None:
        """One order of each tier is dearer, so that the revenue of the day is off by `share` in every tier."""
        standing = self._standing
        today = (standing.business_date == self._window.start // DAY + day) & standing.revenue
        for tier in range(len(TIERS)):
            orders = np.flatnonzero(today & (standing.tier == tier))
            revenue = int(standing.amount[orders].sum())
            if len(orders) and revenue > 0:
                largest = int(orders[np.argmax(standing.amount[orders])])
                self._change_amount(largest, round(revenue * share))

    def amount_differs(self, order: int) -> None:
        self._change_amount(order, _EXTRA_CENTS)

    def _change_amount(self, order: int, cents: int) -> None:
        version = int(self._standing.version[order])
        amount = int(self._columns["total_amount"][version])
        self._columns["total_amount"][version] = amount + cents
        self._note("amount_differs", order, "total_amount", _money(amount + cents), _money(amount))

    def wrong_status(self, order: int) -> None:
        """Delivered, but shipped in the speed layer, at the same log sequence number: no sum shows it."""
        self._columns["status"][self._standing.version[order]] = words.SHIPPED
        self._note("wrong_status", order, "status", "shipped", "delivered")

    def status_behind(self, order: int) -> None:
        """The last move of the order never reached the speed layer."""
        self._kept[self._standing.version[order]] = False
        status = int(self._standing.status[order])
        self._note("status_behind", order, "status", words.STATUSES[status - 1], words.STATUSES[status])

    def missing_in_speed(self, order: int) -> None:
        self._kept[self._versions.key == self._standing.key[order]] = False
        self._note("missing_in_speed", order, None, None, _money(int(self._standing.amount[order])))

    def missing_in_batch(self, order: int) -> None:
        """An order like this one, but with a key that no landing file has."""
        number = len(self._faults)
        like = self._last_version(order)
        key = np.array([self._versions.key.max() + _STRANGE_KEYS + number])
        extra = replace(like, key=key, op=np.array([INSERT], dtype=np.int8), lsn=like.lsn + 1)
        self._added.append(extra)
        amount = int(self._standing.amount[order])
        self._note("missing_in_batch", order, None, _money(amount), None, key=int(key[0]))

    def deleted_in_speed(self, order: int) -> None:
        """The speed layer got a DELETE that never was; eligible orders changed last well before the last event of all."""
        last = self._last_version(order)
        nothing = {name: np.array([NULL]) for name in last.columns}
        operation = np.array([DELETE], dtype=np.int8)
        self._added.append(replace(last, op=operation, commit=last.commit + HOUR, lsn=last.lsn + 1, columns=nothing))
        self._note("deleted_in_speed", order, "__op", "DELETE", OP_WORDS[int(last.op[0])])

    def deleted_in_batch(self, key: int) -> None:
        """The DELETE of an order never reached the speed layer, which still has it."""
        own = np.flatnonzero(self._versions.key == key)
        own = own[np.lexsort((self._versions.ts_ms[own], self._versions.lsn[own]))]
        self._kept[own[-1]] = False
        before = own[-2]
        date = day_of(self._versions.columns["created_at"][before])
        operation = OP_WORDS[int(self._versions.op[before])]
        self._faults.append(PlantedFault("deleted_in_batch", key, date, "__op", operation, "DELETE"))

    def _last_version(self, order: int) -> Events:
        return self._versions.take(self._standing.version[order : order + 1])

    def _note(
        self, kind: str, order: int, column: str | None, speed: str | None, batch: str | None, key: int | None = None
    ) -> None:
        order_id = int(self._standing.key[order]) if key is None else key
        date = day_of(int(self._standing.business_date[order]) * DAY)
        self._faults.append(PlantedFault(kind, order_id, date, column, speed, batch))


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
