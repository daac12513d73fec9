"""Customers and products over time: tiers, ranks, repeat buyers, recency; worked out by hand.

What belongs here: histories whose point is how a customer or a product stands on a day. What does not: figures of orders
(figures.py).
"""

from __future__ import annotations

from decimal import Decimal

from ecommerce_platform_tests.end_to_end.cases.case import Case
from ecommerce_platform_tests.end_to_end.cases.changing_orders import shop
from ecommerce_platform_tests.end_to_end.history import day


def tiers_over_days() -> Case:
    history = shop(users=2)
    for number, (placed, amount) in enumerate([(1, "499.99"), (2, "0.01"), (4, "1500.00"), (5, "3000.00")], start=1):
        history.insert("orders", placed, id=number, status="processing", total_amount=amount)
    history.insert("orders", 5, id=5, status="pending", total_amount="9999.00")

    def row(number: int, tier: str, members: int, **figures: object) -> dict[str, object]:
        return {"date": day(number), "customer_tier": tier, "total_customers": members} | figures

    bought = {"active_customers": 1, "total_orders": 1, "avg_orders_per_customer": 1}
    rows = [
        row(1, "bronze", 2, new_customers=2, repeat_purchase_rate=0, avg_order_value=Decimal("499.99"),
            customer_lifetime_value=Decimal("250.00"), avg_days_between_orders=None, **bought),  # 499.99 / 2 = 249.995
        row(2, "bronze", 1, active_customers=0, customer_lifetime_value=0),
        row(2, "silver", 1, repeat_purchase_rate=1, avg_days_between_orders=1, total_revenue=Decimal("0.01"),
            customer_lifetime_value=500, new_customers=0, **bought),
        row(3, "bronze", 1, active_customers=0),
        row(3, "silver", 1, active_customers=0, avg_days_between_orders=1, customer_lifetime_value=500),
        row(4, "bronze", 1, active_customers=0),
        row(4, "gold", 1, avg_days_between_orders=Decimal("1.5"), customer_lifetime_value=2000, **bought),
        row(5, "bronze", 1, active_customers=0),
        row(5, "platinum", 1, avg_days_between_orders=Decimal("1.3"), customer_lifetime_value=5000, **bought),
    ]  # fmt: skip
    present = {(item["date"], item["customer_tier"]) for item in rows}
    rows += [
        row(number, tier, 0, total_orders=0)
        for number in range(1, 6)
        for tier in ("bronze", "silver", "gold", "platinum")
        if (day(number), tier) not in present
    ]
    return Case(
        "a customer climbs through the tiers day by day",
        history,
        5,
        {
            "marts.customer_tier_analytics": rows,
            "staging.users_enhanced": [
                {"id": 1, "customer_tier": "platinum"},
                {"id": 2, "customer_tier": "bronze"},
            ],
            "marts.customer_analytics": [
                {"customer_id": 1, "total_spent": 5000, "avg_order_value": 1250,
                 "avg_days_between_orders": Decimal("1.3"),  # 4 days / 3
                 "predicted_ltv": 365000, "customer_tier": "platinum"},  # 5000 / 5 × 365
                {"customer_id": 2, "total_orders": 0, "total_spent": 0, "avg_order_value": 0, "predicted_ltv": 0,
                 "first_order_date": None, "is_active": False, "is_at_risk": False, "favorite_category": None,
                 "total_items_purchased": 0},
            ],
        },
    )  # fmt: skip


def product_ranks() -> Case:
    history = shop(products=6)
    history.update("products", 1, id=6, category="Games")
    history.insert("orders", 1, id=1, status="shipped")
    lines = {1: (2, "15.00"), 2: (3, "10.00"), 3: (1, "20.00"), 4: (1, "10.00"), 5: (3, "1.00"), 6: (1, "1.00")}
    for number, (quantity, price) in lines.items():
        history.insert("order_items", 1, id=number, product_id=number, quantity=quantity, unit_price=price)
    history.insert("orders", 1, id=2, user_id=1, status="delivered", created_at="2026-01-01 13:00:00")
    history.insert("order_items", 1, id=7, order_id=2, product_id=6, quantity=1, unit_price="2.00")

    def row(product: int, revenue_rank: int, units_rank: int, top: bool, units: int, revenue: int) -> dict[str, object]:
        return {
            "date": day(1),
            "product_id": product,
            "revenue_rank_in_category": revenue_rank,
            "units_rank_in_category": units_rank,
            "is_top_performer": top,
            "units_sold": units,
            "total_revenue": revenue,
            "unique_customers": 1,
            "repeat_customers": 0,
        }

    return Case(
        "products with equal figures share the lower rank, each category has its own",
        history,
        1,
        {
            "marts.product_performance": [
                row(1, 1, 3, True, 2, 30),
                row(2, 1, 1, True, 3, 30),
                row(3, 3, 4, False, 1, 20),
                row(4, 4, 4, False, 1, 10),
                row(5, 5, 1, False, 3, 3),
                row(6, 1, 1, True, 2, 3) | {"avg_selling_price": Decimal("1.50"), "category": "Games"},
            ],
            "intermediate.int_product_analytics": [
                {"date": day(1), "product_id": number, "total_orders": 2 if number == 6 else 1}
                for number in range(1, 7)
            ],
            # Popular: 20 % of six products is one; product 6 is in two purchases, the others in one.
            "staging.products_enhanced": [
                {"id": number, "is_popular": number == 6, "price_tier": "budget"} for number in range(1, 7)
            ],
            "intermediate.int_customer_metrics": [
                {"id": 1, "unique_products_purchased": 6, "total_items_purchased": 12, "total_orders": 2}
            ],
            "marts.customer_analytics": [
                {"customer_id": 1, "favorite_category": "Books", "avg_days_between_orders": 0}
            ],
        },
    )


def repeat_customers() -> Case:
    history = shop(users=3, products=2)
    history.update("products", 1, id=2, category="Art")
    orders = [(1, 1, 1, "shipped"), (2, 2, 1, "pending"), (3, 1, 3, "processing"), (4, 2, 3, "processing")]
    for number, user, placed, status in orders:
        history.insert("orders", placed, id=number, user_id=user, status=status)
        history.insert("order_items", placed, id=number, order_id=number, product_id=1)
    # The same moment as order 3: the smaller id came first.
    history.insert("orders", 3, id=5, user_id=1, status="pending")
    history.insert("orders", 3, id=6, user_id=3, status="cancelled")
    history.insert("order_items", 3, id=5, order_id=3, product_id=2)
    return Case(
        "repeat customers had purchased before, and of a product on an earlier day",
        history,
        3,
        {
            "staging.orders_enhanced": [
                {"id": 1, "is_repeat_customer": False},
                {"id": 2, "is_repeat_customer": False},
                {"id": 3, "is_repeat_customer": True},
                {"id": 4, "is_repeat_customer": False},  # order 2 is pending: no purchase
                {"id": 5, "is_repeat_customer": True},
                {"id": 6, "is_repeat_customer": False},
            ],
            "marts.product_performance": [
                {"date": day(1), "product_id": 1, "unique_customers": 1, "repeat_customers": 0},
                {"date": day(3), "product_id": 1, "unique_customers": 2, "repeat_customers": 1},
                {"date": day(3), "product_id": 2, "unique_customers": 1, "repeat_customers": 0},
            ],
            "marts.customer_analytics": [
                {"customer_id": 1, "total_orders": 2, "favorite_category": "Books", "avg_days_between_orders": 2},
                {"customer_id": 2, "total_orders": 1, "favorite_category": "Books", "avg_days_between_orders": None},
                {"customer_id": 3, "total_orders": 0, "favorite_category": None},
            ],
        },
    )


def recency_and_old_orders() -> Case:
    # As of 2 January 2026: the last 90 days begin on 5 October 2025, 180 days before is 6 July 2025.
    history = shop(users=6, products=2)
    history.update("products", 1, id=2, category="Art")
    placed = ["2025-10-05", "2025-10-04", "2025-07-07", "2025-07-06", "2026-01-03", "2023-12-31"]
    for number, words in enumerate(placed, start=1):
        created = f"{words} 23:59:59"
        history.insert("orders", 2, id=number, user_id=number, status="delivered", total_amount="73.00",
                       created_at=created)  # fmt: skip
    for number in (1, 2):  # as many Books as Art: the name that sorts first
        history.insert("order_items", 2, id=number, order_id=1, product_id=number, quantity=2)
    return Case(
        "recency counts from the as-of day, and orders older than the first partition count",
        history,
        2,
        {
            "marts.customer_analytics": [
                {"customer_id": 1, "is_active": True, "is_at_risk": False, "favorite_category": "Art",
                 "predicted_ltv": Decimal("296.06")},  # 73 / 90 × 365 = 296.0555…
                {"customer_id": 2, "is_active": False, "is_at_risk": False},
                {"customer_id": 3, "is_active": False, "is_at_risk": False},
                {"customer_id": 4, "is_active": False, "is_at_risk": True},
                # Placed after the as-of day: one day at least.
                {"customer_id": 5, "is_active": True, "is_at_risk": False, "predicted_ltv": 26645},
                {"customer_id": 6, "is_active": False, "is_at_risk": True, "first_order_date": day(-731),
                 "days_since_registration": 1},
            ],
        },
    )  # fmt: skip


def recent_window() -> Case:
    # As of 1 January 2026 the last 30 days begin on 3 December 2025.
    history = shop(products=5)
    for number, placed in enumerate(["2025-12-02", "2025-12-02", "2025-12-03", "2026-01-01", "2025-12-02"], start=1):
        history.insert("orders", 1, id=number, status="processing", created_at=f"{placed} 10:00:00")
    lines = [(1, 1, 1), (2, 1, 1), (5, 1, 1), (1, 2, 10), (3, 2, 20), (4, 2, 30)]
    for number, (order, product, quantity) in enumerate(lines, start=1):
        history.insert("order_items", 1, id=number, order_id=order, product_id=product, quantity=quantity)
    return Case(
        "the last 30 days are 30 dates, the day itself among them",
        history,
        1,
        {
            # Product 1 was bought most often, but on 2 December.
            "staging.products_enhanced": [{"id": number, "is_popular": number == 2} for number in range(1, 6)],
            "marts.product_performance": [
                {"date": day(-29), "product_id": 1, "units_sold": 3, "days_of_inventory_remaining": None},
                {"date": day(-29), "product_id": 2, "units_sold": 10, "days_of_inventory_remaining": None},
                {"date": day(-28), "product_id": 2, "units_sold": 20, "current_stock_level": None},
                {"date": day(1), "product_id": 2, "units_sold": 30, "current_stock_level": 100,
                 "days_of_inventory_remaining": 60},  # 100 × 30 / (20 + 30)
            ],
        },
    )  # fmt: skip


CASES = (
    tiers_over_days(),
    product_ranks(),
    repeat_customers(),
    recency_and_old_orders(),
    recent_window(),
)
