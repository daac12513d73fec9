"""`analytics.daily_business_metrics`: one row a business date, from the first to the last.

What belongs here: that transformation. What does not: reading and writing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.declared import MONEY_DIGITS
from ecommerce_platform.analytics.figures.exact import count, hundredths, money, quotient
from ecommerce_platform.analytics.figures.purchases import is_purchase
from ecommerce_platform.metrics import CANCELLED, COMPLETED_STATUSES, in_statuses

_COUNTS = (
    "total_orders",
    "completed_orders",
    "cancelled_orders",
    "purchases",
    "total_active_customers",
    "new_customers",
    "total_items_sold",
    "unique_products_sold",
)
_SUMS = ("total_revenue", "revenue_from_new_customers")


def calculate_daily_business_metrics(users: DataFrame, orders: DataFrame, items: DataFrame) -> DataFrame:
    """The shop's day in numbers; days without orders between the first and the last are rows of zeros. Orders without a
    business date are left out.

    In: users (id, created_at), orders (id, user_id, status, total_amount, business_date), items as of `purchased_items`.
    Out: the columns of the mart `daily_business_metrics`, without its audit stamp.
    """
    dated = orders.where("business_date is not null")
    by_orders = _orders_by_day(users, dated)
    by_items = items.groupBy(F.col("business_date").alias("date")).agg(
        F.sum("quantity").alias("total_items_sold"), F.countDistinct("product_id").alias("unique_products_sold")
    )
    days = _every_date(dated, "business_date").join(by_orders, "date", "left").join(by_items, "date", "left")
    filled = days.select(
        "date",
        *(count(F.col(name)).alias(name) for name in _COUNTS),
        *(money(F.col(name)).alias(name) for name in _SUMS),
    )
    return _with_quotients(filled)


def with_all_days(days: DataFrame) -> DataFrame:
    """Rows of the metrics of dates that have orders, and rows of zeros between them."""
    zeros = {field.name: F.lit(0).cast(field.dataType) for field in days.schema.fields if field.name != "date"}
    filled = _every_date(days, "date").join(days, "date", "left")
    return filled.select("date", *(F.coalesce(F.col(name), zero).alias(name) for name, zero in zeros.items()))


def _orders_by_day(users: DataFrame, orders: DataFrame) -> DataFrame:
    registered = users.select(F.col("id").alias("user_id"), F.to_date("created_at").alias("registered_on"))
    joined = orders.join(registered, "user_id", "left")
    # A user who is unknown or deleted has no registration date, and counts as of a returning customer.
    is_new = F.coalesce(F.col("registered_on") == F.col("business_date"), F.lit(False))
    purchase = F.expr(is_purchase())
    by_customer = joined.groupBy(F.col("business_date").alias("date"), "user_id", is_new.alias("is_new")).agg(
        F.count(F.lit(1)).alias("orders"),
        F.count_if(F.expr(in_statuses("status", COMPLETED_STATUSES))).alias("completed"),
        F.count_if(F.col("status") == CANCELLED).alias("cancelled"),
        F.count_if(purchase).alias("purchases"),
        F.sum(F.when(purchase, hundredths(F.col("total_amount")))).alias("revenue"),
    )
    return by_customer.groupBy("date").agg(
        F.sum("orders").alias("total_orders"),
        F.sum("completed").alias("completed_orders"),
        F.sum("cancelled").alias("cancelled_orders"),
        F.sum("purchases").alias("purchases"),
        F.count("user_id").alias("total_active_customers"),
        F.count_if("is_new").alias("new_customers"),
        F.sum("revenue").alias("total_revenue"),
        F.sum(F.when(F.col("is_new"), F.col("revenue"))).alias("revenue_from_new_customers"),
    )


def _every_date(rows: DataFrame, column: str) -> DataFrame:
    """Every date from the first to the last of the rows; none when there is no row."""
    ends = rows.agg(F.min(column).alias("first"), F.max(column).alias("last"))
    return ends.select(F.explode(F.expr("sequence(first, last, interval 1 day)")).alias("date"))


def _with_quotients(days: DataFrame) -> DataFrame:
    purchases, orders = F.col("purchases"), F.col("total_orders")
    active, new = F.col("total_active_customers"), F.col("new_customers")
    revenue, revenue_from_new = F.col("total_revenue"), F.col("revenue_from_new_customers")
    return days.select(
        "date",
        "new_customers",
        (active - new).alias("returning_customers"),
        "total_active_customers",
        "total_orders",
        "completed_orders",
        "cancelled_orders",
        quotient(revenue, purchases, MONEY_DIGITS, 2, numerator_scale=2).alias("avg_order_value"),
        "total_revenue",
        "revenue_from_new_customers",
        (revenue - revenue_from_new).cast(f"decimal({MONEY_DIGITS},2)").alias("revenue_from_returning_customers"),
        "total_items_sold",
        "unique_products_sold",
        quotient(new, active, 5, 4).alias("customer_acquisition_rate"),
        quotient(F.col("completed_orders"), orders, 5, 4).alias("order_completion_rate"),
        quotient(F.col("total_items_sold"), purchases, MONEY_DIGITS, 2).alias("average_items_per_order"),
    )
