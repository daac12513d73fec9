"""Both layers in the real stand-ins, one situation a test: what is found, why, and what the metrics say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecommerce_platform.reconciliation.layers import speed
from ecommerce_platform.reconciliation.layers.batch import BatchOrders
from ecommerce_platform.reconciliation.layers.both import open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.model import Reason, ReconciliationError, State, Status
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import ReconciliationSettings
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.reconciled import AT, LAST, MOVED, ORDER, reasons, run, statuses
from ecommerce_platform_tests.reconciliation.two_layers import DAY, NOON, Event, TwoLayers, together

EDGE = datetime(2026, 1, 5, 23, 59, 59, 999999, tzinfo=UTC)

AGREEING = {
    "the same orders": ([ORDER, *MOVED], [ORDER, *MOVED]),
    "the speed layer wrote a version twice": ([ORDER], [ORDER, ORDER]),
    "equal values with another LSN": ([ORDER], [ORDER.but(lsn=99)]),
    "deleted on both sides": ([ORDER, ORDER.deleted()], [ORDER, ORDER.deleted()]),
    "deleted in batch and never seen in speed": ([ORDER, ORDER.deleted()], []),
    "deleted in speed and never seen in batch": ([], [ORDER, ORDER.deleted()]),
    "nulls everywhere": (
        [ORDER.but(status=None, amount=None, user=None, address=None)],
        [ORDER.but(status=None, amount=None, user=None, address=None)],
    ),
    "unicode, quotes and separators": (
        [ORDER.but(address="Straße 😀; 'a' \\ V3:N;\n\t%s")],
        [ORDER.but(address="Straße 😀; 'a' \\ V3:N;\n\t%s")],
    ),
    "large and negative keys": (
        [ORDER.but(id=10**12), ORDER.but(id=-(10**9))],
        [ORDER.but(id=10**12), ORDER.but(id=-(10**9))],
    ),
    "the last microsecond of a day": ([ORDER.but(created=EDGE)], [ORDER.but(created=EDGE)]),
    "years ago": (
        [ORDER.but(created=datetime(1969, 7, 20, 20, 17, 40, 5, tzinfo=UTC))],
        [ORDER.but(created=datetime(1969, 7, 20, 20, 17, 40, 5, tzinfo=UTC))],
    ),
    "re-inserted after a delete": (
        [ORDER, ORDER.deleted(), ORDER.then("shipped", 2, lsn=102)],
        [ORDER, ORDER.deleted(), ORDER.then("shipped", 2, lsn=102)],
    ),
}


def test_layers_agree(two: TwoLayers) -> None:
    two.both(LAST)
    together(two, AGREEING.values(), LAST)
    reconciliation = run(two)
    assert reasons(reconciliation) == {}
    # Both engines computed the same checksums: no order had to be fetched to find out.
    assert reconciliation.located.keys == ()
    assert {verdict.status for verdict in reconciliation.verdicts} == {Status.OK}


def test_rivals_at_one_lsn_are_a_duplicate(two: TwoLayers) -> None:
    two.batch(ORDER, LAST)
    two.speed(ORDER, LAST)
    two.speed(ORDER.but(amount=Decimal("12.00")))
    assert reasons(run(two)) == {1: Reason.DUPLICATE}


def test_lagging_orders_are_asked_for_together_however_they_arrive(
    two: TwoLayers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine's blocks may be of a row each; a question to the batch layer for each of them took a minute for 60,000 orders."""
    orders = [ORDER.but(id=number, lsn=number) for number in range(1, 41)]
    two.both(*orders, LAST)
    two.speed(*(order.then("shipped", 30, lsn=1000 + order.id) for order in orders))
    blocks, history = SpeedTable.blocks, BatchOrders.history
    asked: list[int] = []

    def single(table: SpeedTable, *question: Any) -> Iterator[Any]:
        return ([row] for block in blocks(table, *question) for row in block)

    def counted(batch: BatchOrders, ids: Iterable[int]) -> Any:
        asked.append(len(list(ids)))
        return history(batch, ids)

    monkeypatch.setattr(SpeedTable, "blocks", single)
    monkeypatch.setattr(BatchOrders, "history", counted)
    assert run(two).measurement.lagging == {DAY: len(orders)}
    assert asked[0] == len(orders)


@pytest.mark.parametrize("most_picked", [0, 2_000_000], ids=["all keys are grouped", "keys of the dates are grouped"])
def test_lagging_orders_leave_both_sides_and_are_counted(
    two: TwoLayers, monkeypatch: pytest.MonkeyPatch, most_picked: int
) -> None:
    monkeypatch.setattr(speed, "MOST_PICKED", most_picked)
    later = NOON + timedelta(days=12)
    stays, moves, goes = Event(1, 100), Event(2, 200, user=2), Event(3, 300, user=3)
    comes = Event(4, 400, user=4, at=later)
    two.batch(stays, moves, goes, LAST)
    two.speed(stays, moves, goes, LAST)
    two.speed(moves.then("cancelled", 12), goes.deleted(12), comes)
    reconciliation = run(two)
    assert reasons(reconciliation) == {2: Reason.LAG, 3: Reason.LAG, 4: Reason.LAG}
    assert reconciliation.measurement.lagging == {DAY: 3}
    assert set(statuses(reconciliation).values()) == {Status.OK}
    assert reconciliation.measurement.batch[DAY, "all"]["total_orders"] == 1
    assert reconciliation.discrepancies == ()
    assert reconciliation.courses[DAY].converged


def test_a_version_after_the_cut_off_with_equal_values_stays(two: TwoLayers) -> None:
    two.batch(ORDER, LAST)
    two.speed(ORDER.but(lsn=150, at=NOON + timedelta(days=20)), LAST)
    reconciliation = run(two)
    assert reconciliation.measurement.speed[DAY, "all"]["total_orders"] == 1
    assert reconciliation.findings == {}


def test_revenue_is_compared_over_purchases_and_orders_over_all(two: TwoLayers) -> None:
    orders = [Event(1, 1, "pending"), Event(2, 2, "delivered", Decimal("30.00"), user=2), Event(3, 3, "cancelled")]
    two.both(*orders, LAST)
    values = run(two).measurement.speed[DAY, "all"]
    assert (values["active_customers"], values["total_orders"]) == (2, 3)
    assert (values["total_revenue"], values["avg_order_value"]) == (Decimal("30.00"), Decimal("30.00"))


def test_a_missing_order_of_an_unknown_user_shows_in_its_tier(two: TwoLayers) -> None:
    two.batch(Event(1, 1, user=2), Event(2, 2, user=77), LAST)
    two.speed(Event(1, 1, user=2), LAST)
    reconciliation = run(two)
    assert set(statuses(reconciliation, tier="gold").values()) == {Status.OK}
    assert set(statuses(reconciliation, tier="unknown").values()) == {Status.ERROR}


def test_a_batch_value_of_zero_is_a_full_discrepancy(two: TwoLayers) -> None:
    two.batch(LAST)
    two.speed(ORDER, LAST)
    verdict = next(
        v for v in run(two).verdicts if v.date == DAY and v.metric == "total_orders" and v.user_tier == "all"
    )
    assert (verdict.percentage_difference, verdict.status) == (1, Status.ERROR)


def test_a_mart_that_disagrees_with_its_orders_shows(two: TwoLayers) -> None:
    two.both(ORDER, LAST)
    two.connection.cursor().execute(
        "update marts.daily_business_metrics set total_revenue = 20.00 where date = %s", (DAY,)
    )
    assert statuses(run(two))["total_revenue"] is Status.ERROR
    assert statuses(run(two))["total_orders"] is Status.OK


def test_a_status_error_that_leaves_every_sum_equal_is_found(two: TwoLayers) -> None:
    two.batch(ORDER.but(status="delivered"), Event(2, 200, user=2), LAST)
    two.speed(ORDER.but(status="shipped"), Event(2, 200, user=2), LAST)
    reconciliation = run(two)
    assert {verdict.status for verdict in reconciliation.verdicts} == {Status.OK}
    assert reasons(reconciliation) == {1: Reason.STATUS_BEHIND}


def test_a_business_date_is_half_open(two: TwoLayers) -> None:
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    last, first = Event(1, 100, created=EDGE), Event(2, 200, created=midnight)
    two.batch(last, first, LAST)
    two.speed(last, LAST)
    reconciliation = run(two)
    assert set(statuses(reconciliation, DAY).values()) == {Status.OK}
    assert statuses(reconciliation, midnight.date())["total_orders"] is Status.ERROR
    assert {order_id: finding.date for order_id, finding in reconciliation.findings.items()} == {2: midnight.date()}


def test_days_without_data_on_one_side_or_on_both(two: TwoLayers) -> None:
    only_batch, only_speed = DAY + timedelta(days=2), DAY + timedelta(days=4)
    two.batch(Event(1, 100, created=NOON + timedelta(days=2)), LAST)
    two.speed(Event(2, 200, created=NOON + timedelta(days=4)), LAST)
    reconciliation = run(two)
    assert {order_id: (f.reason, f.date) for order_id, f in reconciliation.findings.items()} == {
        1: (Reason.MISSING_IN_SPEED, only_batch),
        2: (Reason.MISSING_IN_BATCH, only_speed),
    }
    for day in (only_batch, only_speed):
        assert statuses(reconciliation, day)["total_orders"] is Status.ERROR
    # A day that neither layer has orders on has no figures, and breaks no run of converged days.
    assert DAY + timedelta(days=1) not in reconciliation.run.dates


def test_layers_that_both_have_no_orders_left_agree(two: TwoLayers) -> None:
    two.batch(ORDER, ORDER.deleted())
    two.speed(ORDER, ORDER.deleted())
    reconciliation = run(two)
    assert reconciliation.findings == {}
    assert {verdict.status for verdict in reconciliation.verdicts} <= {Status.OK}


def test_large_and_negative_keys_that_differ_are_found(two: TwoLayers) -> None:
    keys = (10**12, -(10**12), 2**62, -1, 0)
    two.batch(*(ORDER.but(id=key) for key in keys), LAST)
    two.speed(*(ORDER.but(id=key, amount=Decimal("99.00")) for key in keys), LAST)
    assert reasons(run(two)) == dict.fromkeys(keys, Reason.AMOUNT)


def test_a_partition_covers_the_business_dates_that_its_changes_touch(two: TwoLayers) -> None:
    old, new = Event(1, 100, "pending"), Event(2, 200, created=NOON + timedelta(days=3), at=NOON + timedelta(days=3),
                                               day=DAY + timedelta(days=3))  # fmt: skip
    two.both(old, old.then("shipped", 2), new, LAST)
    assert run(two, [DAY + timedelta(days=2)], "a").scope.dates == (DAY,)
    assert run(two, [DAY + timedelta(days=3)], "b").scope.dates == (DAY + timedelta(days=3),)
    assert run(two, [DAY + timedelta(days=5)], "c").scope.dates == ()


def test_a_deleted_order_touches_the_date_that_it_had(two: TwoLayers) -> None:
    two.batch(ORDER, ORDER.deleted(2), LAST)
    two.speed(ORDER, LAST)
    reconciliation = run(two, [DAY + timedelta(days=2)])
    assert reconciliation.scope.dates == (DAY,)
    assert reasons(reconciliation) == {1: Reason.DELETED_IN_BATCH}


def test_a_date_that_only_the_speed_layer_has_is_covered(two: TwoLayers) -> None:
    two.batch(LAST)
    two.speed(LAST, Event(5, 50, created=datetime(2020, 2, 29, tzinfo=UTC), at=NOON - timedelta(days=900)))
    reconciliation = run(two, [DAY])
    assert reconciliation.scope.dates == (date(2020, 2, 29),)
    assert reasons(reconciliation) == {5: Reason.MISSING_IN_BATCH}


def test_the_cut_off_is_the_latest_commit_whichever_landing_day_brought_it(two: TwoLayers) -> None:
    ahead = ORDER.but(at=LAST.at + timedelta(days=5))
    behind = LAST.but(id=99, day=LAST.day + timedelta(days=1), at=NOON)
    two.both(ahead, LAST, behind)
    assert run(two).scope.cut_off == ahead.at
    cursor = two.connection.cursor()
    cursor.execute("delete from raw.orders where date <> %s", (ahead.day,))
    assert run(two, run_id="the last day has no orders").scope.cut_off == ahead.at


def test_a_load_that_dbt_has_not_applied_moves_no_cut_off(two: TwoLayers) -> None:
    two.batch(ORDER, LAST, applied=[DAY])
    two.speed(ORDER, LAST)
    reconciliation = run(two)
    assert reconciliation.scope.cut_off == NOON
    assert reasons(reconciliation) == {}
    assert run(two, run_id="again").scope.dates == (DAY,)


def test_a_replaced_load_counts_until_the_new_one_is_applied(two: TwoLayers) -> None:
    two.both(ORDER, LAST)
    cursor = two.connection.cursor()
    cursor.execute("insert into raw.superseded_orders select * from raw.orders where date = %s", (LAST.day,))
    cursor.execute("delete from raw.orders where date = %s", (LAST.day,))
    assert run(two).scope.cut_off == LAST.at


def test_a_finding_names_the_landing_file_the_snapshot_and_the_load(two: TwoLayers) -> None:
    two.batch(*MOVED, LAST)
    two.speed(LAST)
    origin = run(two).findings[2].lineage
    assert origin is not None
    day = DAY + timedelta(days=1)
    assert (origin.lsn, origin.source_file, origin.source_row) == (201, f"date={day}/part-0.parquet", 1)
    assert (origin.snapshot_id, origin.batch_id) == (7000 + day.day, f"orders-{day}-1")


def test_a_snapshot_row_without_lsn_stands_after_what_had_been_seen_of_its_order(two: TwoLayers) -> None:
    read, later = ORDER.read_again(amount=Decimal(20)), ORDER.then("delivered", 3, lsn=90)
    two.batch(later, read, ORDER, LAST)
    layers = open_layers(SpeedTable(two.client, "orders_realtime"), Store(two.connection), ReconciliationSettings())
    (history,) = layers.batch.history([ORDER.id]).values()
    assert [(event.op, event.lsn, event.effective_lsn) for event in history] == [
        ("UPDATE", 90, 90),
        ("INSERT", 100, 100),
        ("READ", None, 100),
    ]
    assert layers.batch.versions([ORDER.id], {ORDER.id: history})[ORDER.id].lsn == 100


def test_a_discrepancy_is_suspected_then_confirmed_then_healed(two: TwoLayers) -> None:
    two.batch(ORDER, LAST)
    two.speed(LAST)
    minutes = lambda n: AT + timedelta(minutes=n)  # noqa: E731
    assert [item.state for item in run(two, run_id="a").discrepancies] == [State.SUSPECTED]
    assert [item.state for item in run(two, [], "b", minutes(5)).discrepancies] == [State.SUSPECTED]
    assert [item.state for item in run(two, [], "c", minutes(15)).discrepancies] == [State.CONFIRMED]
    two.speed(ORDER)
    healed = run(two, [], "d", minutes(30))
    assert [item.state for item in healed.discrepancies] == [State.HEALED]
    assert healed.courses[DAY].time_to_convergence == timedelta(minutes=30)
    assert healed.run.verified_through == LAST.created.date()
    assert run(two, [], "e", minutes(40)).scope.dates == ()
    stored = Store(two.connection).discrepancies()
    assert [(item.state, item.first_run_id, item.run_id) for item in stored] == [(State.HEALED, "a", "d")]


def test_a_reconciliation_written_twice_under_one_run_id_counts_once(two: TwoLayers) -> None:
    two.batch(ORDER, LAST)
    two.speed(LAST)
    first, second = run(two), run(two)
    assert [item.state for item in second.discrepancies] == [State.SUSPECTED]
    cursor = two.connection.cursor()
    for table, rows in (("runs", 1), ("order_discrepancies", 1), ("convergence", len(first.results))):
        assert cursor.execute(f"select count(*) from reconciliation.{table}").fetchone() == (rows,)
    assert cursor.execute("select count(*) from reconciliation.daily_business_metrics").fetchone() == (
        len(first.verdicts),
    )
    assert cursor.execute("select count(*) from reconciliation.latest_daily_business_metrics").fetchone() == (
        len(first.verdicts),
    )


def test_limits_give_a_sound_partial_verdict(two: TwoLayers) -> None:
    orders = [Event(order_id, order_id) for order_id in range(1, 60)]
    two.batch(*orders, LAST)
    two.speed(LAST)
    reconciliation = run(two, settings=ReconciliationSettings(max_fetched_rows=1))
    assert not reconciliation.located.complete
    assert "at least 0 orders differ" in reconciliation.run.verdict
    assert not reconciliation.courses[DAY].converged


def test_a_batch_layer_without_applied_days_is_a_clear_error(two: TwoLayers) -> None:
    with pytest.raises(ReconciliationError, match="has applied no day"):
        run(two)


@pytest.mark.parametrize("year", spread([1, 1900, 2299, 9999], everyday=1, slow=1))
def test_a_date_outside_the_span_is_compared_without_the_mart(two: TwoLayers, year: int) -> None:
    far = ORDER.but(created=datetime(year, 6, 1, tzinfo=UTC))
    two.both(far, LAST)
    reconciliation = run(two)
    assert far.created.date() in reconciliation.scope.dates
    assert set(statuses(reconciliation, far.created.date()).values()) == {Status.OK}
    # An order that the speed layer lacks shows all the same.
    two.both(far.but(id=2), far.but(id=3), LAST)
    two.client.command("alter table orders_realtime delete where id = 3 settings mutations_sync = 1")
    again = run(two, run_id="run-2")
    assert reasons(again) == {1: Reason.MISSING_IN_BATCH, 3: Reason.MISSING_IN_SPEED}
