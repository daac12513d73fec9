"""`analytics.customer_metrics`: one row a known user.

What belongs here: that transformation. What does not: reading and writing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.declared import MONEY_DIGITS
from ecommerce_platform.analytics.figures.exact import count, hundredths, money, quotient


def calculate_customer_metrics(users: DataFrame, purchases: DataFrame, items: DataFrame) -> DataFrame:
    """Purchases of each user of the latest state; those without a business date count, and give no date.

    In: users (id, email, first_name, last_name), purchases (user_id, total_amount, business_date), items as of
    `purchased_items`. Out: id, email, first_name, last_name, total_orders, total_spent decimal(38,2), avg_order_value
    decimal(38,2), first_order_date, last_order_date, unique_products_purchased, total_items_purchased.
    """
    # Orders and items are summed apart: joined first, an order's amount would count once for each of its items.
    of_orders = purchases.groupBy(F.col("user_id").alias("id")).agg(
        F.count(F.lit(1)).alias("total_orders"),
        F.sum(hundredths(F.col("total_amount"))).alias("total_spent"),
        F.min("business_date").alias("first_order_date"),
        F.max("business_date").alias("last_order_date"),
    )
    # One shuffle for both steps: rows of a user are together after it, and so are those of a user and a product.
    of_items = (
        items.select("user_id", "product_id", "quantity")
        .repartition("user_id")
        .groupBy("user_id", "product_id")
        .agg(F.sum("quantity").alias("units"))
        .groupBy(F.col("user_id").alias("id"))
        .agg(F.count("product_id").alias("unique_products_purchased"), F.sum("units").alias("total_items_purchased"))
    )
    return customer_rows(users, of_orders.join(of_items, "id", "left"))


def customer_rows(users: DataFrame, totals: DataFrame) -> DataFrame:
    """The same columns, from the users and the totals of those who have purchases: id, total_orders, total_spent in hundredths,
    first_order_date, last_order_date, unique_products_purchased, total_items_purchased.
    """
    joined = users.join(totals, "id", "left")
    orders, spent = count(F.col("total_orders")), money(F.col("total_spent"))
    return joined.select(
        "id",
        "email",
        "first_name",
        "last_name",
        orders.alias("total_orders"),
        spent.alias("total_spent"),
        quotient(spent, orders, MONEY_DIGITS, 2, numerator_scale=2).alias("avg_order_value"),
        "first_order_date",
        "last_order_date",
        count(F.col("unique_products_purchased")).alias("unique_products_purchased"),
        count(F.col("total_items_purchased")).alias("total_items_purchased"),
    )
