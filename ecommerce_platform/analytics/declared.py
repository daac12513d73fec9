"""The tables that Spark computes, declared once: names, columns, types and what each means.

Read by Spark (tables.py), by the load into Snowflake and its DDL (warehouse), by dbt's sources (transformation) and by the
documentation; it loads no PySpark. What belongs here: declarations. What does not: writing (tables.py) and computing
(customers.py, products.py, daily.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecommerce_platform.contracts.model import LOAD_COLUMNS, Column
from ecommerce_platform.contracts.types import Classification, LogicalType

CUSTOMER_METRICS = "customer_metrics"
PRODUCT_ANALYTICS = "product_analytics"
DAILY_BUSINESS_METRICS = "daily_business_metrics"

#: Properties of the tables' snapshots: the as-of day, the number of days known, a digest of what was read, the run.
AS_OF = "ecommerce.as-of"
APPLIED_DAYS = "ecommerce.applied-days"
BASIS = "ecommerce.basis"
RUN_ID = "ecommerce.run-id"
#: Property of a table: the days that were applied when it was last held against all events.
CHECKED_DAYS = "ecommerce.checked-days"

#: Digits of computed money: what no row of a contract exceeds, in one column or as a sum of many.
MONEY_DIGITS = 38


@dataclass(frozen=True)
class AnalyticsTable:
    """One of the three tables: `analytics.<name>` in Iceberg, STAGING.SPARK_<NAME> in Snowflake."""

    name: str
    description: str
    columns: tuple[Column, ...]
    #: A transform in Spark SQL; where the state is kept, the rows of one value are written together.
    partitioned_by: str = ""

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def loaded_columns(self) -> tuple[Column, ...]:
        """The columns in Snowflake: the same, and the load's stamps."""
        return (*self.columns, *LOAD_COLUMNS)


def _count(name: str, description: str) -> Column:
    return Column(name, LogicalType.BIGINT, description)


def _money(name: str, description: str) -> Column:
    return Column(name, LogicalType.DECIMAL, description, precision=MONEY_DIGITS, scale=2)


def _ratio(name: str, description: str) -> Column:
    return Column(name, LogicalType.DECIMAL, description, precision=5, scale=4)


def _personal_text(name: str, description: str) -> Column:
    return Column(name, LogicalType.TEXT, description, classification=Classification.PERSONAL)


def _date(name: str, description: str) -> Column:
    return Column(name, LogicalType.DATE, description)


TABLES: Mapping[str, AnalyticsTable] = {
    table.name: table
    for table in (
        AnalyticsTable(
            CUSTOMER_METRICS,
            "One row a known user: purchases (revenue orders) to date.",
            (
                _count("id", "Key of the user."),
                _personal_text("email", "Latest known address."),
                _personal_text("first_name", "Latest known first name."),
                _personal_text("last_name", "Latest known last name."),
                _count("total_orders", "Purchases."),
                _money("total_spent", "Sum of their amounts."),
                _money("avg_order_value", "total_spent / total_orders; 0 without purchases."),
                _date("first_order_date", "Earliest business date in the span of a purchase."),
                _date("last_order_date", "Latest business date in the span of a purchase."),
                _count("unique_products_purchased", "Distinct products among the items of purchases."),
                _count("total_items_purchased", "Sum of quantity over the items of purchases."),
            ),
        ),
        AnalyticsTable(
            PRODUCT_ANALYTICS,
            "One row for each product and business date in the span on which purchases contain it.",
            (
                _date("date", "Business date of the purchases."),
                _count("product_id", "Key of the product, known or not."),
                _count("units_sold", "Sum of quantity."),
                _money("total_revenue", "Sum of quantity × unit_price."),
                _money("avg_selling_price", "total_revenue / units_sold; 0 when no unit was sold."),
                _count("unique_customers", "Distinct buyers."),
                _count("total_orders", "Distinct purchases."),
            ),
            partitioned_by="months(date)",
        ),
        AnalyticsTable(
            DAILY_BUSINESS_METRICS,
            "One row for each date from the first to the last business date in the span.",
            (
                _date("date", "Business date."),
                _count("new_customers", "Active customers who registered on that date."),
                _count("returning_customers", "The other active customers."),
                _count("total_active_customers", "Distinct customers with an order."),
                _count("total_orders", "Orders of any status."),
                _count("completed_orders", "Shipped or delivered orders."),
                _count("cancelled_orders", "Cancelled orders."),
                _money("avg_order_value", "total_revenue / purchases; 0 without purchases."),
                _money("total_revenue", "Sum of the amounts of purchases."),
                _money("revenue_from_new_customers", "Of customers who registered on that date."),
                _money("revenue_from_returning_customers", "Of all others."),
                _count("total_items_sold", "Sum of quantity over the items of purchases."),
                _count("unique_products_sold", "Distinct products among them."),
                _ratio("customer_acquisition_rate", "new / active customers; 0 without any."),
                _ratio("order_completion_rate", "completed / total orders; 0 without any."),
                _money("average_items_per_order", "total_items_sold / purchases; 0 without any."),
            ),
        ),
    )
}
