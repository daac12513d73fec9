"""The verdict on a metric, as a table."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ecommerce_platform.daily_metrics import RECONCILED_METRICS, Customers, DailyMetric, Orders, Total, all_measures
from ecommerce_platform.reconciliation.model import ALL_TIERS, Cell, Measurement, MetricValues, Status
from ecommerce_platform.reconciliation.verdicts.verdict import (
    Tolerances,
    judge,
    metric_values,
    percentage_difference,
    ratio,
    status_of,
)

DAY = date(2026, 1, 5)
NAMES = ("active_customers", "total_orders", "total_revenue", "avg_order_value")


def cell(user: int | None, orders: int, purchases: int, revenue: str) -> Cell:
    """What the reconciled metrics measure: orders, revenue, purchases."""
    return Cell(DAY, user, (orders, Decimal(revenue), purchases))


def figures(*values: int | str) -> MetricValues:
    """Customers, orders, revenue and average."""
    return dict(zip(NAMES, map(Decimal, values), strict=True))


@pytest.mark.parametrize(
    ("speed", "batch", "share", "status"),
    [
        ("100", "100", "0", Status.OK),
        ("0", "0", "0", Status.OK),
        ("0.00", "0", "0", Status.OK),
        ("1", "0", "1", Status.ERROR),
        ("-0.01", "0", "1", Status.ERROR),
        ("0", "1", "1", Status.ERROR),
        ("105", "100", "0.05", Status.OK),
        ("105.01", "100", "0.0501", Status.WARN),
        ("94.99", "100", "0.0501", Status.WARN),
        ("110", "100", "0.1", Status.WARN),
        ("110.01", "100", "0.1001", Status.ERROR),
        ("-94", "-100", "0.06", Status.WARN),
        ("100", "-100", "2", Status.ERROR),
        ("300", "100", "2", Status.ERROR),
        ("1", "3", "0.666667", Status.ERROR),
        # Shares are not rounded before they are judged: this one is 5 % and a billionth of it.
        ("1050000000.01", "1000000000.00", "0.05", Status.WARN),
        ("99999999999999999999.99", "99999999999999999999.99", "0", Status.OK),
    ],
)
def test_a_difference_is_a_share_of_the_batch_value(speed: str, batch: str, share: str, status: Status) -> None:
    assert percentage_difference(Decimal(speed), Decimal(batch)) == Decimal(share)
    assert status_of(Decimal(speed), Decimal(batch), Decimal("0.05"), Decimal("0.10")) is status


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [("0.05", 2, "0.03"), ("-0.05", 2, "-0.03"), ("10", 3, "3.33"), ("0", 0, "0"), ("5", 0, "0")],
)
def test_an_average_is_rounded_half_away_from_zero(total: str, count: int, expected: str) -> None:
    assert ratio(Decimal(total), count, 2) == Decimal(expected)


def test_a_user_with_two_orders_is_one_active_customer_of_one_tier() -> None:
    cells = [
        cell(1, 2, 1, "10.00"),
        cell(2, 1, 1, "5.01"),
        cell(None, 1, 0, "0"),
    ]
    values = metric_values(cells, {1: "gold"})
    assert values[DAY, ALL_TIERS] == figures(2, 4, "15.01", "7.51")
    assert values[DAY, "gold"] == figures(1, 2, "10.00", "10.00")
    assert values[DAY, "unknown"] == figures(1, 2, "5.01", "5.01")


def test_a_user_whose_orders_were_all_taken_away_is_not_active() -> None:
    cells = [
        cell(1, 1, 1, "10.00"),
        cell(1, -1, -1, "-10.00"),
        cell(2, 1, 1, "1.00"),
    ]
    values = metric_values(cells, {1: "gold"})
    assert values[DAY, ALL_TIERS]["active_customers"] == 1
    assert (DAY, "gold") not in values


def test_a_tolerance_of_one_metric_leaves_the_others_alone() -> None:
    speed = {(DAY, ALL_TIERS): figures(1, 101, 101, 1)}
    batch = {(DAY, ALL_TIERS): figures(1, 100, 100, 1)}
    strict = Tolerances(by_metric={"total_orders": (Decimal(0), Decimal(0))})
    verdicts = {
        v.metric: v.status for v in judge(Measurement(None, (DAY,), speed, batch), strict) if v.user_tier == ALL_TIERS
    }
    assert verdicts["total_orders"] is Status.ERROR
    assert verdicts["total_revenue"] is Status.OK


def test_a_day_without_orders_on_either_side_agrees() -> None:
    verdicts = judge(Measurement(None, (DAY,), {}, {}), Tolerances())
    assert len(verdicts) == 5 * 4
    assert {verdict.status for verdict in verdicts} == {Status.OK}


def test_cells_of_one_user_and_date_add_up() -> None:
    cells = [cell(1, 2, 1, "10.00"), cell(1, 1, 1, "0.50")]
    values = metric_values(cells, {1: "gold"})
    assert values[DAY, "gold"] == figures(1, 3, "10.50", "5.25")


@pytest.mark.parametrize(
    ("speed", "batch", "tolerance", "failure", "status"),
    [
        # One is a value like any other: no full discrepancy.
        ("1.02", "1", "0.05", "0.10", Status.OK),
        # A full discrepancy is exactly 1: within a limit of 120 %, beyond one of 80 %.
        ("7", "0", "1.2", "1.5", Status.OK),
        ("7", "0", "0.6", "0.8", Status.ERROR),
        ("7", "0", "0.6", "1.5", Status.WARN),
    ],
)
def test_what_the_batch_layer_has_nothing_of_differs_wholly(
    speed: str, batch: str, tolerance: str, failure: str, status: Status
) -> None:
    assert status_of(*map(Decimal, (speed, batch, tolerance, failure))) is status


def test_a_verdict_says_what_both_layers_have_and_how_far_they_are_apart() -> None:
    speed = {(DAY, ALL_TIERS): figures(2, 96, "90.00", "4.50")}
    batch = {(DAY, ALL_TIERS): figures(2, 100, "100.00", "4.00")}
    verdicts = judge(Measurement(None, (DAY,), speed, batch), Tolerances(Decimal("0.03"), Decimal("0.11")))
    orders, revenue = (
        next(v for v in verdicts if (v.metric, v.user_tier) == (metric, ALL_TIERS))
        for metric in ("total_orders", "total_revenue")
    )
    assert (orders.speed_value, orders.batch_value, orders.difference) == (Decimal(96), Decimal(100), Decimal(4))
    assert (orders.percentage_difference, orders.tolerance, orders.failure) == (
        Decimal("0.04"),
        Decimal("0.03"),
        Decimal("0.11"),
    )
    assert (orders.status, revenue.status) == (Status.WARN, Status.WARN)
    assert (revenue.speed_value, revenue.difference) == (Decimal("90.00"), Decimal("10.00"))


@pytest.mark.parametrize("layer", ["speed", "batch"])
def test_orders_of_users_that_nobody_knows_have_verdicts_when_one_layer_has_them(layer: str) -> None:
    values = {(DAY, "unknown"): figures(1, 1, "5.00", "5.00")}
    sides = {"speed": {}, "batch": {}} | {layer: values}
    verdicts = judge(Measurement(None, (DAY,), **sides), Tolerances())
    assert len(verdicts) == 6 * 4
    assert {verdict.status for verdict in verdicts if verdict.user_tier == "unknown"} == {Status.ERROR}


def test_any_metric_is_computed_from_its_declaration() -> None:
    cancelled, pending = Orders(("cancelled",)), ("pending",)
    metrics = (
        DailyMetric("cancelled_orders", cancelled),
        DailyMetric("waiting_customers", Customers(pending)),
        DailyMetric("waiting_amount", Total("total_amount", pending)),
    )
    assert all_measures(metrics) == (Orders(), cancelled, Orders(pending), Total("total_amount", pending))
    cells = [
        Cell(DAY, 1, (3, 2, 1, Decimal("7.50"))),
        Cell(DAY, 2, (1, 1, 0, Decimal(0))),
        Cell(DAY, None, (1, 0, 1, Decimal("0.25"))),
        Cell(DAY, 1, (-1, -1, 0, Decimal(0))),
    ]
    assert metric_values(cells, {1: "gold"}, metrics) == {
        (DAY, ALL_TIERS): {"cancelled_orders": 2, "waiting_customers": 1, "waiting_amount": Decimal("7.75")},
        (DAY, "gold"): {"cancelled_orders": 1, "waiting_customers": 1, "waiting_amount": Decimal("7.50")},
        (DAY, "unknown"): {"cancelled_orders": 1, "waiting_customers": 0, "waiting_amount": Decimal("0.25")},
    }


def test_totals_keep_every_digit() -> None:
    large = "1" * 33 + ".01"
    assert metric_values([cell(1, 1, 1, large), cell(2, 1, 1, "0.01")], {})[DAY, ALL_TIERS]["total_revenue"] == Decimal(
        "1" * 33 + ".02"
    )


def test_verdicts_come_in_the_order_of_the_declarations() -> None:
    verdicts = judge(Measurement(None, (DAY,), {}, {}), Tolerances(), RECONCILED_METRICS[::-1])
    assert [verdict.metric for verdict in verdicts if verdict.user_tier == ALL_TIERS] == list(NAMES[::-1])
