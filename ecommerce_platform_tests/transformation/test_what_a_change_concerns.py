"""What a change of a user or a product leaves as it was is not computed again, and what it reaches is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.test_incremental import assert_equals_full_refresh

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

LEFT_OUT = "__debezium_unavailable_value"
SHOP = [
    user(1, 1, "2026-01-01"),
    *(product(key, 10 + key, "2026-01-01") for key in (1, 2, 3)),
    *(order(key, 20 + key, f"2026-01-0{key} 12:00:00") for key in (1, 2, 3)),
    *(item(key, 30 + key, f"2026-01-0{key} 12:00:00", order_id=key, product_id=key) for key in (1, 2, 3)),
    item(4, 40, "2026-01-01 12:00:00", order_id=1, product_id=2),
    item(5, 41, "2026-01-01 12:00:00", order_id=99, product_id=2),
    item(6, 42, "2026-01-01 12:00:00", order_id=99, product_id=2, created_at=None),
]


def computed_since(connection: SnowflakeConnection, table: str, moment: object) -> set[int]:
    rows = fetch_all(connection, f"select id from STAGING.{table} where processed_at > %s", (moment,))
    return {int(key) for (key,) in rows}


def last_computed(connection: SnowflakeConnection) -> object:
    return fetch_all(
        connection,
        "select greatest((select max(processed_at) from STAGING.ORDERS_ENHANCED), "
        "(select max(processed_at) from STAGING.ORDER_ITEMS_ENHANCED))",
    )[0][0]


@pytest.mark.slow
def test_a_change_reaches_the_orders_and_items_that_it_concerns_and_no_others(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-03", SHOP)
    transform()
    before = last_computed(connection)
    changes = [
        user(1, 50, "2026-01-04", "UPDATE", first_name="Augusta", created_at="2026-01-01"),
        product(1, 51, "2026-01-04", "UPDATE", stock_quantity=7, created_at="2026-01-01"),
        product(2, 52, "2026-01-02", "UPDATE", price=Decimal("30.00"), created_at="2026-01-01"),
        product(3, 53, "2026-01-04", "UPDATE", name="Renamed", created_at="2026-01-01"),
    ]
    load_day(connection, "2026-01-04", changes)
    transform()
    # Product 2 costs more since 2 January: item 4 was ordered before, 5 by its own time, too; 6 has no time at all.
    assert computed_since(connection, "ORDER_ITEMS_ENHANCED", before) == {2, 3, 6}
    assert computed_since(connection, "ORDERS_ENHANCED", before) == set()
    assert_equals_full_refresh(connection, transform)

    # A purchase of the user that comes before the others makes them repeat purchases; the order of 1 January stays.
    before = last_computed(connection)
    load_day(connection, "2026-01-05", [order(4, 60, "2026-01-02 08:00:00")])
    transform()
    assert computed_since(connection, "ORDERS_ENHANCED", before) == {2, 3, 4}
    assert_equals_full_refresh(connection, transform)


def with_other_columns(connection: SnowflakeConnection) -> set[tuple[str, int]]:
    rows = fetch_all(
        connection,
        "select entity, id from STAGING.BASE_CHANGED_KEYS where entity in ('products_by_name', 'users_by_registration')",
    )
    return {(str(entity), int(key)) for entity, key in rows}


@pytest.mark.slow
def test_what_happened_to_a_key_before_its_last_applied_event_is_of_no_concern(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-03", SHOP)
    transform()
    came_again = [product(3, 60, "2026-01-04", "DELETE"), product(3, 61, "2026-01-04", name="Came again")]
    elsewhere = user(1, 62, "2026-01-04", "UPDATE", created_at="2026-01-02")
    load_day(connection, "2026-01-04", [*came_again, elsewhere])
    transform()
    assert with_other_columns(connection) == {("products_by_name", 3), ("users_by_registration", 1)}
    of_a_day = [
        product(3, 70, "2026-01-05", "UPDATE", name="Came again", stock_quantity=1, created_at="2026-01-04"),
        user(1, 71, "2026-01-05", "UPDATE", first_name="Augusta", created_at="2026-01-02"),
    ]
    load_day(connection, "2026-01-05", of_a_day)
    transform()
    assert with_other_columns(connection) == set()
    # Replaced by a day that has nothing of it, before the last event.
    load_day(connection, "2026-01-04", [came_again[0]])
    transform()
    assert with_other_columns(connection) == set()
    assert_equals_full_refresh(connection, transform)
    # The last event goes: the delete decides.
    load_day(connection, "2026-01-05", of_a_day[1:])
    transform()
    assert with_other_columns(connection) == {("products_by_name", 3)}
    assert_equals_full_refresh(connection, transform)


@pytest.mark.slow
def test_a_name_that_comes_from_another_key_reaches_what_was_sold_under_the_new_one(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    moved = [product(1, 100, "2026-01-03", "DELETE"), product(7, 100, "2026-01-03", name=LEFT_OUT, category=LEFT_OUT)]
    sold = item(9, 101, "2026-01-03 13:00:00", order_id=3, product_id=7)
    load_day(connection, "2026-01-03", [*SHOP, *moved, sold])
    transform()
    load_day(connection, "2026-01-04", [product(1, 90, "2026-01-02", "UPDATE", name="Late", category="toys")])
    transform()
    names = fetch_all(connection, "select product_name, category from MARTS.PRODUCT_PERFORMANCE where product_id = 7")
    assert names == [("Late", "toys")]
    assert_equals_full_refresh(connection, transform)


@pytest.mark.slow
def test_product_performance_is_written_from_the_first_affected_date_on(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, "2026-01-03", SHOP)
    transform()
    load_day(
        connection, "2026-01-04", [product(1, 51, "2026-01-01 18:00:00", "UPDATE", stock_quantity=7, created_at=None)]
    )
    transform()
    levels = fetch_all(
        connection, "select date, current_stock_level from MARTS.PRODUCT_PERFORMANCE where product_id = 1 order by date"
    )
    assert levels == [(date(2026, 1, 1), 7)]
    assert_equals_full_refresh(connection, transform)
