"""Money at its edges, on a history to be checked by hand: exact thresholds, cents that round, days, customers and products
without purchases, prices that come and go. What test_money_mutants.py found to be pinned down by no test is pinned down here.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.transformation.history import built
from ecommerce_platform_tests.transformation.raw_events import item, load_table_day, order, product, user
from ecommerce_platform_tests.transformation.tables import Row, only, read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ZERO = Decimal("0.00")


def bought(key: int, lsn: int, moment: str, user_id: int | None, amount: str | None, status: str | None) -> Any:
    total = None if amount is None else Decimal(amount)
    return order(key, lsn, moment, user_id=user_id, total_amount=total, status=status)


def line(
    key: int, lsn: int, moment: str, order_id: int, product_id: int | None, quantity: int, price: str | None
) -> Any:
    unit = None if price is None else Decimal(price)
    return item(key, lsn, moment, order_id=order_id, product_id=product_id, quantity=quantity, unit_price=unit)


FIRST_DAY = [
    *(user(key, key, "2026-01-15") for key in (1, 2, 3, 4, 6, 7, 9)),
    user(5, 5, "2026-02-01 08:00:00"),
    # Registers after two purchases.
    user(8, 8, "2026-02-07"),
    # 10.00, then unknown for six hours of the same day, then 12.00 from noon of the 2nd on.
    product(1, 11, "2026-02-01 00:00:00", price=Decimal("10.00")),
    product(1, 12, "2026-02-01 06:00:00", "UPDATE", price=None),
    product(1, 13, "2026-02-02 12:00:00", "UPDATE", price=Decimal("12.00")),
    # Deleted, with another price in the image before: what was known last still counts.
    product(2, 14, "2026-02-01 00:00:00", price=Decimal("3.00")),
    product(2, 15, "2026-02-02 00:00:00", "DELETE", price=Decimal("99.00")),
    product(3, 16, "2026-02-01 00:00:00", price=Decimal("1.00")),
    bought(1, 21, "2026-02-01 09:00:00", 5, "0.05", "shipped"),
    bought(2, 22, "2026-02-01 10:00:00", 5, "10.01", "shipped"),
    bought(3, 23, "2026-02-01 11:00:00", 1, "499.99", "delivered"),
    bought(4, 24, "2026-02-02 12:00:00", 1, "0.01", "processing"),
    bought(5, 25, "2026-02-03 12:00:00", 4, "5000.00", "cancelled"),
    bought(6, 26, "2026-02-04 12:00:00", 2, "2000.00", "shipped"),
    bought(7, 27, "2026-02-04 12:00:00", 3, "5000.00", "delivered"),
    bought(8, 28, "2026-02-04 12:00:00", 4, "499.99", "shipped"),
    bought(9, 29, "2026-02-04 12:00:00", 8, "1.00", "processing"),
    bought(10, 30, "2026-02-06 12:00:00", 7, None, "processing"),
    bought(11, 31, "2026-02-06 12:00:00", 6, "3.00", None),
    # After the as-of day.
    bought(12, 32, "2026-02-12 12:00:00", 9, "2.00", "processing"),
    bought(13, 33, "2026-02-12 12:00:00", 8, "0.50", "processing"),
    bought(14, 34, "2026-02-05 12:00:00", 8, "0.25", "processing"),
    line(1, 41, "2026-02-01 09:00:00", 1, 1, 1, "0.05"),
    line(2, 42, "2026-02-01 10:00:00", 2, 3, 2, "1.00"),
    line(3, 43, "2026-02-01 10:00:00", 2, 3, 1, "3.00"),
    line(4, 44, "2026-02-01 11:00:00", 3, None, 4, "1.00"),
    line(5, 45, "2026-02-01 11:00:00", 3, 2, 0, "3.00"),
    line(6, 46, "2026-02-02 12:00:00", 4, 1, 1, "11.00"),
    line(7, 47, "2026-02-03 12:00:00", 5, 1, 1, "12.00"),
    line(8, 48, "2026-02-04 12:00:00", 6, 2, 2, "2.50"),
    line(9, 49, "2026-02-04 12:00:00", 7, 3, 2, None),
]
DAYS = {"2026-02-01": FIRST_DAY, "2026-02-10": []}


@pytest.fixture(scope="module")
def warehouse(transformation_settings: Settings) -> Iterator[SnowflakeConnection]:
    with built(transformation_settings, DAYS, meanwhile=half_a_day) as opened:
        yield opened


def half_a_day(connection: SnowflakeConnection) -> None:
    """A day of which only the products have arrived: it is not applied, and its price is not known yet."""
    late = product(1, 900, "2026-02-01 01:00:00", "UPDATE", price=Decimal("50.00"))
    load_table_day(connection, "products", "2026-02-11", [late])


def by_date(warehouse: SnowflakeConnection, table: str, *keys: str) -> dict[tuple[Any, ...], Row]:
    return {(str(row["date"])[5:], *(row[key] for key in keys)): row for row in read(warehouse, table)}


@pytest.mark.slow
def test_prices_hold_from_their_moment_to_the_next(warehouse: SnowflakeConnection) -> None:
    rows = {row["id"]: row for row in read(warehouse, "STAGING.ORDER_ITEMS_ENHANCED")}
    assert len(rows) == 9
    # 10.00 although it was unknown at nine: (10.00 - 0.05) * 1, and 0.05 - 6.00.
    assert (rows[1]["discount_amount"], rows[1]["margin_amount"]) == (Decimal("9.95"), Decimal("-5.95"))
    # At the very moment of the change the new price counts: 12.00 - 11.00, and 11.00 - 7.20.
    assert (rows[6]["discount_amount"], rows[6]["margin_amount"]) == (Decimal("1.00"), Decimal("3.80"))
    # Of a deleted product the last known price: (3.00 - 2.50) * 2, and 5.00 - 3.60.
    assert (rows[8]["discount_amount"], rows[8]["margin_amount"]) == (Decimal("1.00"), Decimal("1.40"))
    assert (rows[9]["line_total"], rows[9]["discount_amount"], rows[9]["margin_amount"]) == (None, None, None)


def test_a_tier_begins_at_the_cent_and_counts_purchases_only(warehouse: SnowflakeConnection) -> None:
    tiers = {row["id"]: row["customer_tier"] for row in read(warehouse, "STAGING.USERS_ENHANCED")}
    assert tiers == {
        1: "silver",
        2: "gold",
        3: "platinum",
        **dict.fromkeys((4, 5, 6, 7, 8, 9), "bronze"),
    }


def test_an_order_folds_its_items_in(warehouse: SnowflakeConnection) -> None:
    rows = {row["order_id"]: row for row in read(warehouse, "INTERMEDIATE.INT_ORDER_ANALYTICS")}
    totals = {key: row["items_total"] for key, row in rows.items()}
    assert (totals[1], totals[2], totals[3], totals[4]) == (
        Decimal("0.05"),
        Decimal("5.00"),
        Decimal("4.00"),
        Decimal("11.00"),
    )
    assert (totals[7], totals[8]) == (ZERO, ZERO)
    assert {key for key, row in rows.items() if row["is_revenue"] is False} == {5, 11}
    assert {key for key, row in rows.items() if row["is_revenue"] is True} == {1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14}


def test_what_customers_spent(warehouse: SnowflakeConnection) -> None:
    rows = {row["id"]: row for row in read(warehouse, "INTERMEDIATE.INT_CUSTOMER_METRICS")}
    assert {key: (row["total_spent"], row["avg_order_value"]) for key, row in rows.items()} == {
        1: (Decimal("500.00"), Decimal("250.00")),
        2: (Decimal("2000.00"), Decimal("2000.00")),
        3: (Decimal("5000.00"), Decimal("5000.00")),
        4: (Decimal("499.99"), Decimal("499.99")),
        5: (Decimal("10.06"), Decimal("5.03")),
        6: (ZERO, ZERO),
        7: (ZERO, ZERO),
        8: (Decimal("1.75"), Decimal("0.58")),
        9: (Decimal("2.00"), Decimal("2.00")),
    }


def test_what_customers_are_worth_a_year(warehouse: SnowflakeConnection) -> None:
    def predicted(key: int) -> Decimal:
        return Decimal(only(warehouse, "MARTS.CUSTOMER_ANALYTICS", key, column="customer_id")["predicted_ltv"])

    # Ten days from 1 to 10 February, seven from the 4th on.
    assert (predicted(1), predicted(5)) == (Decimal("18250.00"), Decimal("367.19"))
    assert (predicted(2), predicted(4)) == (Decimal("104285.71"), Decimal("26070.91"))
    # A first purchase after the as-of day is one day old.
    assert predicted(9) == Decimal("730.00")
    assert (predicted(6), predicted(7)) == (ZERO, ZERO)


def test_what_products_earned_by_day(warehouse: SnowflakeConnection) -> None:
    rows = by_date(warehouse, "INTERMEDIATE.INT_PRODUCT_ANALYTICS", "product_id")
    earned = {key: (row["units_sold"], row["total_revenue"], row["avg_selling_price"]) for key, row in rows.items()}
    assert earned == {
        ("02-01", 1): (1, Decimal("0.05"), Decimal("0.05")),
        ("02-01", 2): (0, ZERO, ZERO),
        ("02-01", 3): (3, Decimal("5.00"), Decimal("1.67")),  # 1.666…
        ("02-02", 1): (1, Decimal("11.00"), Decimal("11.00")),
        ("02-04", 2): (2, Decimal("5.00"), Decimal("2.50")),
        ("02-04", 3): (2, ZERO, ZERO),
    }
    performance = by_date(warehouse, "MARTS.PRODUCT_PERFORMANCE", "product_id")
    assert {
        key: (row["units_sold"], row["total_revenue"], row["avg_selling_price"]) for key, row in performance.items()
    } == earned
    # The stock of the 1st is that of the 4th, too: nothing was said of it since.
    assert performance["02-04", 3]["current_stock_level"] == 100


def test_what_days_brought_in(warehouse: SnowflakeConnection) -> None:
    rows = by_date(warehouse, "MARTS.DAILY_BUSINESS_METRICS")
    columns = (
        "total_revenue",
        "revenue_from_new_customers",
        "revenue_from_returning_customers",
        "avg_order_value",
    )
    by_day = {day: tuple(row[column] for column in columns) for (day,), row in rows.items()}
    nothing = (ZERO, ZERO, ZERO, ZERO)
    assert by_day == {
        "02-01": (Decimal("510.05"), Decimal("10.06"), Decimal("499.99"), Decimal("170.02")),  # 170.0166…
        "02-02": (Decimal("0.01"), ZERO, Decimal("0.01"), Decimal("0.01")),
        "02-03": nothing,
        "02-04": (Decimal("7500.99"), ZERO, Decimal("7500.99"), Decimal("1875.25")),  # 1875.2475
        "02-05": (Decimal("0.25"), ZERO, Decimal("0.25"), Decimal("0.25")),
        "02-06": nothing,
        **{f"02-{day:02}": nothing for day in range(7, 12)},
        "02-12": (Decimal("2.50"), ZERO, Decimal("2.50"), Decimal("1.25")),
    }


def test_what_tiers_brought_in_and_are_worth(warehouse: SnowflakeConnection) -> None:
    rows = by_date(warehouse, "MARTS.CUSTOMER_TIER_ANALYTICS", "customer_tier")
    assert len(rows) == 12 * 4
    columns = ("total_customers", "total_revenue", "avg_order_value", "customer_lifetime_value")
    by_tier = {key: tuple(row[column] for column in columns) for key, row in rows.items()}
    nobody = (0, ZERO, ZERO, ZERO)
    # Users 1 to 7 and 9, all bronze: 510.05 / 8 = 63.75625.
    assert by_tier["02-01", "bronze"] == (8, Decimal("510.05"), Decimal("170.02"), Decimal("63.76"))
    assert [by_tier["02-01", tier] for tier in ("silver", "gold", "platinum")] == [nobody] * 3
    # User 1 is silver from the cent on: 10.06 / 7 = 1.437…
    assert by_tier["02-02", "bronze"] == (7, ZERO, ZERO, Decimal("1.44"))
    assert by_tier["02-02", "silver"] == (1, Decimal("0.01"), Decimal("0.01"), Decimal("500.00"))
    assert by_tier["02-03", "silver"] == (1, ZERO, ZERO, Decimal("500.00"))
    # User 8 buys before the registration: no customer yet. (499.99 + 10.06) / 5.
    assert by_tier["02-04", "bronze"] == (5, Decimal("499.99"), Decimal("499.99"), Decimal("102.01"))
    assert by_tier["02-04", "gold"] == (1, Decimal("2000.00"), Decimal("2000.00"), Decimal("2000.00"))
    assert by_tier["02-04", "platinum"] == (1, Decimal("5000.00"), Decimal("5000.00"), Decimal("5000.00"))
    assert by_tier["02-05", "bronze"] == (5, ZERO, ZERO, Decimal("102.01"))
    # A purchase without an amount is a purchase of nothing.
    assert by_tier["02-06", "bronze"] == (5, ZERO, ZERO, Decimal("102.01"))
    assert rows["02-06", "bronze"]["total_orders"] == 1
    # From the registration on both earlier purchases count: 511.30 / 6 = 85.2166…, and at the end 513.80 / 6 = 85.633…
    assert by_tier["02-07", "bronze"] == (6, ZERO, ZERO, Decimal("85.22"))
    assert by_tier["02-12", "bronze"] == (6, Decimal("2.50"), Decimal("1.25"), Decimal("85.63"))
    # Registered that day, and already a customer of that tier.
    assert {key: row["new_customers"] for key, row in rows.items() if row["new_customers"]} == {
        ("02-01", "bronze"): 1,
        ("02-07", "bronze"): 1,
    }
