"""`analytics.product_analytics`: one row for each product and day on which it was sold.

What belongs here: that transformation. What does not: reading and writing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.exact import count, money, quotient


def calculate_product_analytics(items: DataFrame) -> DataFrame:
    """Sales of each product by business date; products that the latest state does not know are included.

    In: items as of `purchased_items`. Out: date, product_id, units_sold, total_revenue decimal(18,2), avg_selling_price
    decimal(10,2), unique_customers, total_orders.
    """
    sold = (
        items.where("product_id is not null and business_date is not null")
        .groupBy(F.col("business_date").alias("date"), "product_id")
        .agg(
            F.sum("quantity").alias("units"),
            F.sum(F.col("quantity") * F.col("unit_price")).alias("revenue"),
            F.countDistinct("user_id").alias("unique_customers"),
            F.countDistinct("order_id").alias("total_orders"),
        )
    )
    units, revenue = count(F.col("units")), money(F.col("revenue"))
    return sold.select(
        "date",
        "product_id",
        units.alias("units_sold"),
        revenue.alias("total_revenue"),
        quotient(revenue, units, 10, 2, numerator_scale=2).alias("avg_selling_price"),
        "unique_customers",
        "total_orders",
    )
