"""Orders that differ, all situations reconciled at once: each is found with its reason and both values."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.model import Finding, Reason
from ecommerce_platform_tests.reconciliation.reconciled import LAST, MOVED, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import DAY, NOON, Event, TwoLayers, together


def _shift(hours: float) -> dict[str, datetime]:
    return {"created": NOON + timedelta(hours=hours)}


DIFFERING = {
    "missing in speed": ([ORDER], [], Reason.MISSING_IN_SPEED, None, "status=shipped, total_amount=10.00"),
    "missing in batch": ([], [ORDER], Reason.MISSING_IN_BATCH, "status=shipped, total_amount=10.00", None),
    "deleted in speed only": (
        [ORDER],
        [ORDER, ORDER.deleted()],
        Reason.DELETED_IN_SPEED,
        None,
        "status=shipped, total_amount=10.00",
    ),
    "deleted in batch only": (
        [ORDER, ORDER.deleted()],
        [ORDER],
        Reason.DELETED_IN_BATCH,
        "status=shipped, total_amount=10.00",
        None,
    ),
    "amount": ([ORDER], [ORDER.but(amount=Decimal("10.02"))], Reason.AMOUNT, "10.02", "10.00"),
    "amount lost": ([ORDER], [ORDER.but(amount=None)], Reason.AMOUNT, None, "10.00"),
    "rounding": ([ORDER], [ORDER.but(amount=Decimal("10.01"))], Reason.ROUNDING, "10.01", "10.00"),
    "an older version": (list(MOVED), [MOVED[0]], Reason.STATUS_BEHIND, "pending", "shipped"),
    "a status behind": ([ORDER], [ORDER.but(status="pending")], Reason.STATUS_BEHIND, "pending", "shipped"),
    "a status ahead": ([ORDER], [ORDER.but(status="delivered")], Reason.STATUS_AHEAD, "delivered", "shipped"),
    "sums equal, status wrong": (
        [ORDER.but(status="delivered")],
        [ORDER.but(status="processing")],
        Reason.STATUS_BEHIND,
        "processing",
        "delivered",
    ),
    "impossible move": (
        [ORDER.but(status="delivered")],
        [ORDER.but(status="cancelled")],
        Reason.IMPOSSIBLE_STATUS_MOVE,
        "cancelled",
        "delivered",
    ),
    "unknown status": ([ORDER], [ORDER.but(status="SHIPPED")], Reason.IMPOSSIBLE_STATUS_MOVE, "SHIPPED", "shipped"),
    "a time zone": (
        [ORDER],
        [ORDER.but(**_shift(-5))],
        Reason.TIME_SHIFT_WHOLE_HOURS,
        "2026-01-05 07:00:00",
        "2026-01-05 12:00:00",
    ),
    "a time zone across midnight": (
        [ORDER],
        [ORDER.but(**_shift(13))],
        Reason.TIME_SHIFT_WHOLE_HOURS,
        "2026-01-06 01:00:00",
        "2026-01-05 12:00:00",
    ),
    "half an hour is not a zone": (
        [ORDER],
        [ORDER.but(**_shift(0.5))],
        Reason.OTHER,
        "2026-01-05 12:30:00",
        "2026-01-05 12:00:00",
    ),
    "no address and an empty one": (
        [ORDER.but(address=None)],
        [ORDER.but(address="")],
        Reason.OTHER,
        "(personal)",
        "(personal)",
    ),
    "fifteen hours are not a zone": (
        [ORDER],
        [ORDER.but(created=NOON - timedelta(hours=15))],
        Reason.OTHER,
        "2026-01-04 21:00:00",
        "2026-01-05 12:00:00",
    ),
    "another user": ([ORDER], [ORDER.but(user=2)], Reason.OTHER, "2", "1"),
    "an address, which is personal": ([ORDER], [ORDER.but(address="x")], Reason.OTHER, "(personal)", "(personal)"),
    "a text that ends in a blank": (
        [ORDER],
        [ORDER.but(status="shipped ")],
        Reason.IMPOSSIBLE_STATUS_MOVE,
        "shipped ",
        "shipped",
    ),
    "an older event after the cut-off's LSN is not lag": (
        [ORDER],
        [ORDER.but(lsn=50, amount=Decimal(99), at=NOON + timedelta(days=30))],
        Reason.AMOUNT,
        "99.00",
        "10.00",
    ),
    "a repair by an incremental snapshot that the speed layer lacks": (
        [ORDER, ORDER.read_again(amount=Decimal(20))],
        [ORDER],
        Reason.AMOUNT,
        "10.00",
        "20.00",
    ),
    "a version below the LSN that a snapshot row stands after is not lag": (
        [ORDER, ORDER.read_again(amount=Decimal(20))],
        [ORDER.but(lsn=50, at=NOON + timedelta(days=30))],
        Reason.AMOUNT,
        "10.00",
        "20.00",
    ),
    "a version above the LSN that a snapshot row stands after is lag": (
        [ORDER, ORDER.read_again(amount=Decimal(20))],
        [ORDER.but(lsn=101, amount=Decimal(30), at=NOON + timedelta(days=30))],
        Reason.LAG,
        "30.00",
        "20.00",
    ),
    "a newer version before the cut-off is not lag": (
        [ORDER],
        [ORDER, ORDER.then("delivered")],
        Reason.STATUS_AHEAD,
        "delivered",
        "shipped",
    ),
    "a newer version after the cut-off is lag": (
        [ORDER],
        [ORDER, ORDER.then("delivered", 12)],
        Reason.LAG,
        "status=delivered, updated_at=2026-01-17 12:00:00",
        "status=shipped, updated_at=None",
    ),
    "a new order after the cut-off is lag": (
        [],
        [ORDER.but(at=NOON + timedelta(days=12))],
        Reason.LAG,
        "status=shipped, total_amount=10.00",
        None,
    ),
    "a delete after the cut-off is lag": (
        [ORDER],
        [ORDER, ORDER.deleted(12)],
        Reason.LAG,
        None,
        "status=shipped, total_amount=10.00",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def differing(tables: TwoLayers) -> dict[str, list[Finding]]:
    """The findings of each situation, all of them reconciled at once among orders that agree."""
    tables.reset()
    neighbours = [Event(order_id, 500 + order_id) for order_id in range(10, 40)]
    tables.speed(*neighbours, LAST)
    bases = together(tables, [(events, versions) for events, versions, *_ in DIFFERING.values()], *neighbours, LAST)
    findings = run(tables).findings.values()
    return {
        name: [finding for finding in findings if finding.order_id // 1000 == base // 1000]
        for name, base in zip(DIFFERING, bases, strict=True)
    } | {"neighbours": [finding for finding in findings if finding.order_id < 1000]}


@pytest.mark.parametrize("situation", DIFFERING)
def test_an_order_that_differs_is_found_with_its_reason_and_both_values(
    differing: dict[str, list[Finding]], situation: str
) -> None:
    *_, reason, speed_value, batch_value = DIFFERING[situation]
    (finding,) = differing[situation]
    assert (finding.reason, finding.speed_value, finding.batch_value) == (reason, speed_value, batch_value)
    assert finding.date == DAY


def test_orders_beside_those_that_differ_are_not_found(differing: dict[str, list[Finding]]) -> None:
    assert differing["neighbours"] == []
