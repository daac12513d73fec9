from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from ecommerce_platform.analytics.declared import CUSTOMER_METRICS, DAILY_BUSINESS_METRICS, PRODUCT_ANALYTICS, TABLES
from ecommerce_platform.analytics.figures.customers import calculate_customer_metrics
from ecommerce_platform.analytics.figures.daily import calculate_daily_business_metrics
from ecommerce_platform.analytics.figures.products import calculate_product_analytics
from ecommerce_platform.analytics.figures.purchases import purchased_items, purchases_of
from ecommerce_platform.analytics.figures.purchases import with_business_date as with_business_date_in
from ecommerce_platform_tests.analytics.rows import as_dicts, at, items_frame, orders_frame, users_frame

Frames = tuple[DataFrame, DataFrame, DataFrame]
SPAN = (date(2016, 1, 1), date(2027, 1, 5))


def with_business_date(orders: DataFrame) -> DataFrame:
    return with_business_date_in(orders, *SPAN)


@pytest.fixture
def shop(spark: SparkSession) -> Frames:
    """Two users (1 registered on the 1st, 2 on the 3rd), one with nothing, orders of an unknown and of no user."""
    users = users_frame(
        spark,
        (1, "a@shop.example", "Ada", "A", at(1)),
        (2, "b@shop.example", "Bo", "B", at(3)),
        (3, None, None, None, at(2)),
    )
    orders = with_business_date(
        orders_frame(
            spark,
            (10, 1, "processing", "10.00", at(1)),
            (11, 1, "delivered", "0.03", at(1, 23)),
            (12, 1, "cancelled", "500.00", at(1)),
            (13, 2, "pending", "70.00", at(3)),
            (14, 2, "shipped", "99999999.99", at(3)),
            (15, 99, "shipped", "5.00", at(3)),
            (16, None, "delivered", "1.00", at(3)),
            (17, 1, None, "2.00", at(5)),
            (18, 1, "shipped", None, at(5)),
        )
    )
    items = items_frame(
        spark,
        (1, 10, 100, 2, "2.50"),
        (2, 10, 101, 1, "5.00"),
        (3, 11, 100, 3, "0.01"),
        (4, 12, 102, 9, "9.00"),  # of a cancelled order
        (5, 14, 100, 20_000_000, "99999999.99"),
        (6, 15, 555, 1, "5.00"),  # a product that nobody knows
        (7, 15, None, 4, "1.00"),
        (8, 4711, 100, 1, "1.00"),  # of an order that nobody knows
        (9, 18, 101, 0, "5.00"),
    )
    return users, orders, items


def bought(shop: Frames) -> DataFrame:
    return purchased_items(purchases_of(shop[1]), shop[2])


def test_a_customers_purchases_are_summed_once_for_each_order(shop: Frames) -> None:
    users, orders, items = shop
    without_huge = items.where("id <> 5")
    purchases = purchases_of(orders)
    metrics = calculate_customer_metrics(users, purchases, purchased_items(purchases, without_huge))
    assert metrics.dtypes == [(column.name, column.spark_type) for column in TABLES[CUSTOMER_METRICS].columns]
    one, two, three = as_dicts(metrics, "id")
    assert one == {
        "id": 1,
        "email": "a@shop.example",
        "first_name": "Ada",
        "last_name": "A",
        "total_orders": 3,
        "total_spent": Decimal("10.03"),
        "avg_order_value": Decimal("3.34"),
        "first_order_date": date(2026, 1, 1),
        "last_order_date": date(2026, 1, 5),
        "unique_products_purchased": 2,
        "total_items_purchased": 6,
    }
    assert (two["total_orders"], two["total_spent"], two["total_items_purchased"]) == (1, Decimal("99999999.99"), 0)
    assert (three["total_orders"], three["total_spent"], three["avg_order_value"]) == (
        0,
        Decimal("0.00"),
        Decimal("0.00"),
    )
    assert (three["first_order_date"], three["unique_products_purchased"], three["total_items_purchased"]) == (
        None,
        0,
        0,
    )


def test_a_products_day_counts_purchases_only_and_knows_unknown_products(shop: Frames) -> None:
    analytics = calculate_product_analytics(bought(shop).where("quantity < 1000"))
    assert analytics.dtypes == [(column.name, column.spark_type) for column in TABLES[PRODUCT_ANALYTICS].columns]
    assert [tuple(row.values()) for row in as_dicts(analytics, "date", "product_id")] == [
        (date(2026, 1, 1), 100, 5, Decimal("5.03"), Decimal("1.01"), 1, 2),
        (date(2026, 1, 1), 101, 1, Decimal("5.00"), Decimal("5.00"), 1, 1),
        (date(2026, 1, 3), 555, 1, Decimal("5.00"), Decimal("5.00"), 1, 1),
        (date(2026, 1, 5), 101, 0, Decimal("0.00"), Decimal("0.00"), 1, 1),
    ]


def test_what_is_summed_in_steps_is_the_sum_of_all(spark: SparkSession) -> None:
    """Two buyers who registered that day and one who did not, several orders each, several lines of a product in an order."""
    users = users_frame(spark, *((user, None, None, None, at(1 if user < 3 else 2)) for user in (1, 2, 3)))
    placed = ((10, 1, "1.00"), (11, 1, "2.00"), (12, 2, "4.00"), (13, 2, "8.00"), (14, 3, "16.00"), (15, 3, "32.00"))
    orders = with_business_date(
        orders_frame(
            spark,
            *((order, user, "shipped", amount, at(1)) for order, user, amount in placed),
            *((order, order - 19, "cancelled", "64.00", at(1)) for order in (20, 21)),
        )
    )
    lines = ((10, 1, "1.00"), (10, 2, "1.50"), (11, 4, "2.00"), (12, 8, "0.25"), (12, 16, "0.50"), (14, 32, "0.75"))
    items = items_frame(
        spark, *((at_line, order, 100, quantity, price) for at_line, (order, quantity, price) in enumerate(lines))
    )
    sold = purchased_items(purchases_of(orders), items)

    (product,) = as_dicts(calculate_product_analytics(sold), "date")
    assert tuple(product.values()) == (date(2026, 1, 1), 100, 63, Decimal("46.00"), Decimal("0.73"), 3, 4)
    (day,) = as_dicts(calculate_daily_business_metrics(users, orders, sold), "date")
    counted = ("total_orders", "completed_orders", "cancelled_orders", "total_active_customers", "new_customers")
    assert [day[name] for name in (*counted, "total_items_sold")] == [8, 6, 2, 3, 2, 63]
    assert (day["total_revenue"], day["revenue_from_new_customers"]) == (Decimal("63.00"), Decimal("15.00"))
    assert day["avg_order_value"] == Decimal("10.50")


def test_revenue_beyond_a_sum_of_ten_digits_is_exact(shop: Frames) -> None:
    (row,) = as_dicts(calculate_product_analytics(bought(shop).where("quantity = 20000000")), "date")
    assert row["total_revenue"] == Decimal("1999999999800000.00")
    assert row["avg_selling_price"] == Decimal("99999999.99")


def test_a_mistyped_quantity_does_not_stop_a_day(shop: Frames) -> None:
    users, orders, _ = shop
    days = as_dicts(calculate_daily_business_metrics(users, orders, bought(shop)), "date")
    assert max(day["average_items_per_order"] for day in days) >= 1000


def test_a_day_counts_all_orders_and_sums_purchases(shop: Frames) -> None:
    users, orders, _ = shop
    metrics = calculate_daily_business_metrics(users, orders, bought(shop).where("quantity < 1000"))
    assert metrics.dtypes == [(column.name, column.spark_type) for column in TABLES[DAILY_BUSINESS_METRICS].columns]
    first, second, third, fourth, fifth = as_dicts(metrics, "date")
    assert first == {
        "date": date(2026, 1, 1),
        "new_customers": 1,
        "returning_customers": 0,
        "total_active_customers": 1,
        "total_orders": 3,
        "completed_orders": 1,
        "cancelled_orders": 1,
        "avg_order_value": Decimal("5.02"),
        "total_revenue": Decimal("10.03"),
        "revenue_from_new_customers": Decimal("10.03"),
        "revenue_from_returning_customers": Decimal("0.00"),
        "total_items_sold": 6,
        "unique_products_sold": 2,
        "customer_acquisition_rate": Decimal("1.0000"),
        "order_completion_rate": Decimal("0.3333"),
        "average_items_per_order": Decimal("3.00"),
    }
    for empty in (second, fourth):
        assert {value for name, value in empty.items() if name != "date"} == {0}
    # User 2 is new, the unknown user counts as returning, and no user is not a customer, but their orders and revenue count.
    assert (third["new_customers"], third["returning_customers"], third["total_active_customers"]) == (1, 1, 2)
    assert (third["total_orders"], third["completed_orders"]) == (4, 3)
    assert third["revenue_from_new_customers"] == Decimal("99999999.99")
    assert third["revenue_from_returning_customers"] == Decimal("6.00")
    assert (third["total_items_sold"], third["unique_products_sold"]) == (5, 1)
    assert third["average_items_per_order"] == Decimal("1.67")
    # An order without a status is an order, and no purchase; one without an amount is a purchase of nothing.
    assert (fifth["total_orders"], fifth["total_revenue"], fifth["avg_order_value"]) == (
        2,
        Decimal("0.00"),
        Decimal("0.00"),
    )
    assert (fifth["new_customers"], fifth["returning_customers"]) == (0, 1)


def test_a_shop_without_orders_has_customers_and_no_days(spark: SparkSession) -> None:
    users = users_frame(spark, (1, "a@shop.example", "Ada", "A", at(1)))
    orders = with_business_date(orders_frame(spark))
    items = purchased_items(purchases_of(orders), items_frame(spark))
    assert len(as_dicts(calculate_customer_metrics(users, purchases_of(orders), items), "id")) == 1
    assert as_dicts(calculate_product_analytics(items), "date") == []
    assert as_dicts(calculate_daily_business_metrics(users, orders, items), "date") == []


def test_orders_outside_the_span_are_counted_and_have_no_row_by_date(spark: SparkSession) -> None:
    users = users_frame(spark, (1, "a@shop.example", "Ada", "A", at(1)))
    moments = ((1, 1, 1), (2015, 12, 31), (2016, 1, 1), (2027, 1, 5), (2027, 1, 6), (9999, 12, 31))
    orders = with_business_date(
        orders_frame(
            spark,
            *((key, 1, "shipped", "10.00", datetime(*ymd, 23, tzinfo=UTC)) for key, ymd in enumerate(moments, start=1)),
        )
    )
    items = purchased_items(
        purchases_of(orders), items_frame(spark, *((key, key, 100, 1, "10.00") for key in range(1, 7)))
    )
    (customer,) = as_dicts(calculate_customer_metrics(users, purchases_of(orders), items), "id")
    assert (customer["total_orders"], customer["total_spent"]) == (6, Decimal("60.00"))
    assert (customer["total_items_purchased"], customer["unique_products_purchased"]) == (6, 1)
    assert (customer["first_order_date"], customer["last_order_date"]) == SPAN
    assert [row["date"] for row in as_dicts(calculate_product_analytics(items), "date")] == list(SPAN)
    daily = as_dicts(calculate_daily_business_metrics(users, orders, items), "date")
    assert (daily[0]["date"], daily[-1]["date"], len(daily)) == (*SPAN, (SPAN[1] - SPAN[0]).days + 1)
    assert sum(row["total_orders"] for row in daily) == 2
    assert sum(row["total_items_sold"] for row in daily) == 2
