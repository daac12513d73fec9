"""Figures of the marts on small shops: splits, quotients, tiers, ranks, prices, recency; worked out by hand.

What belongs here: histories whose point is a figure. What does not: latest state (changing_orders.py).
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
                    "unique_products_sold": 2,  # 77 and 1; null is no product
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
    there = {(item["date"], item["customer_tier"]) for item in rows}
    rows += [
        row(number, tier, 0, total_orders=0)
        for number in range(1, 6)
        for tier in ("bronze", "silver", "gold", "platinum")
        if (day(number), tier) not in there
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
    tiers_over_days(),
    product_ranks(),
    repeat_customers(),
    recency_and_old_orders(),
    recent_window(),
    names_and_addresses(),
    UNREADABLE,
)
