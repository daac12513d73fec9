"""Orders that change, move, vanish or come back after their day; every figure worked out by hand.

What belongs here: histories whose point is the latest state. What does not: which of several events is the latest
(event_order.py), figures of marts for their own sake (figures.py).
"""

from __future__ import annotations

from decimal import Decimal

from ecommerce_platform_tests.end_to_end.cases.case import Case
from ecommerce_platform_tests.end_to_end.history import History, day, moment


def shop(*, users: int = 1, products: int = 1) -> History:
    """Users and products of day 1: price 10.00, stock 100, category Books."""
    history = History()
    for number in range(1, users + 1):
        history.insert("users", 1, id=number, email=f"user{number}@example.com")
    for number in range(1, products + 1):
        history.insert("products", 1, id=number, name=f"Thing {number}")
    return history


def delivered_two_days_later() -> Case:
    history = shop()
    history.insert("orders", 1, id=1, status="pending", total_amount="100.00")
    history.insert("order_items", 1, id=1, order_id=1, quantity=3, unit_price="9.99")
    history.update("orders", 2, id=1, status="processing")
    history.update("orders", 3, id=1, status="delivered")
    return Case(
        "an order delivered on day 3 is revenue of day 1",
        history,
        3,
        {
            "marts.daily_business_metrics": [
                {
                    "date": day(1),
                    "new_customers": 1,
                    "returning_customers": 0,
                    "total_active_customers": 1,
                    "total_orders": 1,
                    "completed_orders": 1,
                    "cancelled_orders": 0,
                    "avg_order_value": Decimal("100.00"),
                    "total_revenue": Decimal("100.00"),
                    "revenue_from_new_customers": Decimal("100.00"),
                    "revenue_from_returning_customers": 0,
                    "total_items_sold": 3,
                    "unique_products_sold": 1,
                    "customer_acquisition_rate": 1,
                    "order_completion_rate": 1,
                    "average_items_per_order": 3,
                }
            ],
            "marts.product_performance": [
                {
                    "date": day(1),
                    "product_id": 1,
                    "product_name": "Thing 1",
                    "category": "Books",
                    "units_sold": 3,
                    "total_revenue": Decimal("29.97"),
                    "avg_selling_price": Decimal("9.99"),
                    "unique_customers": 1,
                    "repeat_customers": 0,
                    "revenue_rank_in_category": 1,
                    "units_rank_in_category": 1,
                    "is_top_performer": True,
                    "current_stock_level": 100,
                    "days_of_inventory_remaining": 1000,  # 100 × 30 / 3
                }
            ],
            "marts.customer_analytics": [
                {
                    "customer_id": 1,
                    "registration_date": day(1),
                    "days_since_registration": 2,
                    "first_order_date": day(1),
                    "total_orders": 1,
                    "is_active": True,
                    "is_at_risk": False,
                    "avg_days_between_orders": None,
                    "predicted_ltv": Decimal("12166.67"),  # 100 / 3 days × 365
                }
            ],
            "staging.orders_enhanced": [
                {
                    "id": 1,
                    "status": "delivered",
                    "days_to_fulfillment": 2,
                    "order_size_category": "medium",
                    "is_repeat_customer": False,
                    "is_valid_order": True,
                    "created_at": moment("2026-01-01 12:00:00"),
                    "updated_at": moment("2026-01-03 12:00:00"),
                }
            ],
            "staging.order_items_enhanced": [
                # discount (10.00 − 9.99) × 3; margin 29.97 − 3 × 10.00 × 0.6
                {
                    "id": 1,
                    "line_total": Decimal("29.97"),
                    "discount_amount": Decimal("0.03"),
                    "margin_amount": Decimal("11.97"),
                }
            ],
            "intermediate.int_order_analytics": [
                {
                    "order_id": 1,
                    "date": day(1),
                    "is_revenue": True,
                    "is_completed": True,
                    "is_cancelled": False,
                    "is_new_customer": True,
                    "item_count": 1,
                    "total_items": 3,
                    "items_total": Decimal("29.97"),
                }
            ],
        },
    )


def cancelled_after_it_counted() -> Case:
    history = shop()
    history.insert("orders", 1, id=1, status="processing", total_amount="50.00")
    history.insert("order_items", 1, id=1, order_id=1, quantity=5)
    history.insert("orders", 2, id=2, status="processing", total_amount="30.00")
    history.update("orders", 3, id=1, status="cancelled")
    return Case(
        "a cancelled order leaves the revenue of its day and stays in its counts",
        history,
        3,
        {
            "marts.daily_business_metrics": [
                {
                    "date": day(1),
                    "total_orders": 1,
                    "cancelled_orders": 1,
                    "total_revenue": 0,
                    "avg_order_value": 0,
                    "total_active_customers": 1,
                    "new_customers": 1,
                    "total_items_sold": 0,
                    "average_items_per_order": 0,
                    "order_completion_rate": 0,
                },
                {
                    "date": day(2),
                    "total_orders": 1,
                    "cancelled_orders": 0,
                    "total_revenue": 30,
                    "avg_order_value": 30,
                    "new_customers": 0,
                    "returning_customers": 1,
                    "revenue_from_returning_customers": 30,
                    "order_completion_rate": 0,
                },
            ],
            "marts.product_performance": [],
            "staging.orders_enhanced": [
                {"id": 1, "days_to_fulfillment": None, "is_repeat_customer": False, "order_size_category": "medium"},
                {"id": 2, "days_to_fulfillment": None, "is_repeat_customer": False, "order_size_category": "small"},
            ],
        },
    )


def deletes() -> Case:
    history = shop(users=2, products=2)
    history.insert("orders", 1, id=1, user_id=1, status="shipped", total_amount="10.00")
    history.insert("order_items", 1, id=1, order_id=1, product_id=1)
    history.insert("orders", 4, id=2, user_id=2, status="shipped", total_amount="20.00")
    history.insert("order_items", 4, id=2, order_id=2, product_id=2, quantity=2)
    history.insert("orders", 4, id=3, user_id=1, status="shipped", total_amount="40.00")
    history.delete("orders", 5, id=1)  # its line stays: it no longer belongs to a purchase
    history.delete("users", 5, id=2)  # the order stays, as one of a returning customer
    history.delete("products", 5, id=2)
    history.delete("orders", 5, id=3)
    history.insert("orders", 6, id=3, status="processing", total_amount="45.00", created_at="2026-01-05 08:00:00")
    return Case(
        "deleted keys are gone, what points at them stays, and a key can come back",
        history,
        6,
        {
            "staging.users_enhanced": [{"id": 1, "customer_tier": "bronze", "days_since_registration": 5}],
            "staging.products_enhanced": [{"id": 1}],
            "staging.orders_enhanced": [
                {"id": 2, "is_valid_order": False},
                {"id": 3, "is_valid_order": True, "total_amount": Decimal("45.00"), "is_repeat_customer": False},
            ],
            "staging.order_items_enhanced": [
                {"id": 1, "product_name": "Thing 1", "discount_amount": 0, "margin_amount": 4},
                {"id": 2, "product_name": None, "product_category": None, "discount_amount": 0, "margin_amount": 8},
            ],
            "marts.daily_business_metrics": [
                {
                    "date": day(4),
                    "total_orders": 1,
                    "total_revenue": 20,
                    "new_customers": 0,
                    "returning_customers": 1,
                    "revenue_from_returning_customers": 20,
                    "total_items_sold": 2,
                },
                {"date": day(5), "total_orders": 1, "total_revenue": 45, "returning_customers": 1},
            ],
            "marts.product_performance": [
                # The stock of a deleted product is still in its history.
                {"date": day(4), "product_id": 2, "product_name": None, "category": None, "current_stock_level": 100}
            ],
            "marts.customer_analytics": [
                {"customer_id": 1, "total_orders": 1, "total_spent": 45, "first_order_date": day(5)}
            ],
        },
    )


CASES = (delivered_two_days_later(), cancelled_after_it_counted(), deletes())
