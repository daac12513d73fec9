"""Faults of every kind in random numbers and places, while a writer keeps changing orders: all found, with the right reason, and
nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecommerce_platform.reconciliation.layers.batch import BatchOrders
from ecommerce_platform.reconciliation.layers.both import Layers, open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.layers.measure import measure
from ecommerce_platform.reconciliation.model import BatchEvent, Finding, Reason, Status
from ecommerce_platform.reconciliation.reconcile import explain_orders
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.search.locate import locate
from ecommerce_platform.reconciliation.verdicts.verdict import Tolerances, judge
from ecommerce_platform.settings import ReconciliationSettings, Settings
from ecommerce_platform_tests.reconciliation.faulty_shop import (
    AFTER,
    CUT_OFF,
    EVENTS,
    GONE,
    HISTORY,
    LATEST,
    LIVE,
    Fault,
    faults,
    plant,
    writer,
)
from ecommerce_platform_tests.reconciliation.two_layers import Event, TwoLayers

DATES = sorted({event.created.date() for event in EVENTS})


@pytest.fixture(scope="module")
def layers(tables: TwoLayers) -> Layers:
    """The shop in the batch layer, and both layers ready to be asked."""
    tables.reset()
    tables.batch(*EVENTS)
    return open_layers(SpeedTable(tables.client, "orders_realtime"), Store(tables.connection), ReconciliationSettings())


def findings_of(layers: Layers) -> dict[int, Finding]:
    cut_off = layers.batch.cut_off()
    assert cut_off == CUT_OFF
    return explain_orders(layers, locate(layers.speed, layers.batch, DATES).keys, cut_off)


def check(layers: Layers, two: TwoLayers, servers_settings: Settings, planted: list[Fault]) -> None:
    plant(two, planted)
    with writer(servers_settings, {fault.order_id for fault in planted}):
        findings = findings_of(layers)
    expected = {fault.order_id: fault.reason for fault in planted if fault.reason is not Reason.LAG}
    assert {key: item.reason for key, item in findings.items() if item.reason is not Reason.LAG} == expected
    for fault in planted:
        if fault.reason is Reason.LAG:
            assert findings[fault.order_id].reason is Reason.LAG


def test_faults_of_every_kind_at_once_are_found_while_orders_are_written(
    layers: Layers, tables: TwoLayers, servers_settings: Settings
) -> None:
    """One of each, so that no kind depends on chance."""
    shipped = next(o for o in LIVE if LATEST[o].status == "shipped")
    delivered, *others = [o for o in LIVE if LATEST[o].status == "delivered"]
    right = {place: LATEST[order_id] for place, order_id in enumerate(others)}
    planted = [
        Fault(Reason.MISSING_IN_SPEED, others[0], ()),
        Fault(Reason.MISSING_IN_BATCH, 10**12, (Event(10**12, 5),)),
        Fault(Reason.MISSING_IN_BATCH, -(10**12), (Event(-(10**12), 5),)),
        Fault(Reason.DELETED_IN_SPEED, others[1], (right[1], right[1].deleted(0))),
        Fault(Reason.DELETED_IN_BATCH, GONE[0], (HISTORY[GONE[0]][-2],)),
        Fault(Reason.AMOUNT, others[2], (right[2].but(amount=None),)),
        Fault(Reason.ROUNDING, others[3], (right[3].but(amount=(right[3].amount or 0) + Decimal("0.01")),)),
        Fault(Reason.STATUS_BEHIND, others[4], (HISTORY[others[4]][0],)),
        Fault(Reason.STATUS_AHEAD, shipped, (LATEST[shipped].but(status="delivered"),)),
        Fault(Reason.IMPOSSIBLE_STATUS_MOVE, delivered, (LATEST[delivered].but(status="cancelled"),)),
        Fault(Reason.DUPLICATE, others[5], (right[5], right[5].but(amount=Decimal("1.23")))),
        Fault(Reason.TIME_SHIFT_WHOLE_HOURS, others[6], (right[6].but(created=right[6].created - timedelta(hours=8)),)),
        Fault(Reason.OTHER, others[7], (right[7].but(user=None),)),
        Fault(Reason.LAG, others[8], (right[8], right[8].but(lsn=right[8].lsn + 1, at=AFTER, status="lost"))),
    ]
    assert {fault.reason for fault in planted} == set(Reason)
    check(layers, tables, servers_settings, planted)


PLANTED = st.lists(faults(), min_size=1, max_size=25, unique_by=lambda fault: fault.order_id)
_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=15, deadline=None, suppress_health_check=_CHECKS)
@given(planted=PLANTED)
def test_every_fault_is_found_with_its_reason_and_nothing_else(
    layers: Layers, tables: TwoLayers, servers_settings: Settings, planted: list[Fault]
) -> None:
    check(layers, tables, servers_settings, planted)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=_CHECKS)
@given(planted=PLANTED)
def test_every_fault_is_found_in_two_hundred_shops(
    layers: Layers, tables: TwoLayers, servers_settings: Settings, planted: list[Fault]
) -> None:
    check(layers, tables, servers_settings, planted)


def test_metrics_agree_while_orders_are_written(layers: Layers, tables: TwoLayers, servers_settings: Settings) -> None:
    plant(tables, [])
    with writer(servers_settings, set()):
        for _ in range(5):
            verdicts = judge(measure(layers.speed, layers.batch, DATES, CUT_OFF), Tolerances(Decimal(0), Decimal(0)))
            assert {verdict.status for verdict in verdicts} == {Status.OK}


def test_nobody_asks_for_orders_that_came_after_all_that_the_batch_layer_knows(
    layers: Layers, tables: TwoLayers, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tables, [])
    ahead = range(9 * 10**6, 9 * 10**6 + 40)
    order = LATEST[LIVE[0]]
    for number in ahead:
        tables.speed(order.but(id=number, lsn=2 * 10**7 + number, at=AFTER))
    asked: set[int] = set()
    history = BatchOrders.history

    def recorded_history(batch: BatchOrders, ids: Iterable[int]) -> dict[int, list[BatchEvent]]:
        asked.update(ids := list(ids))
        return history(batch, ids)

    monkeypatch.setattr(BatchOrders, "history", recorded_history)
    measured = measure(layers.speed, layers.batch, DATES, CUT_OFF)

    assert asked.isdisjoint(ahead)
    assert measured.lagging[order.created.date()] == len(ahead)
    assert {verdict.status for verdict in judge(measured, Tolerances(Decimal(0), Decimal(0)))} == {Status.OK}


def test_the_shop_without_faults_has_no_finding(layers: Layers, tables: TwoLayers) -> None:
    plant(tables, [])
    assert findings_of(layers) == {}
