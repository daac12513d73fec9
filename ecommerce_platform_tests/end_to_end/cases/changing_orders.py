"""Orders that change, move, vanish or come back after their day; every figure worked out by hand.

What belongs here: histories whose point is the latest state. What does not: figures of marts for their own sake (figures.py).
"""

from __future__ import annotations

from decimal import Decimal

from ecommerce_platform_tests.end_to_end.cases.case import Case
from ecommerce_platform_tests.end_to_end.history import PLACEHOLDER, History, day, moment
from ecommerce_platform_tests.end_to_end.landing_decode import Counts


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


def duplicates() -> Case:
    history = shop()
    order = history.insert("orders", 1, id=1, status="processing", total_amount="10.00")
    history.again(order)
    history.again(order, file="part-00001.parquet")
    history.again(order, landed=2)
    line = history.insert("order_items", 1, id=1, lsn=5000, seen="2026-01-01 12:00:01")
    history.delete("order_items", 1, id=1, lsn=5000, seen="2026-01-01 12:00:01")
    history.again(line)  # a version lies between: an event
    history.again(line)  # none does: a copy
    return Case(
        "copies are dropped and counted, insert, delete, insert of one LSN are three events",
        history,
        2,
        {
            "staging.order_items_enhanced": [{"id": 1, "line_total": 10}],
            "marts.daily_business_metrics": [{"date": day(1), "total_orders": 1, "total_revenue": 10}],
        },
        {
            ("orders", 1): Counts(landed=3, published=1, duplicates=2),
            ("orders", 2): Counts(landed=1, published=1),
            ("order_items", 1): Counts(landed=4, published=3, duplicates=1),
        },
    )


def ties() -> Case:
    history = shop()
    seen = "2026-01-01 12:00:01"
    # Same LSN: the later connector time wins, wherever it is written.
    history.update("orders", 1, id=1, lsn=7, seen="2026-01-01 12:00:09", status="shipped", total_amount="20.00")
    history.insert("orders", 1, id=1, lsn=7, seen="2026-01-01 12:00:08", status="pending", total_amount="10.00")
    # Same LSN and time: the later file, then the later row.
    history.insert("orders", 1, id=2, lsn=8, seen=seen, status="pending", file="part-00001.parquet")
    history.insert("orders", 1, id=2, lsn=8, seen=seen, status="cancelled", file="part-00000.parquet")
    history.insert("orders", 1, id=3, lsn=9, seen=seen, status="processing")
    history.delete("orders", 1, id=3, lsn=9, seen=seen)
    # A delete and a new insert in one transaction: the row is there.
    history.insert("orders", 1, id=4, lsn=4, status="processing")
    history.delete("orders", 2, id=4, lsn=10, seen=seen)
    history.insert("orders", 2, id=4, lsn=10, seen=seen, status="delivered", created_at="2026-01-01 12:00:00")
    # Same LSN over two folders: connector time comes before the folder's day.
    history.insert("orders", 1, id=5, lsn=11, seen="2026-01-01 12:00:09", status="shipped", total_amount="5.00")
    history.insert("orders", 2, id=5, lsn=11, seen="2026-01-01 12:00:05", status="pending", total_amount="5.00",
                   created_at="2026-01-01 12:00:00")  # fmt: skip
    return Case(
        "ties of the LSN are settled by connector time, folder, file and row",
        history,
        2,
        {
            "staging.orders_enhanced": [
                {"id": 1, "status": "shipped", "total_amount": 20, "days_to_fulfillment": None},
                {"id": 2, "status": "pending"},
                {"id": 4, "status": "delivered", "days_to_fulfillment": 1},
                {"id": 5, "status": "shipped", "days_to_fulfillment": None},
            ],
            "marts.daily_business_metrics": [
                {"date": day(1), "total_orders": 4, "completed_orders": 3, "total_revenue": 125}
            ],
        },
    )


def late_and_early_arrivals() -> Case:
    history = shop()
    history.update("orders", 2, id=1, lsn=200, at="2026-01-02 09:00:00", status="delivered", total_amount="15.00",
                   created_at="2026-01-01 10:00:00")  # fmt: skip
    history.insert("orders", 3, id=1, lsn=100, at="2026-01-01 10:00:00", status="processing", total_amount="10.00",
                   file="late-00000.parquet")  # fmt: skip
    history.read("orders", 4, id=1, at="2026-01-01 00:00:00", status="pending", total_amount="1.00")
    history.read("orders", 4, id=2, at="2026-01-01 00:00:00", status="pending", total_amount="2.00",
                 created_at="2026-01-01 10:00:00")  # fmt: skip
    return Case(
        "an older change that arrives later does not undo a newer one, and a snapshot row is lowest",
        history,
        4,
        {
            "staging.orders_enhanced": [
                {"id": 1, "status": "delivered", "total_amount": 15, "days_to_fulfillment": 1},
                {"id": 2, "status": "pending", "total_amount": 2},
            ],
            "marts.daily_business_metrics": [
                {"date": day(1), "total_orders": 2, "completed_orders": 1, "total_revenue": 15}
            ],
        },
    )


def snapshot_rows_without_a_time() -> Case:
    """Some connectors send 0 for the database's time of a snapshot row: it is then the time at which the row was seen."""
    history = shop()
    history.insert("orders", 1, id=1, status="processing", total_amount="10.00")
    reads = [
        history.read("orders", 3, id=1, status="delivered", total_amount="20.00"),
        history.read("orders", 4, id=2, status="delivered", total_amount="5.00", created_at="2026-01-01 12:00:00"),
    ]
    for change in reads:
        change.row["__source_ts_ms"] = 0
    return Case(
        "a snapshot row whose database's time is 0 counts from when it was seen",
        history,
        4,
        {
            "staging.orders_enhanced": [
                {"id": 1, "status": "delivered", "total_amount": 20, "days_to_fulfillment": 2},
                {"id": 2, "status": "delivered", "total_amount": 5, "days_to_fulfillment": 3},
            ],
            "marts.daily_business_metrics": [
                {"date": day(1), "total_orders": 2, "completed_orders": 2, "total_revenue": 25}
            ],
        },
        {("orders", 3): Counts(landed=1, published=1), ("orders", 4): Counts(landed=1, published=1)},
    )


def placeholders() -> Case:
    history = shop()
    history.update("products", 1, id=1, price="12.00", description=PLACEHOLDER)
    history.insert("products", 2, id=2, lsn=20, at="2026-01-02 09:00:00", description=PLACEHOLDER, name="Late")
    history.insert("products", 3, id=2, lsn=10, at="2026-01-01 09:00:00", description="Came late", name="Early")
    history.insert("products", 1, id=3, lsn=30, description=PLACEHOLDER)
    history.insert("products", 1, id=4, lsn=40, description=None)
    history.update("products", 1, id=4, lsn=41, description=PLACEHOLDER)
    history.insert("products", 1, id=5, lsn=60, description="Kept over the delete")
    history.delete("products", 2, id=5, lsn=61)
    history.insert("products", 2, id=5, lsn=62, description=PLACEHOLDER)
    history.update("products", 2, id=5, lsn=63, description=PLACEHOLDER, price="1.00")
    return Case(
        "an unchanged text keeps its last real value, also when that arrives later, and null is a value",
        history,
        3,
        {
            "staging.products_enhanced": [
                {"id": 1, "description": "A thing", "price": 12, "has_complete_info": True},
                {"id": 2, "description": "Came late", "name": "Late", "has_complete_info": True},
                {"id": 3, "description": None},
                {"id": 4, "description": None},
                {"id": 5, "description": "Kept over the delete", "price": 1},
            ]
        },
    )


CASES = (
    delivered_two_days_later(),
    cancelled_after_it_counted(),
    deletes(),
    duplicates(),
    ties(),
    late_and_early_arrivals(),
    snapshot_rows_without_a_time(),
    placeholders(),
)
