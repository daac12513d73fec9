"""`analytics.product_analytics`: one row for each product and day on which it was sold.

What belongs here: that transformation. What does not: reading and writing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.declared import MONEY_DIGITS
from ecommerce_platform.analytics.figures.exact import count, hundredths, money, quotient


def calculate_product_analytics(items: DataFrame) -> DataFrame:
    """Sales of each product by business date; products that the latest state does not know are included, orders without a
    business date are not.

    In: items as of `purchased_items`. Out: date, product_id, units_sold, total_revenue decimal(38,2), avg_selling_price
    decimal(38,2), unique_customers, total_orders.
    """
    product_day = (F.col("business_date").alias("date"), "product_id")
    # The widest line has more hundredths than a bigint holds.
    revenue = F.col("quantity").cast("decimal(19,0)") * hundredths(F.col("unit_price")).cast("decimal(19,0)")
    # Distinct orders and distinct buyers by plain sums over ever coarser groups: an order has one buyer. One shuffle serves
    # all three, where two distinct counts at once would multiply the rows first.
    sold = (
        items.where("product_id is not null and business_date is not null")
        .select(*product_day, "user_id", "order_id", "quantity", revenue.alias("revenue"))
        .repartition("date", "product_id")
        .groupBy("date", "product_id", "user_id", "order_id")
        .agg(F.sum("quantity").alias("units"), F.sum("revenue").alias("revenue"))
        .groupBy("date", "product_id", "user_id")
        .agg(F.sum("units").alias("units"), F.sum("revenue").alias("revenue"), F.count("order_id").alias("orders"))
        .groupBy("date", "product_id")
        .agg(
            F.sum("units").alias("units"),
            F.sum("revenue").alias("revenue"),
            F.count("user_id").alias("unique_customers"),
            F.sum("orders").alias("total_orders"),
        )
    )
    units, total = count(F.col("units")), money(F.col("revenue"))
    return sold.select(
        "date",
        "product_id",
        units.alias("units_sold"),
        total.alias("total_revenue"),
        quotient(total, units, MONEY_DIGITS, 2, numerator_scale=2).alias("avg_selling_price"),
        "unique_customers",
        "total_orders",
    )
