"""A small random shop: few keys, many changes, so that every kind of interference happens in a few days.

What belongs here: seeded events. What does not: what should come of them.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ecommerce_platform_tests.transformation.raw_events import Event, at, item, order, product, user

_STATUSES = ("pending", "processing", "processing", "shipped", "shipped", "delivered", "cancelled", "lost", None)
_PLACEHOLDER = "__debezium_unavailable_value"
_KEYS_THAT_CHANGE = (
    (user, 6, ("email", "first_name")),
    (product, 6, ("name", "category")),
    (order, 30, ("shipping_address",)),
)


class RandomShop:
    """Events of some landing days: much on the first, then a little every day.

    A change of one key must reach all rows that depend on it while most keys rest; where everything changes every day, a
    forgotten dependency would mend itself unseen.
    """

    def __init__(
        self,
        seed: int,
        days: int = 6,
        at_first: int = 200,
        later: int = 9,
        settled: bool = False,
        days_apart: int = 1,
        ordered_within: int = 20,
    ) -> None:
        self._random = random.Random(seed)
        #: Users keep their registration, products their name, category and price, but for one event in five.
        self._settled = settled
        self._ordered_within = ordered_within
        first = date(2026, 1, 10)
        self.days = [(first + timedelta(days=offset * days_apart)).isoformat() for offset in range(days)]
        self._events: dict[str, list[Event]] = {day: [] for day in self.days}
        for lsn in range(1, at_first + later * (days - 1) + 1):
            happened = 0 if lsn <= at_first else 1 + (lsn - at_first - 1) // later
            for event in self._happening(lsn, self.days[happened], settled=happened == 0):
                # One event in eight arrives late, in a later landing day.
                arrives = min(happened + (self._random.random() < 0.125), days - 1)
                self._events[self.days[arrives]].append(event)
        for events in self._events.values():
            self._random.shuffle(events)

    def events(self, day: str) -> list[Event]:
        return list(self._events[day])

    def with_late_file(self, day: str) -> list[Event]:
        """The day with more events than it had, some of them older than what it had."""
        return [*self._events[day], *(self._event(lsn * 41, day) for lsn in range(1, 6))]

    def _happening(self, lsn: int, day: str, settled: bool) -> list[Event]:
        """An event; or, one time in ten, the two of a key change that leaves out texts."""
        if self._random.random() > 0.1:
            return [self._event(lsn, day, settled)]
        make, keys, texts = self._random.choice(_KEYS_THAT_CHANGE)
        old, new = self._random.sample(range(1, keys + 1), 2)
        return [make(old, lsn, day, "DELETE"), make(new, lsn, day, "INSERT", **dict.fromkeys(texts, _PLACEHOLDER))]

    def _event(self, lsn: int, day: str, settled: bool = False) -> Event:
        make = self._random.choice((self._user, self._product, self._order, self._order, self._item, self._item))
        changed = f"{day} {self._random.randrange(24):02d}:{self._random.choice((0, 30)):02d}:00"
        op = self._random.choices(("INSERT", "UPDATE", "DELETE", "READ"), (4, 5, 0 if settled else 2, 1))[0]
        event = make(lsn, changed, op)
        # A snapshot row without LSN, taken before, among or after what the stream has of its key; some at an event's very time.
        return replace(event, lsn=None) if op == "READ" and self._random.random() < 0.7 else event

    def _user(self, lsn: int, changed: str, op: str) -> Event:
        event = user(
            self._random.randrange(1, 7),
            lsn,
            changed,
            op,
            created_at=self._moment(),
            first_name=self._random.choice(("Ada", " ", None, _PLACEHOLDER)),
            email=self._random.choice(("a@example.com", "nonsense", None)),
        )
        if op != "DELETE" and self._keeps():
            values = {**event.values, "created_at": at("2026-01-01")}
            return replace(event, values=values)
        return event

    def _product(self, lsn: int, changed: str, op: str) -> Event:
        event = product(
            self._random.randrange(1, 7),
            lsn,
            changed,
            op,
            price=self._money(150),
            stock_quantity=self._random.choice((None, 0, 5, 500)),
            category=self._random.choice(("tools", "toys", None, _PLACEHOLDER)),
        )
        if op != "DELETE" and self._keeps():
            kept = {"category": "tools", "price": Decimal("12.00") + event.id}
            return replace(event, values={**event.values, **kept})
        return event

    def _keeps(self) -> bool:
        return self._settled and self._random.random() < 0.8

    def _order(self, lsn: int, changed: str, op: str) -> Event:
        return order(
            self._random.randrange(1, 31),
            lsn,
            changed,
            op,
            user_id=self._random.choice((1, 2, 3, 4, 5, 99, None)),
            status=self._random.choice(_STATUSES),
            total_amount=self._money(3000),
            created_at=self._moment(),
        )

    def _item(self, lsn: int, changed: str, op: str) -> Event:
        return item(
            self._random.randrange(1, 61),
            lsn,
            changed,
            op,
            order_id=self._random.choice((*range(1, 31), 99)),
            product_id=self._random.choice((1, 2, 3, 4, 5, 99, None)),
            quantity=self._random.choice((1, 2, 7, None)),
            unit_price=self._money(150),
            created_at=self._moment(),
        )

    def _moment(self) -> str:
        day = date(2025, 12, 28) + timedelta(days=self._random.randrange(self._ordered_within))
        return f"{day} {self._random.randrange(24):02d}:00:00"

    def _money(self, most: int) -> Any:
        return self._random.choice((None, Decimal(self._random.randrange(most * 100)) / 100))
