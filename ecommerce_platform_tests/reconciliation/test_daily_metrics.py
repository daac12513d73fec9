"""A metric is one declaration: what it must say, and that all else follows from it, by the how-to page word for word."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecommerce_platform import daily_metrics
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.daily_metrics import (
    Customers,
    DailyMetric,
    MetricError,
    Orders,
    Ratio,
    Total,
    reconciled_metrics,
)
from ecommerce_platform.operations.exporter.tables import WORST
from ecommerce_platform.reconciliation.checks import build_checks
from ecommerce_platform.reconciliation.model import ReconciliationError, Status
from ecommerce_platform.reconciliation.present.data import day_reports
from ecommerce_platform.reconciliation.present.render import day_page
from ecommerce_platform.reconciliation.present.report import metrics_markdown
from ecommerce_platform.reconciliation.reconcile import tolerances
from ecommerce_platform.reconciliation.record.outcome import metric_outcome, metric_rows
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import PROJECT_DIR, ReconciliationSettings, Settings
from ecommerce_platform.transformation.metric_tests import render_metric_test
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all
from ecommerce_platform_tests.reconciliation.reconciled import LAST, run, statuses
from ecommerce_platform_tests.reconciliation.two_layers import DAY, NOON, Event, TwoLayers

PAGE = (PROJECT_DIR / "docs" / "how-to" / "new-metric.md").read_text()
#: The page's entries, as they are to be pasted.
CANCELLED, ITEMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
Declare = Callable[..., None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Adds entries to the declarations, as text in the one file that the page names.

    Whoever has followed the page has its metrics already: they are taken out first.
    """
    of_the_page = {eval(entry, vars(daily_metrics)).name for entry in (CANCELLED, ITEMS)}
    others = tuple(metric for metric in daily_metrics.RECONCILED_METRICS if metric.name not in of_the_page)
    monkeypatch.setattr(daily_metrics, "RECONCILED_METRICS", others)

    def add(*entries: str) -> None:
        added = [eval(entry, vars(daily_metrics)) for entry in entries]
        monkeypatch.setattr(daily_metrics, "RECONCILED_METRICS", (*daily_metrics.RECONCILED_METRICS, *added))

    return add


def test_the_page_names_one_file_to_change() -> None:
    assert set(re.findall(r"`(\S+\.(?:py|sql|yml|yaml|html))`", PAGE)) == {"ecommerce_platform/daily_metrics.py"}


def test_cancelled_orders_are_compared_judged_stored_reported_and_alerted_by_one_entry(
    two: TwoLayers, servers_settings: Settings, declare: Declare
) -> None:
    cancelled = [Event(number, 100 + number, "cancelled", user=2) for number in (1, 2)]
    two.batch(*cancelled, LAST)
    two.speed(cancelled[0], cancelled[1].but(status="pending"), LAST)
    assert "cancelled_orders" not in statuses(run(two))
    declare(CANCELLED)

    reconciliation = run(two, run_id="run-2")

    assert statuses(reconciliation)["cancelled_orders"] is Status.ERROR
    assert statuses(reconciliation, tier="gold")["cancelled_orders"] is Status.ERROR
    assert set(statuses(reconciliation, tier="bronze").values()) == {Status.OK}
    assert {statuses(reconciliation)[name] for name in ("total_orders", "total_revenue")} == {Status.OK}
    store = Store(two.connection)
    outcome = metric_outcome("cancelled_orders", metric_rows(store, "cancelled_orders", "run-2"))
    assert (outcome.status, outcome.details["speed value"], outcome.details["batch value"]) == (
        Status.ERROR,
        "1.00",
        "2.00",
    )
    assert "cancelled_orders" in {key.name for checks in build_checks() for key in checks.check_keys}
    assert "cancelled_orders" in metrics_markdown(reconciliation.verdicts)
    page = day_page(day_reports(store, [DAY])[0])
    assert "<td>cancelled orders</td>" in page
    assert {row[:3] for row in fetch_all(two.connection, WORST) if row[0] == "cancelled_orders" and row[2] > 0} == {
        ("cancelled_orders", "all", Decimal("0.5")),
        ("cancelled_orders", "gold", Decimal("0.5")),
    }
    test = render_metric_test(reconciled_metrics(), load_contracts()["orders"])
    assert "coalesce(mart.cancelled_orders, 0) <> coalesce(expected.cancelled_orders, 0)" in test


def test_orders_that_lag_leave_both_sides_of_a_metric_that_was_added(two: TwoLayers, declare: Declare) -> None:
    declare(CANCELLED)
    stays, moves = Event(1, 100, "cancelled"), Event(2, 200, "pending", user=2)
    two.batch(stays, moves, LAST)
    two.speed(stays, moves, LAST)
    two.speed(moves.then("cancelled", 12))
    reconciliation = run(two)
    assert set(statuses(reconciliation).values()) == {Status.OK}
    assert reconciliation.measurement.speed[DAY, "all"]["cancelled_orders"] == 1


def test_items_sold_are_compared_by_a_column_beside_the_contract(two: TwoLayers, declare: Declare) -> None:
    orders = [Event(1, 100), Event(2, 200, "pending"), Event(4, 400, user=2)]
    two.both(*orders, LAST)
    execute(two.connection, "create schema if not exists intermediate")
    execute(
        two.connection,
        "create or replace table intermediate.int_order_analytics as "
        "select id as order_id, id as total_items from staging.orders_enhanced",
    )
    execute(two.connection, "alter table marts.daily_business_metrics add column if not exists total_items_sold NUMBER")
    execute(two.connection, "update marts.daily_business_metrics set total_items_sold = 5 where date = %s", (DAY,))
    declare(ITEMS)
    with pytest.raises(ReconciliationError, match="items_sold: ClickHouse table orders_realtime has no column total_i"):
        run(two)
    two.client.command("alter table orders_realtime add column total_items Nullable(Int64) default id")
    reconciliation = run(two, days=[DAY])
    assert statuses(reconciliation)["items_sold"] is Status.OK
    assert reconciliation.measurement.speed[DAY, "all"]["items_sold"] == 5
    execute(two.connection, "update intermediate.int_order_analytics set total_items = 5 where order_id = 4")
    assert statuses(run(two, days=[DAY]), tier="gold")["items_sold"] is Status.ERROR
    # An order that lags takes its items with it.
    two.speed(orders[2].then("cancelled", 12))
    assert run(two, days=[DAY]).measurement.batch[DAY, "bronze"]["items_sold"] == 1
    assert "gold" not in {tier for day, tier in run(two, days=[DAY]).measurement.speed if day == DAY}


def test_days_of_before_go_on_without_the_metric_and_after_it_is_declared_no_more(
    two: TwoLayers, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = DAY + timedelta(days=9)
    two.both(Event(1, 100, "cancelled"), LAST)
    run(two, days=[DAY])
    before = daily_metrics.RECONCILED_METRICS
    declare(CANCELLED)
    run(two, days=[later], run_id="run-2")
    store = Store(two.connection)
    old, new = day_reports(store, [DAY, later])
    assert ("<td>cancelled orders</td>" in day_page(old), "<td>cancelled orders</td>" in day_page(new)) == (False, True)
    assert metric_outcome("cancelled_orders", metric_rows(store, "cancelled_orders", "run-3")).details["dates"] == 1
    monkeypatch.setattr(daily_metrics, "RECONCILED_METRICS", before)
    assert "<td>cancelled orders</td>" in day_page(day_reports(store, [later])[0])


def test_a_metric_without_a_column_in_the_mart_is_compared_by_the_orders(two: TwoLayers, declare: Declare) -> None:
    declare('DailyMetric("waiting_orders", Orders(("pending",)))')
    two.batch(Event(1, 100, "pending"), Event(2, 200, "pending"), LAST)
    two.speed(Event(1, 100, "pending"), LAST)
    reconciliation = run(two)
    assert statuses(reconciliation)["waiting_orders"] is Status.ERROR
    assert reconciliation.measurement.batch[DAY, "all"]["waiting_orders"] == 2


def test_a_column_that_the_mart_does_not_have_is_named(two: TwoLayers, declare: Declare) -> None:
    declare('DailyMetric("waiting_orders", Orders(("pending",)), "orders_waiting")')
    two.both(Event(1, 100, created=NOON), LAST)
    with pytest.raises(ReconciliationError, match="no column orders_waiting, which the metric waiting_orders names"):
        run(two)


def test_a_total_of_a_text_is_refused(two: TwoLayers, declare: Declare) -> None:
    declare('DailyMetric("addresses", Total("shipping_address"))')
    two.both(Event(1, 100), LAST)
    with pytest.raises(ReconciliationError, match="addresses: column shipping_address of orders is text; expected a"):
        run(two)


def test_the_settings_win_over_the_declaration_which_wins_over_the_settings_for_all() -> None:
    strict = DailyMetric("strict", Orders(), tolerance=Decimal("0.01"), failure=Decimal("0.02"))
    settings = ReconciliationSettings(metric_failure={"strict": Decimal("0.03")})
    shares = tolerances(settings, (strict, DailyMetric("plain", Orders())))
    assert shares.of("strict") == (Decimal("0.01"), Decimal("0.03"))
    assert shares.of("plain") == (settings.tolerance, settings.failure)


def test_a_tolerance_of_a_metric_that_is_not_declared_is_refused() -> None:
    settings = ReconciliationSettings(metric_tolerance={"total_order": Decimal(0)})
    with pytest.raises(ReconciliationError, match=r"METRIC_TOLERANCE names total_order; expected .* total_orders"):
        tolerances(settings)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is none": ({"name": "Cancelled Orders"}, "name is 'Cancelled Orders'"),
    "a column that is none": ({"mart_column": 'x"'}, "mart_column is 'x\"'"),
    "an unknown status": ({"definition": Orders(("canceled",))}, "statuses are .*expected some of pending"),
    "no status": ({"definition": Customers(())}, "statuses are"),
    "a total of an expression": ({"definition": Total("a + b")}, "column is 'a . b'"),
    "three digits": ({"definition": Ratio(Orders(), Orders(), places=3)}, "3 digits after the point; expected 0 to 2"),
    "a ratio coarser than its total": ({"definition": Ratio(Total("total_amount"), Orders(), places=0)}, "2 digits"),
    "a tolerance above failure": ({"tolerance": Decimal(1), "failure": Decimal("0.5")}, "tolerance 1 is above"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_declaration_that_contradicts_itself_is_refused(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(MetricError, match=message):
        DailyMetric(**{"name": "a_metric", "definition": Orders(), **changes})


def test_two_metrics_of_one_name_are_refused(declare: Declare) -> None:
    declare('DailyMetric("total_orders", Orders())')
    with pytest.raises(MetricError, match="metric total_orders is declared twice"):
        reconciled_metrics()
