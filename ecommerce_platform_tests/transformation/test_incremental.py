"""Incremental equals full refresh, row for row, whatever the order in which days are applied."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import item, load_day, load_table_day, order, product, user
from ecommerce_platform_tests.transformation.tables import Row, count, read, read_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

DAY = "2026-01-0{}"
SNAPSHOT_CHANGES = """
    select table_name, date, __source_file, __source_row, id, differs_in
    from STAGING.BASE_SNAPSHOT_CHANGES
    order by 1, 2, 3, 4
"""


def assert_equals_full_refresh(connection: SnowflakeConnection, transform: Transform) -> dict[str, list[Row]]:
    incremental, disagreeing = read_all(connection), fetch_all(connection, SNAPSHOT_CHANGES)
    transform(full_refresh=True)
    full = read_all(connection)
    assert fetch_all(connection, SNAPSHOT_CHANGES) == disagreeing
    for table, rows in full.items():
        assert incremental[table] == rows, table
    return full


@pytest.mark.slow
def test_days_in_shuffled_order_twice_and_with_late_files_equal_a_full_refresh(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    shop = RandomShop(seed=7)
    days = shop.days
    others = [*days[1:], days[2]]
    random.Random(5).shuffle(others)
    order_of_days = [others[0], days[0], *others[1:]]
    for day in order_of_days:
        load_day(connection, day, shop.events(day))
        transform()
    late = shop.with_late_file(days[1])
    load_day(connection, days[1], late)
    transform()
    shrunk = shop.events(days[2])[::2]
    load_day(connection, days[2], shrunk)
    transform()
    assert fetch_all(connection, SNAPSHOT_CHANGES) != [], "no snapshot row of this shop disagrees"
    assert_equals_full_refresh(connection, transform)
    assert count(connection, "RAW.SUPERSEDED_ORDERS") == 0


@pytest.mark.parametrize("seed", spread(range(20, 26), everyday=0, slow=1))
def test_users_and_products_that_mostly_stay_as_they_are_equal_a_full_refresh(
    connection: SnowflakeConnection, transform: Transform, seed: int
) -> None:
    shop = RandomShop(seed, days=4, settled=True)
    for day in shop.days:
        load_day(connection, day, shop.events(day))
        transform()
    load_day(connection, shop.days[1], shop.with_late_file(shop.days[1]))
    transform(mark=False, select=("tag:staging",))
    load_day(connection, shop.days[1], shop.events(shop.days[1])[::2])
    transform()
    assert_equals_full_refresh(connection, transform)


@pytest.mark.soak
def test_a_run_that_broke_off_between_models_is_mended_by_the_next(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    shop = RandomShop(seed=11)
    first, second, *others = shop.days
    load_day(connection, first, shop.events(first))
    transform()
    load_day(connection, second, shop.events(second))
    for broken_off_after in (("base_landing_days", "base_changed_keys", "base_orders"), ("tag:staging",)):
        transform(mark=False, select=broken_off_after)
        # While it lay broken, the day was loaded again with fewer events.
        load_day(connection, second, shop.events(second)[:-6])
    transform(mark=False)
    load_day(connection, second, shop.events(second)[3:])
    transform()
    for day in others:
        load_day(connection, day, shop.events(day))
    transform()
    assert_equals_full_refresh(connection, transform)


@pytest.mark.soak
def test_building_one_mart_alone_marks_nothing_and_breaks_nothing(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    shop = RandomShop(seed=13)
    first, second, *_ = shop.days
    load_day(connection, first, shop.events(first))
    transform()
    load_day(connection, second, shop.events(second))
    transform(mark=False, select=("mart_daily_business_metrics",))
    transform()
    assert_equals_full_refresh(connection, transform)


@pytest.mark.slow
def test_a_day_that_lacks_a_table_is_not_applied(connection: SnowflakeConnection, transform: Transform) -> None:
    load_day(connection, DAY.format(1), [user(1, 1, "2026-01-01"), product(1, 2, "2026-01-01")])
    transform()
    load_table_day(connection, "orders", DAY.format(2), [order(1, 3, "2026-01-02")])
    transform()
    assert read(connection, "STAGING.ORDERS_ENHANCED") == []
    for table in ("users", "products", "order_items"):
        load_table_day(connection, table, DAY.format(2), [])
    transform()
    assert [row["id"] for row in read(connection, "STAGING.ORDERS_ENHANCED")] == [1]


@pytest.mark.soak
def test_an_order_that_moves_to_another_date_leaves_no_trace_on_the_old_one(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(
        connection,
        DAY.format(1),
        [user(1, 1, "2026-01-01"), order(1, 2, "2026-01-01"), order(2, 3, "2026-01-03"), item(1, 4, "2026-01-01")],
    )
    transform()
    load_day(connection, DAY.format(2), [order(1, 5, "2026-01-02", op="UPDATE", created_at="2026-01-02 12:00:00")])
    transform()
    metrics = read(connection, "MARTS.DAILY_BUSINESS_METRICS")
    assert [(str(row["date"]), row["total_orders"]) for row in metrics] == [("2026-01-02", 1), ("2026-01-03", 1)]
    assert_equals_full_refresh(connection, transform)


@pytest.mark.slow
def test_a_replaced_load_takes_the_keys_with_it_that_only_it_had(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(
        connection, DAY.format(1), [user(1, 1, "2026-01-01"), order(1, 2, "2026-01-01"), order(2, 3, "2026-01-05")]
    )
    transform()
    load_day(connection, DAY.format(1), [user(1, 1, "2026-01-01"), order(1, 2, "2026-01-01")])
    transform()
    assert [row["id"] for row in read(connection, "STAGING.ORDERS_ENHANCED")] == [1]
    assert [str(row["date"]) for row in read(connection, "MARTS.DAILY_BUSINESS_METRICS")] == ["2026-01-01"]
    assert_equals_full_refresh(connection, transform)


def test_nothing_new_changes_nothing(connection: SnowflakeConnection, transform: Transform) -> None:
    load_day(
        connection, DAY.format(1), [user(1, 1, "2026-01-01"), order(1, 2, "2026-01-01", total_amount=Decimal("9.99"))]
    )
    transform()
    before = read_all(connection)
    transform()
    assert read_all(connection) == before


def test_a_change_reaches_every_row_that_depends_on_it(connection: SnowflakeConnection, transform: Transform) -> None:
    load_day(
        connection,
        DAY.format(1),
        [
            *(user(key, key, "2026-01-01") for key in (1, 2, 3)),
            *(product(key, 10 + key, "2026-01-01") for key in (1, 2)),
            order(1, 20, "2026-01-01 08:00:00"),
            order(2, 21, "2026-01-02 08:00:00"),
            order(3, 22, "2026-01-02 09:00:00", user_id=2),
            order(4, 23, "2026-01-03 09:00:00", user_id=3),
            *(item(key, 30 + key, "2026-01-01", order_id=key, product_id=1) for key in (1, 2, 3, 4)),
            item(5, 40, "2026-01-01", order_id=4, product_id=2),
        ],
    )
    transform()
    load_day(
        connection,
        DAY.format(2),
        [
            # The first purchase of user 1 no longer counts: order 2 is not a repeat purchase, and 1 January has no sale.
            order(1, 50, "2026-01-04", "UPDATE", status="cancelled", created_at="2026-01-01 08:00:00"),
            # User 2 registered on another date, product 2 has another name, a line of order 4 went to order 3.
            user(2, 51, "2026-01-04", "UPDATE", created_at="2026-01-02"),
            product(2, 52, "2026-01-04", "UPDATE", name="Renamed", created_at="2026-01-01"),
            item(4, 53, "2026-01-04", "UPDATE", order_id=3, product_id=1, created_at="2026-01-01"),
        ],
    )
    transform()
    orders = {row["id"]: row for row in read(connection, "STAGING.ORDERS_ENHANCED")}
    assert orders[2]["is_repeat_customer"] is False
    items = {row["id"]: row for row in read(connection, "STAGING.ORDER_ITEMS_ENHANCED")}
    assert items[5]["product_name"] == "Renamed"
    folded = {
        row["order_id"]: (row["item_count"], row["is_new_customer"])
        for row in read(connection, "INTERMEDIATE.INT_ORDER_ANALYTICS")
    }
    assert (folded[3], folded[4]) == ((2, True), (1, False))
    customers = {
        row["id"]: row["total_items_purchased"] for row in read(connection, "INTERMEDIATE.INT_CUSTOMER_METRICS")
    }
    assert customers == {1: 2, 2: 4, 3: 2}
    sold = {
        (str(row["date"]), row["product_id"]): row["units_sold"]
        for row in read(connection, "INTERMEDIATE.INT_PRODUCT_ANALYTICS")
    }
    assert sold == {("2026-01-02", 1): 6, ("2026-01-03", 2): 2}
    new = {str(row["date"]): row["new_customers"] for row in read(connection, "MARTS.DAILY_BUSINESS_METRICS")}
    assert new == {"2026-01-01": 1, "2026-01-02": 1, "2026-01-03": 0}
    assert_equals_full_refresh(connection, transform)


@pytest.mark.slow
def test_a_mistyped_quantity_and_a_thousand_orders_of_one_customer_stop_no_mart(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    day = "2026-02-01"
    events = [user(1, 1, day), product(1, 2, day)]
    for key in range(1, 1101):
        events.append(
            order(key, 10 + key, f"{day} 09:00:00", user_id=1, total_amount=Decimal("1.00"), status="shipped")
        )
    price = Decimal("0.01")
    events.append(item(1, 5000, f"{day} 09:00:00", order_id=1, product_id=1, quantity=2_000_000_000, unit_price=price))
    load_day(connection, day, events)
    transform()
    (of_day,) = read(connection, "MARTS.DAILY_BUSINESS_METRICS")
    assert of_day["average_items_per_order"] == Decimal("1818181.82")
    (of_tier,) = (row for row in read(connection, "MARTS.CUSTOMER_TIER_ANALYTICS") if row["active_customers"])
    assert of_tier["avg_orders_per_customer"] == Decimal("1100.00")
