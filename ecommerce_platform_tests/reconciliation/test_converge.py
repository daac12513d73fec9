"""What becomes of findings and days over time, as tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ecommerce_platform.reconciliation.model import Finding, Reason, State
from ecommerce_platform.reconciliation.verdicts.converge import (
    DayResult,
    advance,
    courses,
    unconverged,
    verified_through,
)

DAY = date(2026, 1, 5)
START = datetime(2026, 1, 6, tzinfo=UTC)
WINDOW = timedelta(minutes=15)


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def finding(reason: Reason = Reason.AMOUNT) -> Finding:
    return Finding(1, DAY, reason, ("total_amount",), "2", "1")


#: Each step: minutes since the start, what is found of order 1, whether it was examined.
HISTORIES = {
    "seen once": ([(0, Reason.AMOUNT)], [State.SUSPECTED]),
    "seen again within the window": ([(0, Reason.AMOUNT), (14, Reason.AMOUNT)], [State.SUSPECTED] * 2),
    "seen again after the window": ([(0, Reason.AMOUNT), (15, Reason.AMOUNT)], [State.SUSPECTED, State.CONFIRMED]),
    "another reason is still the same discrepancy": (
        [(0, Reason.MISSING_IN_SPEED), (20, Reason.STATUS_BEHIND)],
        [State.SUSPECTED, State.CONFIRMED],
    ),
    "agrees": ([(0, Reason.AMOUNT), (5, None)], [State.SUSPECTED, State.HEALED]),
    "agrees after it was confirmed": (
        [(0, Reason.AMOUNT), (20, Reason.AMOUNT), (30, None)],
        [State.SUSPECTED, State.CONFIRMED, State.HEALED],
    ),
    "lag says nothing of it": (
        [(0, Reason.AMOUNT), (20, Reason.LAG), (21, Reason.AMOUNT)],
        [State.SUSPECTED, State.SUSPECTED, State.CONFIRMED],
    ),
    "lag alone is not a discrepancy": ([(0, Reason.LAG)], [None]),
}


@pytest.mark.parametrize("history", HISTORIES)
def test_a_discrepancy_goes_from_suspected_to_confirmed_or_healed(history: str) -> None:
    steps, expected = HISTORIES[history]
    items: tuple = ()
    states = []
    for number, (at, reason) in enumerate(steps):
        findings = {} if reason is None else {1: finding(reason)}
        items = advance(items, findings, {1}, f"run-{number}", minutes(at), WINDOW)
        states.append(items[0].state if items else None)
    assert states == expected
    assert all(item.first_seen == minutes(steps[0][0]) for item in items)


def test_an_order_that_was_not_examined_stays_as_it_was() -> None:
    items = advance((), {1: finding()}, {1}, "a", START, WINDOW)
    assert advance(items, {}, set(), "b", minutes(60), WINDOW) == items


def test_a_discrepancy_that_comes_back_is_a_new_one() -> None:
    first = advance((), {1: finding()}, {1}, "a", START, WINDOW)
    healed = advance(first, {}, {1}, "b", minutes(5), WINDOW)
    again = advance(healed, {1: finding()}, {1}, "c", minutes(60), WINDOW)
    assert [(item.state, item.first_seen) for item in again] == [(State.SUSPECTED, minutes(60))]


def test_without_a_lag_window_the_first_sight_confirms() -> None:
    (item,) = advance((), {1: finding()}, {1}, "a", START, timedelta(0))
    assert item.state is State.CONFIRMED


def result(at: float, differing: int, day: date = DAY, complete: bool = True, lagging: int = 0) -> DayResult:
    return DayResult(f"run-{at}", day, minutes(at), differing, 0, 0, lagging, complete)


COURSES = [
    # at, differing → converged, time to convergence, half-life (all in minutes)
    ([(0, 0)], True, 0, None),
    ([(0, 4)], False, None, None),
    ([(0, 4), (10, 2), (30, 0)], True, 30, 10),
    ([(0, 4), (10, 3), (30, 0)], True, 30, 30),
    ([(0, 4), (10, 8), (30, 5), (40, 4), (50, 1)], False, None, 30),
    ([(0, 4), (10, 0), (50, 0)], True, 10, 10),
    ([(0, 0), (10, 3), (25, 0)], True, 15, 15),
    ([(0, 0), (10, 3), (25, 0), (100, 1), (105, 0)], True, 5, 5),
]


@pytest.mark.parametrize(("history", "converged", "taken", "half_life"), COURSES)
def test_the_course_of_a_day(
    history: list[tuple[float, int]], converged: bool, taken: float | None, half_life: float | None
) -> None:
    course = courses([result(*step) for step in reversed(history)])[DAY]
    assert course.converged is converged
    assert course.time_to_convergence == (None if taken is None else timedelta(minutes=taken))
    assert course.half_life == (None if half_life is None else timedelta(minutes=half_life))


def test_a_day_converges_with_lag_but_not_when_it_was_not_examined_wholly() -> None:
    assert courses([result(0, 0, lagging=3)])[DAY].converged
    assert not courses([result(0, 0, complete=False)])[DAY].converged


def test_a_day_is_overdue_when_it_still_differs_after_the_limit() -> None:
    course = courses([result(0, 1), result(120, 1)])[DAY]
    assert course.overdue(timedelta(minutes=119))
    assert not course.overdue(timedelta(minutes=120))


@pytest.mark.parametrize(
    ("differing", "expected"),
    [([0, 0, 0], 2), ([0, 1, 0], 0), ([1, 0, 0], None), ([0, None, 0], 0), ([0, 0, 1], 1)],
)
def test_verified_through_ends_before_the_first_day_that_has_not_converged(
    differing: list[int | None], expected: int | None
) -> None:
    dates = [DAY + timedelta(days=offset) for offset in range(3)]
    days = courses([result(0, count, day) for day, count in zip(dates, differing, strict=True) if count is not None])
    assert verified_through(dates, days) == (None if expected is None else dates[expected])
    assert unconverged(days) == [day for day, count in zip(dates, differing, strict=True) if count]


def test_days_without_orders_break_no_run_of_converged_days() -> None:
    days = courses([result(0, 0, DAY), result(0, 0, DAY + timedelta(days=9))])
    assert verified_through(days, days) == DAY + timedelta(days=9)
