"""An installation that sends notifications, with an event log of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dagster as dg

from ecommerce_platform.operations.notifications.sensor import LateDay, State, tick
from ecommerce_platform.settings import Settings

PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-31")


class Office:
    """An installation with an event log of its own, and a clock that the test moves."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance, self.settings = instance, settings
        self.now = datetime(2026, 1, 5, 3, tzinfo=UTC).timestamp()
        self.missing: tuple[str, ...] = ()
        self.asked: list[date] = []

    def tick(self) -> tuple[str, ...]:
        late_day = LateDay(self.settings.operations.day_late_hour_utc, self.settings.start_date, self._ask)
        return tick(self.instance, self.settings.notifications, late_day, clock=lambda: self.now).remarks

    def _ask(self, day: date) -> tuple[str, ...]:
        self.asked.append(day)
        return self.missing

    def run(self, *, fails: bool = False, check: bool | None = None, day: str = "2026-01-01", orders: str = "") -> None:
        key = dg.AssetKey(["reconciliation", "order_discrepancies"] if orders else ["marts", "daily"])

        @dg.asset(key=key, partitions_def=PARTITIONS)
        def made() -> None:
            if fails:
                raise ValueError("the <price> is not a number")

        @dg.asset_check(asset=key, name="confirmed_discrepancies" if orders else "adds_up", blocking=True)
        def checked() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=bool(check), description="2 rows too many", metadata={"orders": orders})

        parts = [made, checked] if check is not None else [made]
        dg.materialize(parts, instance=self.instance, partition_key=day, raise_on_error=False)

    @property
    def waiting(self) -> int:
        return State.load(self.instance).outbox.pending
