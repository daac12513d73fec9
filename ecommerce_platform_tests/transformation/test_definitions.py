"""Hand-checked values of docs/definitions.md, on one small history that is built once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.transformation.history import built
from ecommerce_platform_tests.transformation.raw_events import item, order, product, user
from ecommerce_platform_tests.transformation.tables import Row, only, read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

PLACEHOLDER = "__debezium_unavailable_value"
USERS = "STAGING.USERS_ENHANCED"
PRODUCTS = "STAGING.PRODUCTS_ENHANCED"
ORDERS = "STAGING.ORDERS_ENHANCED"
ITEMS = "STAGING.ORDER_ITEMS_ENHANCED"
DAILY = "MARTS.DAILY_BUSINESS_METRICS"
TIERS = "MARTS.CUSTOMER_TIER_ANALYTICS"
PERFORMANCE = "MARTS.PRODUCT_PERFORMANCE"
CUSTOMERS = "MARTS.CUSTOMER_ANALYTICS"

FIRST_DAY = [
    user(1, 1, "2026-01-01", created_at="2026-01-01 08:00:00", first_name="  Ada ", last_name=" Lovelace"),
    user(2, 2, "2026-01-01", created_at="2025-06-01", email="no address", first_name=" ", last_name="Hopper"),
    user(3, 3, "2026-01-01", created_at="2025-12-31", email=None),
    user(4, 4, "2026-01-01"),
    product(1, 5, "2026-01-01 00:00:00", price=Decimal("24.99"), stock_quantity=90, name="Hammer"),
    product(2, 6, "2026-01-01 00:00:00", price=Decimal("25.00"), stock_quantity=0, description=" "),
    product(3, 7, "2026-01-01 00:00:00", price=Decimal("100.00"), stock_quantity=None, category="toys"),
    # User 2 spends 499.99 + 0.01 = 500.00: silver from that day on.
    order(1, 10, "2025-12-30 09:00:00", user_id=2, status="delivered", total_amount=Decimal("499.99")),
    order(2, 11, "2026-01-01 09:00:00", user_id=2, status="processing", total_amount=Decimal("0.01")),
    order(3, 12, "2026-01-01 10:00:00", user_id=1, status="shipped", total_amount=Decimal("50.00")),
    order(4, 13, "2026-01-01 11:00:00", user_id=1, status="cancelled", total_amount=Decimal("200.00")),
    order(5, 14, "2026-01-01 12:00:00", user_id=99, status="processing", total_amount=Decimal("10.01")),
    order(6, 15, "2026-01-01 13:00:00", user_id=None, status="processing", total_amount=Decimal("10.00")),
    order(7, 16, "2026-01-01 14:00:00", user_id=1, status="lost", total_amount=Decimal("-1.00"), shipping_address=" "),
    item(1, 20, "2025-12-30 09:00:00", order_id=1, product_id=1, quantity=3, unit_price=Decimal("20.00")),
    item(2, 21, "2026-01-01 09:00:00", order_id=2, product_id=1, quantity=2, unit_price=Decimal("24.99")),
    item(3, 22, "2026-01-01 10:00:00", order_id=3, product_id=2, quantity=2, unit_price=Decimal("24.99")),
    item(4, 23, "2026-01-01 10:00:00", order_id=3, product_id=77, quantity=1, unit_price=Decimal("5.00")),
    item(5, 24, "2026-01-01 11:00:00", order_id=4, product_id=3, quantity=9, unit_price=Decimal("9.00")),
    item(6, 25, "2026-01-01 12:00:00", order_id=5, product_id=1, quantity=1, unit_price=Decimal("24.99")),
]

SECOND_DAY = [
    # The name is unchanged, the price rises, the stock falls; all of it on 3 January.
    product(1, 30, "2026-01-03 12:00:00", "UPDATE", name=PLACEHOLDER, price=Decimal("30.00"), stock_quantity=80),
    user(4, 31, "2026-01-03", "DELETE"),
    # A tie on the LSN: the later sight wins.
    user(3, 32, "2026-01-03", "UPDATE", created_at="2025-12-31", email="old@example.com"),
    user(3, 32, "2026-01-03 00:00:01", "UPDATE", created_at="2025-12-31", email="new@example.com"),
    # Delivered on 4 January; a later touch of the row is not a second delivery.
    order(3, 33, "2026-01-04 18:00:00", "UPDATE", user_id=1, status="delivered", total_amount=Decimal("50.00"),
          created_at="2026-01-01 10:00:00"),
    order(3, 34, "2026-01-06 18:00:00", "UPDATE", user_id=1, status="delivered", total_amount=Decimal("50.00"),
          created_at="2026-01-01 10:00:00", shipping_address=PLACEHOLDER),
    order(8, 35, "2026-01-03 13:00:00", user_id=2, status="processing", total_amount=Decimal("25.05")),
    order(9, 36, "2026-01-03 13:00:00", user_id=1, status="pending", total_amount=None),
    item(7, 37, "2026-01-03 13:00:00", order_id=8, product_id=1, quantity=1, unit_price=Decimal("27.50")),
    item(8, 38, "2026-01-03 13:00:00", order_id=404, product_id=1, quantity=1, unit_price=Decimal("1.00"),
         created_at="2026-01-03 11:00:00"),
]  # fmt: skip


DAYS = {"2026-01-01": FIRST_DAY, "2026-01-04": SECOND_DAY}


@pytest.fixture(scope="module")
def warehouse(transformation_settings: Settings) -> Iterator[SnowflakeConnection]:
    """The history, built from nothing: two landing days, the second the as-of day."""
    with built(transformation_settings, DAYS) as opened:
        yield opened


def test_names_are_trimmed_and_blank_parts_left_out(warehouse: SnowflakeConnection) -> None:
    assert only(warehouse, USERS, 1)["full_name"] == "Ada Lovelace"
    assert only(warehouse, USERS, 2)["full_name"] == "Hopper"


def test_emails_and_profiles_are_flagged(warehouse: SnowflakeConnection) -> None:
    flags = {row["id"]: (row["is_valid_email"], row["is_complete_profile"]) for row in read(warehouse, USERS)}
    assert flags == {1: (True, True), 2: (False, False), 3: (True, True)}


def test_a_tie_on_the_lsn_goes_to_the_event_seen_later(warehouse: SnowflakeConnection) -> None:
    assert only(warehouse, USERS, 3)["email"] == "new@example.com"


def test_a_tier_begins_at_its_threshold(warehouse: SnowflakeConnection) -> None:
    assert {row["id"]: row["customer_tier"] for row in read(warehouse, USERS)} == {
        1: "bronze",
        2: "silver",
        3: "bronze",
    }


def test_days_count_up_to_the_highest_landing_day(warehouse: SnowflakeConnection) -> None:
    assert only(warehouse, USERS, 1)["days_since_registration"] == 3


def test_price_tiers_begin_at_their_thresholds(warehouse: SnowflakeConnection) -> None:
    assert {row["id"]: row["price_tier"] for row in read(warehouse, PRODUCTS)} == {
        1: "mid-range",
        2: "mid-range",
        3: "premium",
    }


def test_an_unchanged_text_is_carried_forward(warehouse: SnowflakeConnection) -> None:
    assert only(warehouse, PRODUCTS, 1)["name"] == "Hammer"
    assert only(warehouse, ORDERS, 3)["shipping_address"] == "1 Road"


def test_stock_and_completeness_of_products(warehouse: SnowflakeConnection) -> None:
    flags = {row["id"]: (row["is_in_stock"], row["has_complete_info"]) for row in read(warehouse, PRODUCTS)}
    assert flags == {1: (True, True), 2: (False, False), 3: (False, False)}


def test_of_three_products_only_a_top_fifth_could_be_popular(warehouse: SnowflakeConnection) -> None:
    # The first rank of three is the top 33 %, not within 20 %.
    assert [row["is_popular"] for row in read(warehouse, PRODUCTS)] == [False, False, False]


def test_sizes_validity_and_addresses_of_orders(warehouse: SnowflakeConnection) -> None:
    rows = {row["id"]: row for row in read(warehouse, ORDERS)}
    sizes = {key: row["order_size_category"] for key, row in rows.items()}
    assert (sizes[2], sizes[3], sizes[4], sizes[9]) == ("small", "medium", "large", None)
    assert {key for key, row in rows.items() if not row["is_valid_order"]} == {5, 6, 7, 9}
    assert {key for key, row in rows.items() if not row["has_shipping_address"]} == {7}


def test_fulfilment_ends_with_the_first_delivery(warehouse: SnowflakeConnection) -> None:
    days = {row["id"]: row["days_to_fulfillment"] for row in read(warehouse, ORDERS)}
    assert days[3] == 3
    assert days[1] == 0
    assert days[2] is None


def test_repeat_customers_have_an_earlier_purchase(warehouse: SnowflakeConnection) -> None:
    repeats = {row["id"] for row in read(warehouse, ORDERS) if row["is_repeat_customer"]}
    # 2 and 8 follow order 1; 4, 7 and 9 follow order 3, whatever their own status. Nobody's orders have no history.
    assert repeats == {2, 4, 7, 8, 9}


def test_the_catalog_price_is_that_of_the_moment(warehouse: SnowflakeConnection) -> None:
    rows = {row["id"]: row for row in read(warehouse, ITEMS)}
    # Before the first known price: the first. (24.99 - 20.00) * 3, and 60 - 3 * 24.99 * 0.6 = 15.018.
    assert (rows[1]["discount_amount"], rows[1]["margin_amount"]) == (Decimal("14.97"), Decimal("15.02"))
    # After the rise: (30.00 - 27.50) * 1, and 27.50 - 18.00.
    assert (rows[7]["discount_amount"], rows[7]["margin_amount"]) == (Decimal("2.50"), Decimal("9.50"))
    # Without an order, the item's own time, before the rise: (24.99 - 1.00).
    assert rows[8]["discount_amount"] == Decimal("23.99")
    assert (rows[4]["product_name"], rows[4]["discount_amount"], rows[4]["margin_amount"]) == (None, None, None)
    assert rows[3]["line_total"] == Decimal("49.98")


def _by_date(rows: list[Row]) -> dict[str, Row]:
    return {str(row["date"]): row for row in rows}


def test_every_date_between_the_first_and_the_last_order_has_a_row(warehouse: SnowflakeConnection) -> None:
    days = _by_date(read(warehouse, DAILY))
    assert list(days) == ["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03"]
    assert {value for name, value in days["2026-01-02"].items() if name != "date"} == {0}


def test_a_day_of_business(warehouse: SnowflakeConnection) -> None:
    day = _by_date(read(warehouse, DAILY))["2026-01-01"]
    day.pop("date")
    assert day == {
        "new_customers": 1,
        "returning_customers": 2,
        "total_active_customers": 3,
        "total_orders": 6,
        "completed_orders": 1,
        "cancelled_orders": 1,
        "avg_order_value": Decimal("17.51"),  # 70.02 / 4 = 17.505
        "total_revenue": Decimal("70.02"),
        "revenue_from_new_customers": Decimal("50.00"),
        "revenue_from_returning_customers": Decimal("20.02"),
        "total_items_sold": 6,
        "unique_products_sold": 3,
        "customer_acquisition_rate": Decimal("0.3333"),
        "order_completion_rate": Decimal("0.1667"),
        "average_items_per_order": Decimal("1.50"),
    }


def test_tiers_are_those_of_the_end_of_each_day(warehouse: SnowflakeConnection) -> None:
    rows = {(str(row["date"]), row["customer_tier"]): row for row in read(warehouse, TIERS)}
    assert len(rows) == 5 * 4
    before, after = rows["2025-12-30", "bronze"], rows["2026-01-01", "bronze"]
    # User 2 (499.99 spent) is bronze until the cent of 1 January; user 3 registered on 31 December, user 1 on 1 January.
    assert (before["total_customers"], before["active_customers"], before["total_orders"]) == (1, 1, 1)
    assert (before["total_revenue"], before["customer_lifetime_value"]) == (Decimal("499.99"), Decimal("499.99"))
    assert (rows["2025-12-31", "bronze"]["total_customers"], rows["2025-12-31", "bronze"]["new_customers"]) == (2, 1)
    assert (after["total_customers"], after["new_customers"], after["active_customers"]) == (2, 1, 1)
    assert after["customer_lifetime_value"] == Decimal("25.00")
    silver = rows["2026-01-01", "silver"]
    assert (silver["total_customers"], silver["repeat_purchase_rate"]) == (1, Decimal("1.0000"))
    assert (silver["total_revenue"], silver["avg_days_between_orders"]) == (Decimal("0.01"), Decimal("2.0"))
    assert after["avg_days_between_orders"] is None
    assert rows["2026-01-02", "silver"]["avg_order_value"] == 0


def test_products_by_day_rank_within_their_category(warehouse: SnowflakeConnection) -> None:
    rows = {(str(row["date"]), row["product_id"]): row for row in read(warehouse, PERFORMANCE)}
    assert sorted(rows) == [
        ("2025-12-30", 1),
        ("2026-01-01", 1),
        ("2026-01-01", 2),
        ("2026-01-01", 77),
        ("2026-01-03", 1),
    ]
    first, second, unknown = rows["2026-01-01", 1], rows["2026-01-01", 2], rows["2026-01-01", 77]
    assert (first["units_sold"], first["total_revenue"], first["avg_selling_price"]) == (
        3,
        Decimal("74.97"),
        Decimal("24.99"),
    )
    assert (first["revenue_rank_in_category"], second["revenue_rank_in_category"]) == (1, 2)
    assert (first["is_top_performer"], second["is_top_performer"]) == (True, False)
    # Without a name and a category it is first in a category of its own.
    assert (unknown["category"], unknown["is_top_performer"], unknown["current_stock_level"]) == (None, True, None)


def test_repeat_buyers_of_a_product_bought_it_on_an_earlier_date(warehouse: SnowflakeConnection) -> None:
    rows = {(str(row["date"]), row["product_id"]): row for row in read(warehouse, PERFORMANCE)}
    counts = {
        day: (rows[day, 1]["unique_customers"], rows[day, 1]["repeat_customers"])
        for day in ("2025-12-30", "2026-01-01", "2026-01-03")
    }
    assert counts == {"2025-12-30": (1, 0), "2026-01-01": (2, 1), "2026-01-03": (1, 1)}


def test_stock_is_that_of_the_end_of_the_day(warehouse: SnowflakeConnection) -> None:
    rows = {(str(row["date"]), row["product_id"]): row for row in read(warehouse, PERFORMANCE)}
    stock = {
        day: (rows[day, 1]["current_stock_level"], rows[day, 1]["days_of_inventory_remaining"])
        for day in ("2025-12-30", "2026-01-01", "2026-01-03")
    }
    # 90 * 30 / (3 + 3) = 450 and 80 * 30 / 7 = 342.86; before the history began nothing is known.
    assert stock == {"2025-12-30": (None, None), "2026-01-01": (90, 450), "2026-01-03": (80, 343)}


def test_what_a_customer_is_to_the_shop(warehouse: SnowflakeConnection) -> None:
    customer = only(warehouse, CUSTOMERS, 2, column="customer_id")
    assert (customer["total_orders"], customer["total_spent"]) == (3, Decimal("525.05"))
    assert customer["avg_order_value"] == Decimal("175.02")  # 175.01666…
    assert customer["avg_days_between_orders"] == Decimal("2.0")
    assert (customer["favorite_category"], customer["total_items_purchased"]) == ("tools", 6)
    assert (customer["is_active"], customer["is_at_risk"]) == (True, False)
    # Six days from 30 December to 4 January: 525.05 / 6 * 365 = 31940.5416…
    assert customer["predicted_ltv"] == Decimal("31940.54")


def test_a_customer_without_purchases_has_zeros(warehouse: SnowflakeConnection) -> None:
    customer = only(warehouse, CUSTOMERS, 3, column="customer_id")
    assert (customer["total_orders"], customer["total_spent"], customer["predicted_ltv"]) == (0, 0, 0)
    assert (customer["first_order_date"], customer["favorite_category"], customer["avg_days_between_orders"]) == (
        None,
        None,
        None,
    )
    assert (customer["is_active"], customer["is_at_risk"], customer["customer_tier"]) == (False, False, "bronze")
