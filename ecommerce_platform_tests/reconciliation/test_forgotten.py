"""Erased in the batch layer alone, an order of a forgotten person differs in nothing; any other difference stays one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.landing.forgotten import Entry, Forgotten, key_check
from ecommerce_platform.reconciliation.model import OrderVersion
from ecommerce_platform.reconciliation.verdicts.explain import explain
from ecommerce_platform.reconciliation.verdicts.forgotten import as_erased

KEY = b"key"
OPENED = Forgotten(KEY)
ENTRY = Entry(
    OPENED.person("users", 7),
    "users",
    key_check(KEY),
    "asked",
    "ada",
    "2026-02-01",
    owned={"orders": (OPENED.owned("orders", 4),)},
)
PEOPLE = Forgotten(KEY, (ENTRY,))
COMPARED = ["user_id", "status", "shipping_address"]
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def version(order_id: int, user: int | None, address: str | None, **values: Any) -> OrderVersion:
    return OrderVersion(
        order_id, 100, NOON, {"user_id": user, "status": "shipped", "shipping_address": address, **values}
    )


@pytest.mark.parametrize(
    ("speed", "batch", "differs"),
    [
        (version(1, 7, "hers"), version(1, 7, None), ()),
        (version(4, None, "hers"), version(4, None, None), ()),
        (version(1, 7, "hers", status="pending"), version(1, 7, None), ("status",)),
        (version(1, 8, "his"), version(1, 8, None), ("shipping_address",)),
        (version(4, 8, "his"), version(4, 8, None), ("shipping_address",)),
        (version(1, 7, "old"), version(1, 7, "new"), ("shipping_address",)),
        (version(1, 8, "hers"), version(1, 7, None), ("user_id",)),
    ],
)
def test_only_what_was_erased_is_no_difference(
    speed: OrderVersion, batch: OrderVersion, differs: tuple[str, ...]
) -> None:
    seen = as_erased(speed, batch, PEOPLE, load_contracts(), "orders")
    finding = explain(seen, batch, COMPARED, NOON)
    assert (finding.columns if finding else ()) == differs


def test_without_forgotten_people_nothing_is_looked_at() -> None:
    speed = version(1, 7, "hers")
    assert as_erased(speed, version(1, 7, None), Forgotten(), {}, "orders") is speed
