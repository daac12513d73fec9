"""Giving up, on purpose, the published events that landing days lack: what a person does with `refused publish --withdraw`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.by_hand.refused import Decision, publish_refused
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.settings import Settings


def withdraw_absent(
    settings: Settings, run_id: str = "withdrawal", reached: Callable[[str], None] = lambda step: None
) -> list[tuple[str, date]]:
    """Publishes every day that is refused because published events are gone; returns them, by table and day."""
    decision = Decision("replaced by the test", "ada", "2026-01-05T08:00:00+00:00", run_id, reached, withdraw=True)
    days = [
        (table, day)
        for table, ledger in read_ledger(Lake.of(settings)).items()
        for day, item in ledger.refused.items()
        if item.audited and item.audited.gone
    ]
    for table, day in days:
        publish_refused(Lake.of(settings), load_contracts()[table], day, decision)
    return days
