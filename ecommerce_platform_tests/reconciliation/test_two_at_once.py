"""Two reconciliations at once: the later one builds on the earlier, and erases nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from ecommerce_platform.reconciliation import command
from ecommerce_platform.reconciliation.layers.both import open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.model import Reason, ReconciliationError
from ecommerce_platform.reconciliation.reconcile import reconcile
from ecommerce_platform.reconciliation.record.storage import Overtaken, Store
from ecommerce_platform.settings import ReconciliationSettings, Settings
from ecommerce_platform.warehouse.sql.connection import connect, execute
from ecommerce_platform_tests.reconciliation.reconciled import AT, LAST, ORDER
from ecommerce_platform_tests.reconciliation.test_settled import interrupted, layers_of
from ecommerce_platform_tests.reconciliation.two_layers import DAY, Event, TwoLayers

#: Of another business date than ORDER, and landed on another day.
LATER = ORDER.created + timedelta(days=3)
OTHER = Event(2, 200, day=LATER.date(), created=LATER, at=LATER)
LIMITS = ReconciliationSettings(wait_for_models_seconds=0)


@pytest.fixture
def beside(two: TwoLayers, servers_settings: Settings) -> Iterator[TwoLayers]:
    """The same layers by a connection of its own, as another process has it."""
    with closing(connect(servers_settings, "beside")) as connection:
        yield replace(two, connection=connection)


def reconcile_beside(beside: TwoLayers, run_id: str) -> None:
    store = Store(beside.connection)
    layers = open_layers(SpeedTable(beside.client, "orders_realtime"), store, LIMITS)
    reconcile(layers, store, [OTHER.day], run_id, AT, LIMITS)


def test_what_one_writes_while_the_other_measures_stays(two: TwoLayers, beside: TwoLayers) -> None:
    two.batch(ORDER, OTHER, LAST)
    two.speed(LAST)
    layers = interrupted(layers_of(two), lambda _: reconcile_beside(beside, "beside"))

    reconcile(layers, Store(two.connection), [DAY], "first", AT, LIMITS)

    stored = {item.finding.order_id: item for item in Store(two.connection).open_discrepancies()}
    assert {order: item.finding.reason for order, item in stored.items()} == {
        1: Reason.MISSING_IN_SPEED,
        2: Reason.MISSING_IN_SPEED,
    }
    assert stored[2].first_run_id == "beside"
    assert stored[1].first_run_id == "first"


def test_one_that_is_overtaken_each_time_says_so_and_writes_nothing(two: TwoLayers, beside: TwoLayers) -> None:
    two.batch(ORDER, OTHER, LAST)
    two.speed(LAST)
    layers = interrupted(layers_of(two), lambda time: reconcile_beside(beside, f"beside-{time}"), times=3)

    with pytest.raises(Overtaken, match="another reconciliation was written while first measured"):
        reconcile(layers, Store(two.connection), [DAY], "first", AT, LIMITS)

    assert {item.finding.order_id for item in Store(two.connection).open_discrepancies()} == {2}


def test_the_command_waits_for_a_reconciliation_elsewhere_and_then_names_it(
    two: TwoLayers, servers_settings: Settings
) -> None:
    two.both(ORDER, LAST)
    execute(
        two.connection,
        "update RAW.LEASES set owner = 'run nightly on pod-7', token = 't', acquired_at = sysdate(), "
        "expires_at = dateadd('second', 600, sysdate()) where name = 'reconciliation'",
    )
    limits = servers_settings.reconciliation.model_copy(update={"wait_for_other_seconds": 0.5})
    impatient = servers_settings.model_copy(update={"reconciliation": limits})
    lines: list[str] = []
    try:
        with pytest.raises(
            ReconciliationError, match=r"at work: .* held by run nightly on pod-7 since .* waited 0.5 s"
        ):
            command.reconcile_days(impatient, [DAY], "by-hand", lines.append)
    finally:
        execute(two.connection, "update RAW.LEASES set owner = null, token = null, expires_at = null")
    assert [line for line in lines if "waiting for RAW.LEASES 'reconciliation'" in line]
    assert command.reconcile_days(impatient, [DAY], "by-hand").run.run_id == "by-hand"


def test_a_build_of_unchanged_days_is_waited_for_as_well(two: TwoLayers, beside: TwoLayers) -> None:
    """`rebuild marts` freezes the days that are applied already: only its lease shows that it is at work."""
    two.both(ORDER, LAST)
    execute(
        two.connection,
        "update RAW.LEASES set owner = 'run rebuild on laptop', token = 't', acquired_at = sysdate(), "
        "expires_at = dateadd('second', 600, sysdate()) where name = 'models'",
    )
    try:
        with pytest.raises(ReconciliationError, match="being built by run rebuild on laptop since"):
            reconcile(layers_of(two), Store(two.connection), [DAY], "run", AT, LIMITS)
    finally:
        execute(two.connection, "update RAW.LEASES set owner = null, token = null, expires_at = null")
