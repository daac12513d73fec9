"""The verdict on a metric, as a table."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.model import ALL_TIERS, Cell, Measurement, MetricValues, Status
from ecommerce_platform.reconciliation.verdict import (
    Tolerances,
    average,
    judge,
    metric_values,
    percentage_difference,
    status_of,
)

DAY = date(2026, 1, 5)


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
    assert average(Decimal(total), count) == Decimal(expected)


def test_a_user_with_two_orders_is_one_active_customer_of_one_tier() -> None:
    cells = [
        Cell(DAY, 1, 2, 1, Decimal("10.00")),
        Cell(DAY, 2, 1, 1, Decimal("5.01")),
        Cell(DAY, None, 1, 0, Decimal(0)),
    ]
    values = metric_values(cells, {1: "gold"})
    assert values[DAY, ALL_TIERS] == MetricValues(Decimal(2), Decimal(4), Decimal("15.01"), Decimal("7.51"))
    assert values[DAY, "gold"] == MetricValues(Decimal(1), Decimal(2), Decimal("10.00"), Decimal("10.00"))
    assert values[DAY, "unknown"] == MetricValues(Decimal(1), Decimal(2), Decimal("5.01"), Decimal("5.01"))


def test_a_user_whose_orders_were_all_taken_away_is_not_active() -> None:
    cells = [
        Cell(DAY, 1, 1, 1, Decimal("10.00")),
        Cell(DAY, 1, -1, -1, Decimal("-10.00")),
        Cell(DAY, 2, 1, 1, Decimal("1.00")),
    ]
    assert metric_values(cells, {})[DAY, ALL_TIERS].active_customers == 1


def test_a_tolerance_of_one_metric_leaves_the_others_alone() -> None:
    speed = {(DAY, ALL_TIERS): MetricValues(Decimal(1), Decimal(101), Decimal(101), Decimal(1))}
    batch = {(DAY, ALL_TIERS): MetricValues(Decimal(1), Decimal(100), Decimal(100), Decimal(1))}
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
