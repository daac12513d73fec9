"""Business dates outside the span: flagged by key, counted where a table is not by date, and in no row by date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import Event, item, load_day, order, product, user
from ecommerce_platform_tests.transformation.tables import only, read
from ecommerce_platform_tests.transformation.test_incremental import assert_equals_full_refresh

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ORDERS = "STAGING.ORDERS_ENHANCED"
DAILY = "MARTS.DAILY_BUSINESS_METRICS"
TIERS = "MARTS.CUSTOMER_TIER_ANALYTICS"
PERFORMANCE = "MARTS.PRODUCT_PERFORMANCE"
CUSTOMERS = "MARTS.CUSTOMER_ANALYTICS"
FIRST, LAST = date(2016, 1, 1), date(2027, 1, 2)  # of the default span on the as-of day 2 January 2026

SHOP = [
    user(1, 1, "2026-01-01"),
    user(2, 2, "2026-01-01", created_at="0001-01-01"),
    user(3, 3, "2026-01-01", created_at="9999-12-31 23:59:59"),
    product(1, 4, "2026-01-01"),
    order(1, 10, "2026-01-01 10:00:00", user_id=1, total_amount=Decimal("30.00")),
    order(2, 11, "2026-01-02 10:00:00", user_id=1, total_amount=Decimal("50.00")),
    item(1, 20, "2026-01-01 10:00:00", order_id=1),
    item(2, 21, "2026-01-02 10:00:00", order_id=2),
]


def far_orders(*created: str) -> list[Event]:
    """Purchases of user 1 over 1000.00 with one line each, keys from 100 on."""
    events = []
    for position, moment in enumerate(created):
        key, lsn = 100 + position, 100 + 10 * position
        values = {"user_id": 1, "status": "delivered", "total_amount": Decimal("1000.00"), "created_at": moment}
        events.append(order(key, lsn, "2026-01-02", **values))
        events.append(item(key, lsn + 1, "2026-01-02", order_id=key, created_at=moment))
    return events


@pytest.mark.soak
def test_orders_of_year_1_and_year_9999_make_no_row_by_date_and_stop_nothing(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-02", [*SHOP, *far_orders("0001-01-01", "9999-12-31 23:59:59")])
    transform()
    days = [date(2026, 1, 1), date(2026, 1, 2)]
    assert [row["date"] for row in read(connection, DAILY)] == days
    assert {row["date"] for row in read(connection, TIERS)} == set(days)
    assert [(row["date"], row["units_sold"]) for row in read(connection, PERFORMANCE)] == [(day, 2) for day in days]
    assert [row["id"] for row in read(connection, ORDERS) if not row["has_date_in_span"]] == [100, 101]
    # The tests of severity error hold, too: what the marts leave out is left out of what they are held against.
    run_dbt(transformation_settings, DbtRequest(command="test"), "span")


@pytest.mark.soak
def test_a_customer_is_counted_with_all_orders_and_dated_by_those_in_the_span(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-02", [*SHOP, *far_orders("0001-01-01", "9999-12-31 23:59:59")])
    transform()
    customer = only(connection, CUSTOMERS, 1, "customer_id")
    assert (customer["total_orders"], customer["total_spent"]) == (4, Decimal("2080.00"))
    assert customer["avg_order_value"] == Decimal("520.00")
    assert customer["total_items_purchased"] == 8
    assert customer["customer_tier"] == "gold"
    assert (customer["first_order_date"], customer["last_order_date"]) == (date(2026, 1, 1), date(2026, 1, 2))
    assert customer["avg_days_between_orders"] == Decimal("1.0")
    # 80.00 in two days, over 365.
    assert customer["predicted_ltv"] == Decimal("14600.00")
    # By date, the customer spent 30.00 and then 80.00, and is bronze.
    by_tier = {row["customer_tier"]: row for row in read(connection, TIERS) if row["date"] == date(2026, 1, 2)}
    assert by_tier["bronze"]["customer_lifetime_value"] == Decimal("40.00")
    assert [by_tier[tier]["total_customers"] for tier in ("bronze", "gold")] == [2, 0]


@pytest.mark.parametrize("alone", spread(["0001-01-01", "9999-12-31"], everyday=0, slow=1))
def test_a_customer_with_orders_outside_the_span_alone_has_no_dates(
    connection: SnowflakeConnection, transform: Transform, alone: str
) -> None:
    shop = [event for event in SHOP if event.table in ("users", "products")]
    load_day(connection, "2026-01-02", [*shop, *far_orders(alone)])
    transform()
    customer = only(connection, CUSTOMERS, 1, "customer_id")
    assert (customer["total_orders"], customer["total_spent"]) == (1, Decimal("1000.00"))
    assert (customer["first_order_date"], customer["last_order_date"]) == (None, None)
    assert (customer["is_active"], customer["is_at_risk"], customer["predicted_ltv"]) == (False, False, 0)
    for mart in (DAILY, TIERS, PERFORMANCE):
        assert read(connection, mart) == []


@pytest.mark.soak
def test_the_span_has_both_its_ends(connection: SnowflakeConnection, transform: Transform) -> None:
    moments = ("2015-12-31 23:59:59", "2016-01-01", "2027-01-02 23:59:59", "2027-01-03")
    load_day(connection, "2026-01-02", [*SHOP, *far_orders(*moments)])
    transform()
    flags = {row["id"]: row["has_date_in_span"] for row in read(connection, ORDERS) if row["id"] >= 100}
    assert flags == {100: False, 101: True, 102: True, 103: False}
    dates = [row["date"] for row in read(connection, DAILY)]
    assert (dates[0], dates[-1], len(dates)) == (FIRST, LAST, (LAST - FIRST).days + 1)


@pytest.mark.soak
def test_an_order_comes_into_the_span_when_the_as_of_day_reaches_it(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-02", [*SHOP, *far_orders("2027-01-04 12:00:00", "2027-01-09")])
    transform()
    assert read(connection, DAILY)[-1]["date"] == date(2026, 1, 2)
    # A day without an event of the order or of its user moves the end of the span.
    load_day(connection, "2026-01-05", [product(9, 500, "2026-01-05")])
    transform(mark=False, select=("base_landing_days", "base_changed_keys", "base_orders", "stg_orders_enhanced"))
    load_day(connection, "2026-01-06", [product(9, 501, "2026-01-06", "UPDATE")])
    transform()
    assert read(connection, DAILY)[-1]["date"] == date(2027, 1, 4)
    assert only(connection, ORDERS, 100)["has_date_in_span"]
    assert_equals_full_refresh(connection, transform)


@pytest.mark.soak
def test_an_order_that_leaves_the_span_takes_its_rows_along(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-02", [*SHOP, *far_orders("2026-02-01")])
    transform()
    assert read(connection, DAILY)[-1]["date"] == date(2026, 2, 1)
    moved = order(100, 600, "2026-01-03", "UPDATE", total_amount=Decimal("1.00"), created_at="9999-12-31")
    load_day(connection, "2026-01-03", [moved])
    transform()
    assert read(connection, DAILY)[-1]["date"] == date(2026, 1, 2)
    assert_equals_full_refresh(connection, transform)
