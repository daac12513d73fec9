"""Columns of the Spark analytics as Snowflake has them: docs/definitions.md, "INTERMEDIATE and Spark analytics".

What belongs here: names and types. What does not: computing them (analytics) and loading them (spark_tables.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from ecommerce_platform.contracts.model import LOAD_COLUMNS, Column, LogicalType


def _number(name: str) -> Column:
    return Column(name, LogicalType.BIGINT)


def _money(name: str) -> Column:
    return Column(name, LogicalType.DECIMAL, precision=38, scale=2)


def _decimal(name: str, precision: int, scale: int) -> Column:
    return Column(name, LogicalType.DECIMAL, precision=precision, scale=scale)


def _text(name: str) -> Column:
    return Column(name, LogicalType.TEXT)


def _date(name: str) -> Column:
    return Column(name, LogicalType.DATE)


#: Business columns of each Iceberg table `analytics.<name>`, in order.
SPARK_BUSINESS_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "customer_metrics": (
        _number("id"),
        _text("email"),
        _text("first_name"),
        _text("last_name"),
        _number("total_orders"),
        _money("total_spent"),
        _money("avg_order_value"),
        _date("first_order_date"),
        _date("last_order_date"),
        _number("unique_products_purchased"),
        _number("total_items_purchased"),
    ),
    "product_analytics": (
        _date("date"),
        _number("product_id"),
        _number("units_sold"),
        _money("total_revenue"),
        _money("avg_selling_price"),
        _number("unique_customers"),
        _number("total_orders"),
    ),
    "daily_business_metrics": (
        _date("date"),
        _number("new_customers"),
        _number("returning_customers"),
        _number("total_active_customers"),
        _number("total_orders"),
        _number("completed_orders"),
        _number("cancelled_orders"),
        _money("avg_order_value"),
        _money("total_revenue"),
        _money("revenue_from_new_customers"),
        _money("revenue_from_returning_customers"),
        _number("total_items_sold"),
        _number("unique_products_sold"),
        _decimal("customer_acquisition_rate", 5, 4),
        _decimal("order_completion_rate", 5, 4),
        _money("average_items_per_order"),
    ),
}

#: The same with the load's stamps: the columns of STAGING.SPARK_<NAME>.
SPARK_TABLES: Mapping[str, tuple[Column, ...]] = {
    name: (*columns, *LOAD_COLUMNS) for name, columns in SPARK_BUSINESS_COLUMNS.items()
}
