"""Figures of small shops: splits, quotients, prices, flags, empty days; worked out by hand.

What belongs here: histories whose point is a figure of orders and items. What does not: latest state (changing_orders.py),
customers and products over time (segments.py).
"""

from __future__ import annotations

from decimal import Decimal

from ecommerce_platform_tests.end_to_end.cases.case import Case
from ecommerce_platform_tests.end_to_end.cases.changing_orders import shop
from ecommerce_platform_tests.end_to_end.history import History, day
from ecommerce_platform_tests.end_to_end.landing_decode import Counts

EMPTY_DAY = {
    "total_orders": 0,
    "completed_orders": 0,
    "cancelled_orders": 0,
    "total_active_customers": 0,
    "new_customers": 0,
    "returning_customers": 0,
    "total_revenue": 0,
    "avg_order_value": 0,
    "revenue_from_new_customers": 0,
    "revenue_from_returning_customers": 0,
    "total_items_sold": 0,
    "unique_products_sold": 0,
    "customer_acquisition_rate": 0,
    "order_completion_rate": 0,
    "average_items_per_order": 0,
}


def days_without_orders() -> Case:
    history = shop()
    history.insert("orders", 1, id=1, status="processing", total_amount="10.00")
    history.insert("orders", 4, id=2, status="shipped", total_amount="20.00")
    tiers = {"total_orders": 0, "total_revenue": 0, "avg_order_value": 0, "active_customers": 0}
    nobody = tiers | {"total_customers": 0, "customer_lifetime_value": 0, "avg_days_between_orders": None}
    return Case(
        "days without orders have rows of zeros",
        history,
        4,
        {
            "marts.daily_business_metrics": [
                {"date": day(1), "total_orders": 1, "total_revenue": 10},
                {"date": day(2)} | EMPTY_DAY,
                {"date": day(3)} | EMPTY_DAY,
                {"date": day(4), "total_orders": 1, "total_revenue": 20},
            ],
            "marts.customer_tier_analytics": [
                {"date": day(number), "customer_tier": tier} | nobody
                for number in (1, 2, 3, 4)
                for tier in ("silver", "gold", "platinum")
            ]
            + [
                {"date": day(1), "customer_tier": "bronze", "total_customers": 1, "new_customers": 1,
                 "active_customers": 1, "repeat_purchase_rate": 0, "customer_lifetime_value": 10},
                {"date": day(2), "customer_tier": "bronze", "total_customers": 1, "new_customers": 0,
                 "customer_lifetime_value": 10, "repeat_purchase_rate": 0} | tiers,
                {"date": day(3), "customer_tier": "bronze", "total_customers": 1, "customer_lifetime_value": 10} | tiers,
                {"date": day(4), "customer_tier": "bronze", "total_customers": 1, "active_customers": 1,
                 "total_orders": 1, "total_revenue": 20, "repeat_purchase_rate": 1, "avg_days_between_orders": 3,
                 "customer_lifetime_value": 30},
            ],
        },
    )  # fmt: skip


def unknown_users_and_values() -> Case:
    history = shop()
    history.insert("orders", 1, id=1, user_id=1, status="processing", total_amount="10.00")
    history.insert("orders", 1, id=2, user_id=99, status="processing", total_amount="20.00")
    history.insert("orders", 1, id=3, user_id=None, status="processing", total_amount="40.00", shipping_address="  ")
    history.insert("orders", 1, id=4, user_id=1, status="returned", total_amount="-5.00", shipping_address=None)
    history.insert("orders", 1, id=5, user_id=1, status="shipped", total_amount=None)
    history.insert("order_items", 1, id=1, order_id=2, product_id=77, quantity=2, unit_price="10.00")
    history.insert("order_items", 1, id=2, order_id=3, product_id=None, quantity=4, unit_price="10.00")
    history.insert("order_items", 1, id=3, order_id=55, product_id=1, quantity=1, unit_price="4.00")
    history.insert("order_items", 1, id=4, order_id=1, product_id=1, quantity=None, unit_price="4.00")
    return Case(
        "orders of unknown users and with strange values are flagged and counted",
        history,
        1,
        {
            "marts.daily_business_metrics": [
                {
                    "date": day(1),
                    "total_orders": 5,
                    "completed_orders": 1,
                    "total_active_customers": 2,  # users 1 and 99
                    "new_customers": 1,
                    "returning_customers": 1,
                    "total_revenue": 70,
                    "revenue_from_new_customers": 10,
                    "revenue_from_returning_customers": 60,
                    "avg_order_value": Decimal("17.50"),  # 70 / 4 purchases
                    "customer_acquisition_rate": Decimal("0.5"),
                    "order_completion_rate": Decimal("0.2"),
                    "total_items_sold": 6,
                    "unique_products_sold": 2,  # 77 and 1; null is not a product
                    "average_items_per_order": Decimal("1.5"),
                }
            ],
            "staging.orders_enhanced": [
                {"id": 1, "is_valid_order": True, "has_shipping_address": True},
                {"id": 2, "is_valid_order": False, "is_repeat_customer": False},
                {"id": 3, "is_valid_order": False, "has_shipping_address": False, "is_repeat_customer": False},
                {"id": 4, "is_valid_order": False, "has_shipping_address": False, "order_size_category": "small",
                 "is_repeat_customer": True},
                {"id": 5, "is_valid_order": False, "order_size_category": None, "days_to_fulfillment": None},
            ],
            "staging.order_items_enhanced": [
                {"id": 1, "line_total": 20, "product_name": None, "discount_amount": None, "margin_amount": None},
                {"id": 2, "line_total": 40, "product_name": None, "discount_amount": None, "margin_amount": None},
                {"id": 3, "line_total": 4, "product_name": "Thing 1", "discount_amount": 6, "margin_amount": -2},
                {"id": 4, "line_total": None, "discount_amount": None, "margin_amount": None},
            ],
            "marts.product_performance": [
                {"date": day(1), "product_id": 1, "units_sold": 0, "total_revenue": 0, "avg_selling_price": 0,
                 "category": "Books", "revenue_rank_in_category": 1, "days_of_inventory_remaining": None,
                 "unique_customers": 1, "current_stock_level": 100},
                {"date": day(1), "product_id": 77, "units_sold": 2, "total_revenue": 20, "avg_selling_price": 10,
                 "category": None, "product_name": None, "revenue_rank_in_category": 1, "current_stock_level": None,
                 "days_of_inventory_remaining": None, "unique_customers": 1},
            ],
        },
    )  # fmt: skip


def quotients() -> Case:
    history = shop(users=3)
    for number, (status, amount) in enumerate([("processing", "0.01"), ("shipped", "0.00")], start=1):
        history.insert("orders", 1, id=number, user_id=number, status=status, total_amount=amount)
    history.insert("orders", 1, id=3, user_id=3, status="pending", total_amount="7.00")
    history.insert("order_items", 1, id=1, order_id=1, quantity=1, unit_price="0.01")
    history.insert("order_items", 1, id=2, order_id=2, quantity=1, unit_price="0.00")
    history.insert("order_items", 1, id=3, order_id=2, quantity=1, unit_price="0.00")
    history.insert("orders", 2, id=4, user_id=1, status="processing", total_amount="-0.01")
    history.insert("orders", 2, id=5, user_id=2, status="processing", total_amount="0.00")
    history.insert("order_items", 2, id=4, order_id=4, quantity=0, unit_price="5.00")
    history.insert("orders", 3, id=6, user_id=2, status="pending", total_amount="5.00")
    return Case(
        "quotients are rounded half away from zero, once, and are zero when nothing divides",
        history,
        3,
        {
            "marts.daily_business_metrics": [
                {"date": day(1), "avg_order_value": Decimal("0.01"), "order_completion_rate": Decimal("0.3333"),
                 "average_items_per_order": Decimal("1.5"), "total_revenue": Decimal("0.01"), "new_customers": 3},
                {"date": day(2), "avg_order_value": Decimal("-0.01"), "total_revenue": Decimal("-0.01"),
                 "average_items_per_order": 0, "total_items_sold": 0, "customer_acquisition_rate": 0},
                {"date": day(3), "avg_order_value": 0, "total_revenue": 0, "average_items_per_order": 0,
                 "order_completion_rate": 0, "total_orders": 1, "total_active_customers": 1},
            ],
            "marts.product_performance": [
                # 0.01 / 3 rounds to nothing; 100 × 30 / 3
                {"date": day(1), "product_id": 1, "units_sold": 3, "avg_selling_price": 0,
                 "days_of_inventory_remaining": 1000},
                {"date": day(2), "product_id": 1, "units_sold": 0, "avg_selling_price": 0,
                 "days_of_inventory_remaining": 1000, "repeat_customers": 1},
            ],
        },
    )  # fmt: skip


def price_history() -> Case:
    history = History()
    history.insert("users", 1, id=1)
    history.insert("products", 1, id=1, at="2026-01-01 09:00:00", price="20.00")
    history.update("products", 1, id=1, at="2026-01-01 18:00:00", price="30.00")
    history.update("products", 2, id=1, at="2026-01-02 09:00:00", price=None)  # no price: the one before it stands
    history.update("products", 3, id=1, at="2026-01-03 09:00:00", price="50.00", stock_quantity=7)
    for number, placed in enumerate(
        ["2025-12-31 10:00:00", "2026-01-01 17:59:59", "2026-01-01 18:00:00", "2026-01-02 12:00:00"], start=1
    ):
        history.insert("orders", 3, id=number, status="processing", created_at=placed)
        history.insert("order_items", 3, id=number, order_id=number, quantity=2, unit_price="19.00")
    return Case(
        "the catalog price is the one at the time of the order, and the first one before there was any",
        history,
        3,
        {
            "staging.order_items_enhanced": [
                {"id": 1, "discount_amount": 2, "margin_amount": 14},  # 38 − 2 × 20 × 0.6
                {"id": 2, "discount_amount": 2, "margin_amount": 14},
                {"id": 3, "discount_amount": 22, "margin_amount": 2},  # 38 − 2 × 30 × 0.6
                {"id": 4, "discount_amount": 22, "margin_amount": 2},
            ],
            "staging.products_enhanced": [{"id": 1, "price": 50, "price_tier": "mid-range", "is_in_stock": True}],
            "marts.product_performance": [
                {"date": day(0), "product_id": 1, "current_stock_level": None, "days_of_inventory_remaining": None},
                {"date": day(1), "product_id": 1, "current_stock_level": 100,
                 "units_sold": 4, "days_of_inventory_remaining": 500, "repeat_customers": 1},  # 100 × 30 / 6
                {"date": day(2), "product_id": 1, "current_stock_level": 100,
                 "days_of_inventory_remaining": 375},  # 100 × 30 / 8
            ],
        },
    )  # fmt: skip


def names_and_addresses() -> Case:
    history = History()
    people = [
        ("ann.lee+x@mail.example.co.uk", " Ann ", "Lee", "Ann Lee", True, True),
        ("no-at-sign.example.com", "Bo", None, "Bo", False, False),
        ("two@@example.com", None, " ", None, False, False),
        (None, "", "Zoë", "Zoë", False, False),
        ("a@b.c", "A", "B", "A B", False, True),
        ("a b@example.com", "A", "B", "A B", False, True),
        ("a@example..com", "A", "B", "A B", False, True),
        ("A_%9@sub-1.example.ORG", "A", "B", "A B", True, True),
    ]
    expected = []
    for number, (email, first, last, full, valid, complete) in enumerate(people, start=1):
        history.insert("users", 1, id=number, email=email, first_name=first, last_name=last)
        expected.append(
            {"id": number, "full_name": full, "is_valid_email": valid, "is_complete_profile": complete,
             "email": email, "first_name": first}
        )  # fmt: skip
    return Case(
        "names are joined without blanks and addresses are judged, not changed",
        history,
        1,
        {"staging.users_enhanced": expected, "marts.daily_business_metrics": [], "marts.customer_tier_analytics": []},
    )


def rows_that_cannot_be_true() -> Case:
    history = shop()
    for number in range(1, 401):
        history.insert("orders", 1, id=number, status="pending", total_amount="1.00")
    history.insert("orders", 1, id=None, status="shipped")
    history.change("x", "orders", 1, id=1001, status="shipped")
    history.insert("orders", 1, id=1002, lsn=None, status="shipped")
    history.insert("orders", 1, id=1003, total_amount="n/a", status="shipped")
    history.insert("products", 2, id=7, price="10.999")  # one row of one: the day is refused
    history.insert("orders", 2, id=2000, status="shipped")
    return Case(
        "unreadable rows are set aside, and a day with too many of them is not applied",
        history,
        2,
        {
            "marts.daily_business_metrics": [{"date": day(1), "total_orders": 400, "total_revenue": 0}],
            "staging.products_enhanced": [{"id": 1}],
        },
        {
            ("orders", 1): Counts(landed=404, published=400, quarantined=4),
            ("orders", 2): Counts(landed=1, published=1),
            ("products", 2): Counts(landed=1, quarantined=1, refused="1 of 1 rows quarantined"),
        },
    )


UNREADABLE = rows_that_cannot_be_true()

CASES = (
    days_without_orders(),
    unknown_users_and_values(),
    quotients(),
    price_history(),
    names_and_addresses(),
    UNREADABLE,
)
