"""What the three transformations share: orders with their business date, purchases, and the items of purchases.

What belongs here: those frames. What does not: what is counted over them.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.metrics import REVENUE_STATUSES, in_statuses


def with_business_date(orders: DataFrame, first: date, last: date) -> DataFrame:
    """Orders of the latest state with `business_date`, the UTC date of `created_at`; null outside the span from `first` to
    `last`, so that such an order is counted, and has no row by date.
    """
    created = F.to_date("created_at")
    return orders.withColumn("business_date", F.when(created.between(F.lit(first), F.lit(last)), created))


def is_purchase() -> str:
    """SQL condition on an order: it is a revenue order. False, not null, for an order without a status."""
    return f"coalesce({in_statuses('status', REVENUE_STATUSES)}, false)"


def purchases_of(orders: DataFrame) -> DataFrame:
    """The orders that are purchases."""
    return orders.where(is_purchase())


def purchased_items(purchases: DataFrame, order_items: DataFrame) -> DataFrame:
    """Items of purchases, with buyer and the order's business date: order_id, user_id, business_date, product_id, quantity,
    unit_price. An order without items is not here, and an item without a known purchase is not, either.
    """
    buyers = purchases.select(F.col("id").alias("order_id"), "user_id", "business_date")
    return order_items.select("order_id", "product_id", "quantity", "unit_price").join(buyers, "order_id")
