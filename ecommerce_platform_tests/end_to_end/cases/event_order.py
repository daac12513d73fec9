"""Events that tie, repeat, arrive late or say nothing of a text: which one counts; every figure worked out by hand.

What belongs here: histories whose point is the order of events. What does not: changes that come in order (changing_orders.py).
"""

from __future__ import annotations

from ecommerce_platform_tests.end_to_end.cases.case import Case
from ecommerce_platform_tests.end_to_end.cases.changing_orders import shop
from ecommerce_platform_tests.end_to_end.history import PLACEHOLDER, day
from ecommerce_platform_tests.end_to_end.landing_decode import Counts


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


CASES = (duplicates(), ties(), late_and_early_arrivals(), snapshot_rows_without_a_time(), placeholders())
