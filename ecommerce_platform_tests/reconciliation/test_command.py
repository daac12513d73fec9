"""What the command line offers: exit codes, and the functions over an installation's own servers."""

from __future__ import annotations

import json

import pytest

from ecommerce_platform.next_commands import platform_command
from ecommerce_platform.reconciliation import command
from ecommerce_platform.reconciliation.command import exit_code
from ecommerce_platform.reconciliation.model import FailOn, ReconciliationError
from ecommerce_platform.reconciliation.present import report
from ecommerce_platform.reconciliation.present.story import order_story, tell
from ecommerce_platform.reconciliation.verdicts.plan import repair_plan
from ecommerce_platform.settings import ReconciliationSettings, Settings
from ecommerce_platform_tests.reconciliation.reconciled import LAST, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import DAY, Event, TwoLayers

MANY = [Event(order_id, order_id) for order_id in range(10, 110)]


@pytest.mark.parametrize(
    ("speed", "lag_window", "failing"),
    [
        (MANY, 900, set()),
        ([*MANY[1:], MANY[0].but(status="delivered")], 900, {FailOn.SUSPECTED}),
        ([*MANY[1:], MANY[0].but(status="delivered")], 0, {FailOn.SUSPECTED, FailOn.CONFIRMED}),
        (MANY[7:], 900, {FailOn.SUSPECTED, FailOn.WARN}),
        (MANY[20:], 900, {FailOn.SUSPECTED, FailOn.WARN, FailOn.ERROR}),
    ],
)
def test_the_exit_code_follows_what_is_asked_for(
    two: TwoLayers, speed: list[Event], lag_window: int, failing: set[FailOn]
) -> None:
    two.batch(*MANY, LAST)
    two.speed(*speed, LAST)
    reconciliation = run(two, settings=ReconciliationSettings(lag_window_seconds=lag_window))
    assert {choice for choice in FailOn if exit_code(reconciliation, choice)} == failing


def test_an_installation_is_reconciled_explained_and_planned_from_its_settings(
    two: TwoLayers, servers_settings: Settings
) -> None:
    two.batch(ORDER, LAST)
    two.speed(LAST)
    reconciliation = command.reconcile_days(servers_settings, [DAY], "by-hand")
    machine = json.loads(json.dumps(report.as_json(reconciliation)))
    assert machine["discrepancies"][0]["reason"] == "missing_in_speed"
    assert machine["cut_off"] == "2026-01-14 12:00:00"
    with command.opened(servers_settings, "story") as (layers, store):
        assert "Verdict: missing_in_speed" in "\n".join(tell(order_story(layers, store, 1)))
        (step,) = repair_plan(store.open_discrepancies(), servers_settings.landing_uri)
    assert step.text.startswith(f"{platform_command()} realtime load {servers_settings.landing_uri}/orders/date={DAY}")


def test_a_launch_by_hand_moves_the_gate_that_readers_consult(two: TwoLayers, servers_settings: Settings) -> None:
    two.batch(ORDER, LAST)
    two.speed(LAST)
    gate = "select verified_through from reconciliation.verified_through"
    command.reconcile_days(servers_settings, [DAY, LAST.day], "by-hand-1")
    assert two.connection.cursor().execute(gate).fetchall() == [(None,)]
    two.speed(ORDER)
    command.reconcile_days(servers_settings, [], "by-hand-2")
    assert two.connection.cursor().execute(gate).fetchall() == [(LAST.created.date(),)]


def test_without_a_speed_layer_the_command_says_what_to_do(two: TwoLayers, servers_settings: Settings) -> None:
    two.client.command("drop table orders_realtime")
    with pytest.raises(ReconciliationError, match="realtime load"):
        command.reconcile_days(servers_settings, [DAY], "by-hand")
