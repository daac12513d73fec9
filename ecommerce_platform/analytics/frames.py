"""The frames that several results share, from the latest state of all tables.

What belongs here: which frame is kept in memory, and the three results from them. What does not: where the state comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import DataFrame

from ecommerce_platform.analytics.declared import CUSTOMER_METRICS, DAILY_BUSINESS_METRICS, PRODUCT_ANALYTICS, TABLES
from ecommerce_platform.analytics.figures import customers, daily, products, purchases


class Frames:
    """The frames that several results share, kept in memory while the tables are written. `span`: the first and the last
    business date that has rows.
    """

    def __init__(self, states: Mapping[str, DataFrame], span: tuple[date, date]) -> None:
        self._users = states["users"].persist(StorageLevel.MEMORY_AND_DISK)
        dated = purchases.with_business_date(states["orders"], *span)
        self._orders = dated.persist(StorageLevel.MEMORY_AND_DISK)
        self._purchases = purchases.purchases_of(self._orders)
        items = purchases.purchased_items(self._purchases, states["order_items"])
        self._items = items.persist(StorageLevel.MEMORY_AND_DISK)

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        for frame in (self._items, self._orders, self._users):
            frame.unpersist()

    def result(self, table: str) -> DataFrame:
        """The content of one of the three tables."""
        if table == CUSTOMER_METRICS:
            return customers.calculate_customer_metrics(self._users, self._purchases, self._items)
        if table == PRODUCT_ANALYTICS:
            return products.calculate_product_analytics(self._items)
        if table == DAILY_BUSINESS_METRICS:
            return daily.calculate_daily_business_metrics(self._users, self._orders, self._items)
        raise KeyError(f"no analytics table {table!r}; there are {', '.join(TABLES)}")
