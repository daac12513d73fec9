"""Rows at the ends of the contracts' types, and what Spark computes of them.

What belongs here: the rows, each once, as events of RAW and as frames of Spark. What does not: expectations (test_extremes.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import product as each_pair
from typing import TYPE_CHECKING

from ecommerce_platform_tests.transformation.raw_events import Event, at, item, order, product, user

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: The landing day, and so the as-of day.
DAY = date(2026, 1, 5)
REGISTERED = "2025-01-01"
FIRST_KEY, LAST_KEY = -(2**63), 2**63 - 1
FEWEST, MOST = -(2**31), 2**31 - 1
HIGHEST_PRICE = Decimal("99999999.99")
PRICES = (HIGHEST_PRICE, -HIGHEST_PRICE, Decimal("0.01"), Decimal("-0.01"), Decimal("0.00"), None)
QUANTITIES = (MOST, FEWEST, 1, -1, 0, None)
PAIRS = tuple(each_pair(QUANTITIES, PRICES))

#: Key, buyer, amount and business date of an order; key, order, product, quantity and price of a line.
Order = tuple[int, int, Decimal | None, date]
Line = tuple[int, int | None, int | None, int | None, Decimal | None]


@dataclass
class Shop:
    """Delivered orders and their lines, landed on one day, with the users and the products that they name."""

    catalog: Mapping[int, Decimal | None]
    orders: list[Order] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def buyers(self) -> tuple[int, ...]:
        return tuple(sorted({buyer for _, buyer, _, _ in self.orders}))

    def events(self) -> list[Event]:
        """Everything as events of RAW."""
        days = {key: str(day) for key, _, _, day in self.orders}
        all_events: list[Event] = [user(key, None, REGISTERED) for key in self.buyers]
        all_events += [
            product(key, None, REGISTERED, price=price, stock_quantity=MOST) for key, price in self.catalog.items()
        ]
        all_events += [
            order(key, None, days[key], user_id=buyer, status="delivered", total_amount=amount)
            for key, buyer, amount, _ in self.orders
        ]
        all_events += [
            item(key, None, days[of], order_id=of, product_id=sold, quantity=quantity, unit_price=price)
            for key, of, sold, quantity, price in self.lines
        ]
        return [Event(**{**event.__dict__, "lsn": number}) for number, event in enumerate(all_events, 1)]

    def frames(self, spark: SparkSession) -> tuple[DataFrame, DataFrame, DataFrame]:
        """Users, orders and order items of the latest state, as Spark has them."""
        users = spark.createDataFrame(
            [(key, f"user{key}@example.com", "Ada", "Lovelace", at(REGISTERED)) for key in self.buyers],
            "id bigint, email string, first_name string, last_name string, created_at timestamp_ntz",
        )
        orders = spark.createDataFrame(
            [(key, buyer, "delivered", amount, day) for key, buyer, amount, day in self.orders],
            "id bigint, user_id bigint, status string, total_amount decimal(10,2), business_date date",
        )
        items = spark.createDataFrame(
            self.lines, "id bigint, order_id bigint, product_id bigint, quantity int, unit_price decimal(10,2)"
        )
        return users, orders, items


def sale_and_return() -> Shop:
    """One product, sold dear and taken back cheap on one date: a unit is left, and all the money."""
    return Shop(
        {1: HIGHEST_PRICE},
        orders=[(1, 1, Decimal("1999.00"), DAY), (2, 1, Decimal("-19.99"), DAY)],
        lines=[(1, 1, 1, 60000, Decimal("1999.00")), (2, 2, 1, -59999, Decimal("19.99"))],
    )


def each_alone() -> Shop:
    """Every quantity at every price: an order of one line, with a date, a buyer and a product of its own."""
    shop = Shop({LAST_KEY - number: HIGHEST_PRICE * (-1) ** number for number in range(len(PAIRS))})
    for number, (quantity, price) in enumerate(PAIRS):
        key = LAST_KEY - number
        shop.orders.append((key, key, price, DAY - timedelta(days=number)))
        shop.lines.append((key, key, key, quantity, price))
    return shop


def all_at_once() -> Shop:
    """The same of one product in one order of one day, and what is widest again and again: sums beyond the widest row."""
    shop = Shop({FIRST_KEY: -HIGHEST_PRICE, LAST_KEY: HIGHEST_PRICE})
    for number, amount in enumerate((*PRICES, *[HIGHEST_PRICE] * 7)):
        shop.orders.append((FIRST_KEY + number, FIRST_KEY if number % 2 else LAST_KEY, amount, DAY))
    for number, (quantity, price) in enumerate((*PAIRS, *[(MOST, HIGHEST_PRICE)] * 9)):
        shop.lines.append((FIRST_KEY + number, FIRST_KEY, FIRST_KEY, quantity, price))
    # One unit remains of the widest numbers: its average is their sum.
    shop.lines += [
        (LAST_KEY, FIRST_KEY, LAST_KEY, MOST, HIGHEST_PRICE),
        (LAST_KEY - 1, FIRST_KEY, LAST_KEY, FEWEST, -HIGHEST_PRICE),
        (LAST_KEY - 2, FIRST_KEY, LAST_KEY, 2, HIGHEST_PRICE),
    ]
    return shop
