"""Reconciling while dbt rewrites the batch layer: a half-built state is waited for, or refused, and never judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.layers.both import Layers, open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.layers.settled import batch_state, settled_state
from ecommerce_platform.reconciliation.layers.speed import SpeedOrders
from ecommerce_platform.reconciliation.model import ReconciliationError, Status
from ecommerce_platform.reconciliation.reconcile import reconcile
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import ReconciliationSettings, Settings
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform_tests.reconciliation.reconciled import AT, LAST, ORDER
from ecommerce_platform_tests.reconciliation.two_layers import DAY, Event, TwoLayers

NO_WAIT = ReconciliationSettings(wait_for_models_seconds=0)
CHANGED = ORDER.then("delivered", amount=Decimal("50.00"))


def layers_of(two: TwoLayers) -> Layers:
    return open_layers(SpeedTable(two.client, "orders_realtime"), Store(two.connection), NO_WAIT)


class Meanwhile(SpeedOrders):
    """The speed layer, during whose reading something happens on the batch side, as often as `times`."""

    happens: Callable[[int], None]
    times: int

    def key_bounds(self, dates):  # type: ignore[no-untyped-def]
        done = self.__dict__.setdefault("done", [])
        if len(done) < self.times:
            done.append(1)
            self.happens(len(done))
        return super().key_bounds(dates)


def interrupted(layers: Layers, happens: Callable[[int], None], times: int = 1) -> Layers:
    speed = layers.speed
    other = Meanwhile(speed.table, speed.contract, speed.columns, speed.compared)
    other.__dict__.update(happens=happens, times=times)
    return replace(layers, speed=other)


@pytest.fixture
def dbt(two: TwoLayers, servers_settings: Settings) -> Iterator[TwoLayers]:
    """The batch side by a connection of its own, as a build has it: both layers are read at the same time."""
    with closing(connect(servers_settings, "dbt")) as connection:
        yield replace(two, connection=connection)


def run_of(layers: Layers, two: TwoLayers):  # type: ignore[no-untyped-def]
    return reconcile(layers, Store(two.connection), [DAY], "run", AT, NO_WAIT)


def test_models_that_are_rebuilt_during_the_reading_are_read_again(two: TwoLayers, dbt: TwoLayers) -> None:
    two.batch(ORDER, CHANGED, LAST, applied=[DAY, LAST.day])
    two.speed(ORDER, CHANGED, LAST)

    def build(_: int) -> None:
        # Staging first, memory last, as dbt does it: between the two, readings belong to no state.
        dbt.batch(ORDER, CHANGED, LAST)

    reconciliation = run_of(interrupted(layers_of(two), build), two)
    assert reconciliation.findings == {}
    assert {verdict.status for verdict in reconciliation.verdicts} == {Status.OK}


def test_a_build_that_begins_during_the_reading_and_does_not_end_is_refused(two: TwoLayers, dbt: TwoLayers) -> None:
    two.batch(ORDER, CHANGED, LAST, applied=[DAY, LAST.day])
    two.speed(ORDER, CHANGED, LAST)

    def begin(_: int) -> None:
        dbt.build_begins([DAY, CHANGED.day, LAST.day])
        dbt.show([CHANGED, LAST])

    with pytest.raises(
        ReconciliationError,
        match=r"are being built, a build of them broke off, or only some of them were built: .* 1 days",
    ):
        run_of(interrupted(layers_of(two), begin), two)
    assert Store(two.connection).day_results() == []


def test_models_that_never_hold_still_are_refused_after_three_readings(two: TwoLayers, dbt: TwoLayers) -> None:
    two.both(ORDER, LAST)

    def rebuild(time: int) -> None:
        dbt.show([ORDER, LAST, *(Event(800 + number, 8000 + number) for number in range(time))])

    with pytest.raises(ReconciliationError, match="rebuilt during each of 3 measurements"):
        run_of(interrupted(layers_of(two), rebuild, times=3), two)


def test_a_build_is_waited_for_until_it_has_finished(two: TwoLayers) -> None:
    two.both(ORDER, LAST)
    two.build_begins([DAY, LAST.day, DAY + timedelta(days=1)])
    batch = layers_of(two).batch
    assert batch_state(batch).being_built
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            two.build_ends()

    assert not settled_state(batch, 60, pause=pause).being_built
    assert len(pauses) == 3


def test_a_build_of_the_same_days_with_other_thresholds_is_noticed(two: TwoLayers) -> None:
    two.both(ORDER, LAST)
    batch = layers_of(two).batch
    before = batch_state(batch)
    cursor = two.connection.cursor()
    cursor.execute(
        "create table if not exists staging.applied_definition (definition string, applied_at timestamp_ntz)"
    )
    cursor.execute("insert into staging.applied_definition select 'other', sysdate()")
    try:
        assert batch_state(batch) != before
    finally:
        cursor.execute("drop table staging.applied_definition")
