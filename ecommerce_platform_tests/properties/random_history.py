"""Small random shop histories: ties, deletes, placeholders, copies, late rows, keys that come back, orders that change date.

What belongs here: drawing changes from a source of randomness (Hypothesis's, which shrinks, or a seeded one). What does not:
what should come out (model.py, and the oracle of end_to_end/).
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from ecommerce_platform_tests.end_to_end.history import PLACEHOLDER, Change, History, day

DAYS = (1, 2, 3, 4)
TABLES = ("users", "products", "orders", "order_items")
STATUSES = ("pending", "processing", "shipped", "delivered", "cancelled", "lost", None, PLACEHOLDER)
MOMENTS = (
    "2025-12-30 23:59:59",
    "2026-01-01 00:00:00",
    "2026-01-01 12:00:00",
    "2026-01-02 12:00:00",
    "2026-01-03 23:59:59",
)
#: In and outside the span of business dates: the third alone has a row by date.
FAR_MOMENTS = ("0001-01-01 00:00:00", "2015-12-31 23:59:59", "2026-03-01 00:00:00", "9999-12-31 23:59:59")
MONEY = ("0.00", "0.01", "9.99", "10.00", "250.00", "1999.99", "-3.00", None)
TEXTS = {"email", "first_name", "name", "description", "category", "status", "shipping_address"}
FILES = ("part-00000.parquet", "part-00001.parquet", "late-00000.parquet")


def random_changes(random: Random, *, first_id: int = 1, events: int = 25) -> list[Change]:
    """Changes of up to three keys a table, beginning at `first_id`; rows of a file are in random order."""
    history = History()
    for _ in range(random.randint(1, events)):
        if random.random() < 0.1:
            change_key(random, history, first_id)
            continue
        table = random.choice(TABLES)
        op = random.choice("ccuuudr")
        history.change(
            op,
            table,
            random.choice(DAYS),
            id=first_id + random.randrange(3),
            at=random.choice(MOMENTS),
            seen=random.choice(MOMENTS),
            lsn=None if op == "r" and random.random() < 0.5 else random.randint(1, 8),
            file=random.choice(FILES),
            **({} if op == "d" else values(random, table, first_id)),
        )
    changes = [*history.changes, *(copied(random, change) for change in history.changes if random.random() < 0.2)]
    random.shuffle(changes)
    return changes


def values(random: Random, table: str, first_id: int) -> dict[str, Any]:
    """What an insert or update brings; placeholders only where text is."""
    text = ("Art", "Books", "", None, PLACEHOLDER)
    reference = [None, first_id + 90, *(first_id + number for number in range(3))]
    by_table: dict[str, dict[str, Any]] = {
        "users": {
            "email": random.choice(("a@example.com", "nonsense", None, PLACEHOLDER)),
            "first_name": random.choice(text),
        },
        "products": {
            "name": random.choice(text),
            "description": random.choice(text),
            "category": random.choice(text),
            "price": random.choice(MONEY),
            "stock_quantity": random.choice((None, 0, 7, 1000)),
        },
        "orders": {
            "user_id": random.choice(reference),
            "status": random.choice(STATUSES),
            "total_amount": random.choice(MONEY),
            "shipping_address": random.choice(text),
        },
        "order_items": {
            "order_id": random.choice(reference),
            "product_id": random.choice(reference),
            "quantity": random.choice((None, 0, 1, 3)),
            "unit_price": random.choice(MONEY),
        },
    }
    created = random.choice(FAR_MOMENTS if random.random() < 0.1 else MOMENTS)
    return by_table[table] | {"created_at": created}


def change_key(random: Random, history: History, first_id: int) -> None:
    """A DELETE and an INSERT at one place of the source's log, most texts left out; they may land on different days."""
    table = random.choice(("users", "products", "orders"))
    old, new = random.sample(range(first_id, first_id + 3), 2)
    place: dict[str, Any] = {"at": random.choice(MOMENTS), "lsn": random.randint(1, 8)}
    brought = values(random, table, first_id)
    for name, value in brought.items():
        if name in TEXTS and random.random() < 0.8 and value is not None:
            brought[name] = PLACEHOLDER
    for op, key, given in (("d", old, {}), ("c", new, brought)):
        seen, file = random.choice(MOMENTS), random.choice(FILES)
        history.change(op, table, random.choice(DAYS), id=key, seen=seen, file=file, **place, **given)


def copied(random: Random, change: Change) -> Change:
    """The same event again: in its file, in another file of its day, or in another day's folder."""
    return replace(change, landed=day(random.choice((*DAYS, change.landed.day))), file=random.choice(FILES))
