"""The verdict on a written day, and the warning about its volume: pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.lakehouse.ingest.audit import DayAudit, verdict, volume_warning

DAY = date(2026, 3, 2)
GOOD = DayAudit("orders", DAY, landed=1000, published=985, quarantined=10, duplicates=5)
ONE_PERCENT = Decimal("0.01")


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        (GOOD, None),
        (replace(GOOD, landed=0, published=0, quarantined=0, duplicates=0), None),
        (replace(GOOD, published=984), "expected the three to add up"),
        (replace(GOOD, published=986), "expected the three to add up"),
        (replace(GOOD, quarantined=11, published=984), "11 of 1000 rows (1.10%) cannot be read as events"),
        (replace(GOOD, null_keys=1), "1 written rows have a null key"),
        (replace(GOOD, null_metadata=2), "2 written rows lack __op"),
        (replace(GOOD, landed=1, published=0, quarantined=1, duplicates=0), "1 of 1 rows (100.00%)"),
    ],
)
def test_a_day_is_good_when_nothing_is_lost_and_little_is_unreadable(audit: DayAudit, reason: str | None) -> None:
    problem = verdict(audit, ONE_PERCENT)
    if reason is None:
        assert problem is None
    else:
        assert problem is not None
        assert problem.startswith("orders, 2026-03-02: ")
        assert reason in problem


def history(*landed: int, step: timedelta) -> dict[date, DayRecord]:
    days = [DAY - step * number for number in range(1, len(landed) + 1)]
    return {
        day: DayRecord("orders", day, 1, "content", rows, rows, 0, 0, 1, 1, "run")
        for day, rows in zip(days, landed, strict=True)
    }


@pytest.mark.parametrize(
    ("records", "landed", "warning"),
    [
        ({}, 0, None),
        (history(100, step=timedelta(weeks=1)), 0, None),
        (history(100, 110, 90, 100, step=timedelta(weeks=1)), 100, None),
        (history(100, 110, 90, 100, step=timedelta(weeks=1)), 50, None),
        (
            history(100, 110, 90, 100, step=timedelta(weeks=1)),
            49,
            "49 rows landed on 2026-03-02; usually there are 100",
        ),
        (
            history(100, 110, 90, 100, step=timedelta(weeks=1)),
            201,
            "201 rows landed on 2026-03-02; usually there are 100",
        ),
        (history(100, 110, 90, step=timedelta(days=1)), 0, "no rows landed on 2026-03-02; usually there are 100"),
        (history(0, 0, 0, step=timedelta(days=1)), 0, None),
    ],
)
def test_an_unusual_volume_is_a_warning(records: dict[date, DayRecord], landed: int, warning: str | None) -> None:
    assert volume_warning(records, DAY, landed) == warning
