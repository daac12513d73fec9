"""What was bought before a month began is kept; models that add what was bought since have the figures of all purchases."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.test_incremental import assert_equals_full_refresh

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: Bought by a known user: category, units and product of each line of a purchase.
BOUGHT = """
    select users.id, items.product_id, items.product_category, coalesce(items.quantity, 0) as units
    from STAGING.USERS_ENHANCED as users
    inner join INTERMEDIATE.INT_ORDER_ANALYTICS as orders on users.id = orders.user_id
    inner join STAGING.ORDER_ITEMS_ENHANCED as items on orders.order_id = items.order_id
    where orders.is_revenue
"""


def assert_counts_all_purchases(connection: SnowflakeConnection) -> None:
    """The figures that are put together from two parts, computed in one."""
    products = (
        f"select id, count(distinct product_id) from ({BOUGHT}) group by id having count(product_id) > 0 order by 1"
    )
    kept = "select id, unique_products_purchased from INTERMEDIATE.INT_CUSTOMER_METRICS where {} > 0 order by 1"
    assert fetch_all(connection, kept.format("unique_products_purchased")) == fetch_all(connection, products)
    favourites = f"""
        select id, product_category
        from ({BOUGHT})
        where product_category is not null
        group by id, product_category
        qualify row_number() over (partition by id order by sum(units) desc, product_category) = 1
        order by 1
    """
    kept = "select customer_id, favorite_category from MARTS.CUSTOMER_ANALYTICS where favorite_category is not null"
    assert fetch_all(connection, f"{kept} order by 1") == fetch_all(connection, favourites)


def kept_purchases(connection: SnowflakeConnection) -> list[tuple[int, int, int, str]]:
    """User, product, units, first date."""
    rows = fetch_all(
        connection,
        "select user_id, product_id, units, first_date from INTERMEDIATE.INT_EARLIER_PURCHASES order by 1, 2",
    )
    return [(int(buyer), int(bought), int(units), str(first)) for buyer, bought, units, first in rows]


def end_date(connection: SnowflakeConnection) -> list[date]:
    return [day for (day,) in fetch_all(connection, "select distinct end_date from INTERMEDIATE.INT_EARLIER_PURCHASES")]


@pytest.mark.parametrize("seed", spread(range(30, 40), everyday=0, slow=2))
def test_months_that_pass_late_days_and_replaced_ones_equal_a_full_refresh(
    connection: SnowflakeConnection, transform: Transform, seed: int
) -> None:
    shop = RandomShop(seed, days_apart=9, ordered_within=50)
    order_of_days = [*shop.days[1:4], shop.days[0], *shop.days[4:]]
    if seed % 2:
        random.Random(seed).shuffle(order_of_days)
    most_kept = 0
    for day in order_of_days:
        load_day(connection, day, shop.events(day))
        transform()
        assert_counts_all_purchases(connection)
        most_kept = max(most_kept, len(kept_purchases(connection)))
    load_day(connection, shop.days[1], shop.with_late_file(shop.days[1]))
    transform(mark=False, select=("int_earlier_purchases+",))
    load_day(connection, shop.days[1], shop.events(shop.days[1])[::2])
    transform()
    assert_counts_all_purchases(connection)
    assert most_kept
    assert_equals_full_refresh(connection, transform)


@pytest.mark.slow
def test_an_earlier_order_that_changes_is_counted_for_whom_it_belonged_to_and_whom_it_belongs_to(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    shop = [
        *(user(key, key, "2026-01-01") for key in (1, 2)),
        *(product(key, 10 + key, "2026-01-01") for key in (1, 2)),
        *(order(key, 20 + key, f"2026-01-0{key} 12:00:00") for key in (1, 2)),
        *(item(key, 30 + key, f"2026-01-0{key} 12:00:00", order_id=key, product_id=1, quantity=key) for key in (1, 2)),
    ]
    load_day(connection, "2026-02-14", shop)
    transform()
    assert kept_purchases(connection) == []
    load_day(connection, "2026-02-15", [order(3, 40, "2026-02-01 12:00:00"), item(3, 41, "2026-02-01", order_id=3)])
    transform()
    assert (kept_purchases(connection), end_date(connection)) == ([(1, 1, 3, "2026-01-01")], [date(2026, 2, 1)])
    handed_over = order(2, 50, "2026-02-16", "UPDATE", user_id=2, created_at="2026-01-02 12:00:00")
    load_day(connection, "2026-02-16", [handed_over])
    transform()
    assert kept_purchases(connection) == [(1, 1, 1, "2026-01-01"), (2, 1, 2, "2026-01-02")]
    # The first order moves behind the end, the second one's line is of another product; then that line is taken away.
    moved = order(1, 60, "2026-02-17", "UPDATE", created_at="2026-02-03 12:00:00")
    other = item(2, 61, "2026-02-17", "UPDATE", order_id=2, product_id=2, quantity=5, created_at="2026-01-02 12:00:00")
    load_day(connection, "2026-02-17", [moved, other])
    transform()
    assert kept_purchases(connection) == [(2, 2, 5, "2026-01-02")]
    assert_counts_all_purchases(connection)
    load_day(connection, "2026-02-17", [moved])
    transform()
    assert kept_purchases(connection) == [(2, 1, 2, "2026-01-02")]
    assert_counts_all_purchases(connection)
    assert_equals_full_refresh(connection, transform)
