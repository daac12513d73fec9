"""What would mend a finding, and the story of one order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.layers.both import open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.present.story import order_story, tell
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.verdicts.plan import Action, repair_plan
from ecommerce_platform.settings import ReconciliationSettings
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.reconciled import LAST, MOVED, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import DAY, NOON, Event, TwoLayers

NEXT_DAY = DAY + timedelta(days=1)
REMEDIES = {
    "a change that the speed layer lacks": (MOVED, [MOVED[0]], Action.RELOAD_SPEED, NEXT_DAY),
    "an order that the speed layer lacks": ([ORDER], [], Action.RELOAD_SPEED, DAY),
    "another amount at the same LSN": ([ORDER], [ORDER.but(amount=None)], Action.RELOAD_SPEED, DAY),
    "a deletion that the speed layer lacks": ([ORDER, ORDER.deleted()], [ORDER], Action.RELOAD_SPEED, NEXT_DAY),
    "a change that the batch layer lacks": ([ORDER], [ORDER, ORDER.then("delivered")], Action.MATERIALIZE, NEXT_DAY),
    "a repair by an incremental snapshot that the speed layer lacks": (
        [ORDER, ORDER.read_again(amount=Decimal(20))],
        [ORDER],
        Action.RELOAD_SPEED,
        NEXT_DAY,
    ),
    "an order that the batch layer lacks": ([], [ORDER], Action.MATERIALIZE, DAY),
}


@pytest.mark.parametrize("situation", spread(REMEDIES, everyday=2, slow=1))
def test_the_plan_names_the_day_that_would_mend_a_finding(two: TwoLayers, situation: str) -> None:
    events, versions, action, day = REMEDIES[situation]
    two.batch(*events, LAST)
    two.speed(LAST)
    for version in versions:
        two.speed(version)
    (step,) = repair_plan(run(two).discrepancies, "/landing/")
    assert (step.action, step.day) == (action, day)
    assert str(day) in step.command


def test_after_the_plan_was_followed_the_finding_is_gone(two: TwoLayers) -> None:
    unloaded = Event(3, 300, day=DAY + timedelta(days=2), at=NOON + timedelta(days=2))
    two.batch(ORDER, *MOVED, LAST)
    two.speed(ORDER.but(amount=None), MOVED[0], unloaded, LAST)
    steps = repair_plan(run(two, run_id="a").discrepancies, "/landing")
    assert [(step.action, step.day, step.orders) for step in steps] == [
        (Action.RELOAD_SPEED, DAY, (1,)),
        (Action.RELOAD_SPEED, NEXT_DAY, (2,)),
        (Action.MATERIALIZE, unloaded.day, (3,)),
    ]
    for step in steps:
        if step.action is Action.RELOAD_SPEED:
            two.speed(*(event for event in (ORDER, *MOVED) if event.day == step.day))
        else:
            two.batch(ORDER, *MOVED, unloaded, LAST)
    healed = run(two, run_id="b")
    assert healed.findings == {}
    assert repair_plan(healed.discrepancies, "/landing") == ()


def tell_of(two: TwoLayers, order_id: int) -> str:
    store, settings = Store(two.connection), ReconciliationSettings()
    layers = open_layers(SpeedTable(two.client, "orders_realtime"), store, settings)
    return "\n".join(tell(order_story(layers, store, order_id)))


def test_an_order_tells_its_story_across_both_layers(two: TwoLayers) -> None:
    two.batch(*MOVED, LAST)
    two.speed(MOVED[0], LAST)
    run(two)
    text = tell_of(two, 2)
    assert "2026-01-05 12:00:00  INSERT  LSN 200" in text
    assert "UPDATE  LSN 201  status=shipped, updated_at=2026-01-06 12:00:00" in text
    assert f"from date={NEXT_DAY}/part-0.parquet row 1, snapshot 7006, load orders-{NEXT_DAY}-1" in text
    assert "Verdict: status_behind: speed pending, batch shipped" in text
    assert "the speed layer still shows the version of 2026-01-05 (LSN 200)" in text
    assert "status_behind, suspected: first seen 2026-01-20 00:00:00" in text
    assert "Elm Street" not in text


def test_an_order_that_agrees_and_one_that_nobody_knows(two: TwoLayers) -> None:
    two.both(ORDER, Event(3, 300).deleted(), LAST)
    assert "Verdict: the layers agree" in tell_of(two, 1)
    assert "DELETE  LSN 301" in tell_of(two, 3)
    assert tell_of(two, 4) == "Order 4: neither layer has ever seen it."
