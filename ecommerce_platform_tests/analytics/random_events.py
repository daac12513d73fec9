"""Random events of many small shops: ties, late and early times, deletes, snapshot rows, placeholders, rows that move.

What belongs here: drawing. What does not: what comes of them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER
from ecommerce_platform_tests.analytics.rows import at

MOMENTS = [at(1, 0), at(1, 23), at(2), at(3, 23), at(5)]
FAR = [datetime(1, 1, 1, tzinfo=UTC), datetime(2027, 1, 3, 12, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)]
MONEY = [Decimal("0.00"), Decimal("0.01"), Decimal("9.99"), Decimal("1999.99"), Decimal("-3.00"), None]
STATUSES = ["pending", "processing", "shipped", "delivered", "cancelled", "lost", None]


def random_events(
    random: Random, table: str, first_id: int, landed: int, number: int, *, key_changes: bool = False
) -> list[dict[str, Any]]:
    """Up to `number` events of three keys on a landing day, which is mostly that of their LSNs and times, too. With
    `key_changes`, some INSERTs leave texts out.
    """
    events = [_event(random, table, first_id, landed) for _ in range(random.randint(1, number))]
    for event in list(events):
        if key_changes and random.random() < 0.2:
            other = first_id + (event["id"] - first_id + 1) % 3
            place = {name: event[name] for name in ("__source_lsn", "__source_ts_ms", "__ts_ms", "date")}
            texts = {name: UNCHANGED_PLACEHOLDER for name in ("email", "first_name", "status") if name in event}
            events.append({**_event(random, table, other, landed), **place, "__op": "DELETE", "id": event["id"]})
            events.append({**_event(random, table, other, landed), **place, **texts, "__op": "INSERT", "id": other})
    return events


def _event(random: Random, table: str, first_id: int, landed: int) -> dict[str, Any]:
    op = random.choice(["INSERT", "UPDATE", "UPDATE", "UPDATE", "DELETE", "READ"])
    usual = random.random() < 0.8
    seen = at(landed, random.randrange(24)) if usual else at(random.randint(1, 6), 1)
    lsn = (landed * 10 if usual else random.choice([0, 10, 30, 50])) + random.randrange(6)
    position = random.randrange(10**9)
    event = {
        "__op": op,
        "__source_lsn": None if op == "READ" and random.random() < 0.7 else lsn,
        "__ts_ms": seen,
        "__source_ts_ms": seen,
        "date": date(2026, 1, landed),
        "__source_file": f"date=2026-01-{landed:02d}/part-{position % 3}.parquet",
        "__source_row": position,
        "id": first_id + random.randrange(3),
    }
    return event if op == "DELETE" else event | _values(random, table, first_id, op)


def _values(random: Random, table: str, first_id: int, op: str) -> dict[str, Any]:
    left_out = [UNCHANGED_PLACEHOLDER] if op != "INSERT" else []
    references = [None, first_id + 90, *(first_id + number for number in range(3))]
    created = random.choice(FAR if random.random() < 0.1 else MOMENTS)
    if table == "users":
        texts = {
            "email": random.choice(["a@shop.example", "b", None, *left_out]),
            "first_name": random.choice(["Ada", *left_out]),
        }
        return {**texts, "created_at": created}
    if table == "orders":
        status = random.choice([*STATUSES, *left_out])
        amount = random.choice(MONEY)
        return {"user_id": random.choice(references), "status": status, "total_amount": amount, "created_at": created}
    return {
        "order_id": random.choice(references),
        "product_id": random.choice(references),
        "quantity": random.choice([None, 0, 1, 3]),
        "unit_price": random.choice(MONEY),
    }
