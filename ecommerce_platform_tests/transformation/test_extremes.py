"""No row that a contract accepts is too wide for a model, in dbt or in Spark, and both compute the same of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.analytics.figures.customers import calculate_customer_metrics
from ecommerce_platform.analytics.figures.daily import calculate_daily_business_metrics
from ecommerce_platform.analytics.figures.products import calculate_product_analytics
from ecommerce_platform.analytics.figures.purchases import purchased_items, purchases_of
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.results.agreement import COMPARISONS
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.transformation.extremes import (
    DAY,
    Shop,
    all_at_once,
    each_alone,
    sale_and_return,
)
from ecommerce_platform_tests.transformation.history import built
from ecommerce_platform_tests.transformation.tables import Row, read

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from snowflake.connector import SnowflakeConnection

SHOPS = {shop.__name__: shop for shop in (sale_and_return, each_alone, all_at_once)}
CENT = Decimal("0.01")


@pytest.fixture(scope="module", params=spread(SHOPS, everyday=0, slow=1))
def computed(
    request: pytest.FixtureRequest, transformation_settings: Settings
) -> Iterator[tuple[Shop, SnowflakeConnection]]:
    shop = SHOPS[request.param]()
    with built(transformation_settings, {str(DAY): shop.events()}) as opened:
        yield shop, opened


def by_spark(spark: SparkSession, shop: Shop) -> dict[str, DataFrame]:
    users, orders, lines = shop.frames(spark)
    purchases = purchases_of(orders)
    items = purchased_items(purchases, lines)
    return {
        "customer_metrics": calculate_customer_metrics(users, purchases, items),
        "product_analytics": calculate_product_analytics(items),
        "daily_business_metrics": calculate_daily_business_metrics(users, orders, items),
    }


def as_tuples(rows: list[Row], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(row[name]) for name in names) for row in rows)


def test_both_engines_take_every_row_and_compute_the_same(
    spark: SparkSession, computed: tuple[Shop, SnowflakeConnection]
) -> None:
    shop, connection = computed
    frames = by_spark(spark, shop)
    for comparison in COMPARISONS:
        frame, table = frames[comparison.spark_name], TABLES[comparison.spark_name]
        assert frame.dtypes == [(column.name, column.spark_type) for column in table.columns]
        rows = as_tuples([row.asDict() for row in frame.collect()], table.column_names)
        assert rows, comparison.spark_name
        assert rows == as_tuples(read(connection, comparison.relation), table.column_names), comparison.spark_name


def test_what_they_compute_is_what_exact_arithmetic_gives(computed: tuple[Shop, SnowflakeConnection]) -> None:
    shop, connection = computed
    lines = {row["id"]: row["line_total"] for row in read(connection, "STAGING.ORDER_ITEMS_ENHANCED")}
    assert lines == {
        key: None if quantity is None or price is None else quantity * price
        for key, _, _, quantity, price in shop.lines
    }
    rows = read(connection, "MARTS.PRODUCT_PERFORMANCE")
    assert len(rows) == len({sold for _, _, sold, _, _ in shop.lines})
    for row in rows:
        of_product = [line for line in shop.lines if line[2] == row["product_id"]]
        units = sum(quantity or 0 for _, _, _, quantity, _ in of_product)
        revenue = sum((lines[line[0]] or Decimal("0.00") for line in of_product), Decimal("0.00"))
        with localcontext() as context:
            context.prec = 60
            mean = (revenue / units).quantize(CENT, ROUND_HALF_UP) if units else Decimal(0)
        assert (row["units_sold"], row["total_revenue"], row["avg_selling_price"]) == (units, revenue, mean)
    total = sum(amount or 0 for _, _, amount, _ in shop.orders)
    for table in ("MARTS.DAILY_BUSINESS_METRICS", "MARTS.CUSTOMER_TIER_ANALYTICS"):
        assert sum(row["total_revenue"] for row in read(connection, table)) == total, table


def test_what_customers_are_worth_a_year_is_not_too_wide(computed: tuple[Shop, SnowflakeConnection]) -> None:
    shop, connection = computed
    rows = read(connection, "MARTS.CUSTOMER_ANALYTICS")
    assert len(rows) == len(shop.buyers)
    for row in rows:
        bought = [(amount or Decimal(0), day) for _, buyer, amount, day in shop.orders if buyer == row["customer_id"]]
        spent = sum(amount for amount, _ in bought)
        days = (DAY - min(day for _, day in bought)).days + 1
        assert row["total_spent"] == spent
        assert row["predicted_ltv"] == (spent * 365 / days).quantize(CENT, ROUND_HALF_UP)


def test_discounts_and_margins_of_the_widest_lines(computed: tuple[Shop, SnowflakeConnection]) -> None:
    shop, connection = computed
    rows = {row["id"]: row for row in read(connection, "STAGING.ORDER_ITEMS_ENHANCED")}
    for key, _, sold, quantity, price in shop.lines:
        listed = shop.catalog.get(sold or 0)
        expected = None, None
        if listed is not None and quantity is not None and price is not None:
            margin = quantity * price - quantity * listed * Decimal("0.6")
            expected = (listed - price) * quantity, margin.quantize(CENT, ROUND_HALF_UP)
        assert (rows[key]["discount_amount"], rows[key]["margin_amount"]) == expected


def test_a_unit_that_is_left_has_the_price_of_all(spark: SparkSession) -> None:
    (row,) = by_spark(spark, sale_and_return())["product_analytics"].collect()
    assert (row["units_sold"], row["total_revenue"]) == (1, Decimal("118740619.99"))
    assert row["avg_selling_price"] == Decimal("118740619.99")
