"""One reconciliation of both layers in the stand-ins, and its results by order and metric."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ecommerce_platform.reconciliation.layers.both import open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.model import Reason, Status
from ecommerce_platform.reconciliation.reconcile import Reconciliation, reconcile
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import ReconciliationSettings
from ecommerce_platform_tests.reconciliation.two_layers import DAY, NOON, Event, TwoLayers

AT = datetime(2026, 1, 20, tzinfo=UTC)
#: An order of the last moment, so that the cut-off lies after everything else.
LAST = Event(900, 9000, at=NOON + timedelta(days=9), day=DAY + timedelta(days=9), created=NOON + timedelta(days=9))
ALL_DAYS = [DAY + timedelta(days=offset) for offset in range(10)]


def run(
    two: TwoLayers,
    days: list[date] | None = None,
    run_id: str = "run-1",
    at: datetime = AT,
    settings: ReconciliationSettings | None = None,
    table: str = "orders_realtime",
) -> Reconciliation:
    settings = settings or ReconciliationSettings()
    store = Store(two.connection)
    layers = open_layers(SpeedTable(two.client, table), store, settings)
    return reconcile(layers, store, ALL_DAYS if days is None else days, run_id, at, settings)


def reasons(reconciliation: Reconciliation) -> dict[int, Reason]:
    return {order_id: finding.reason for order_id, finding in reconciliation.findings.items()}


def statuses(reconciliation: Reconciliation, day: date = DAY, tier: str = "all") -> dict[str, Status]:
    return {v.metric: v.status for v in reconciliation.verdicts if v.date == day and v.user_tier == tier}


ORDER = Event(1, 100)
MOVED = Event(2, 200, "pending"), Event(2, 200, "pending").then("shipped")
