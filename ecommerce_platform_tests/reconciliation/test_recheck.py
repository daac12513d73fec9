"""When a day that has not converged is due again: gaps that grow, a limit that is met, and nothing that depends on chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecommerce_platform.reconciliation.verdicts.converge import DayCourse, DayResult, courses
from ecommerce_platform.reconciliation.verdicts.recheck import Gaps, agenda, slots
from ecommerce_platform_tests.reconciliation.two_layers import DAY

START = datetime(2026, 1, 20, tzinfo=UTC)
GAPS = Gaps(timedelta(minutes=10), 2.0, timedelta(minutes=60), timedelta(minutes=200))


def minutes(number: float) -> datetime:
    return START + timedelta(minutes=number)


def day_of(*reconciled_at: float, differing: int = 1) -> DayCourse:
    results = [DayResult(f"run-{at}", DAY, minutes(at), differing, 0, 0, 0, True) for at in reconciled_at]
    return courses(results)[DAY]


def test_gaps_double_up_to_the_longest_and_the_limit_is_a_slot() -> None:
    minutes_after_start = [(at - START) / timedelta(minutes=1) for at in islice(slots(day_of(0), GAPS), 8)]
    assert minutes_after_start == [10, 30, 70, 130, 190, 200, 250, 310]


# Reconciled at, asked at → the slot that is due, the next one (all in minutes).
SITUATIONS = {
    "before the first slot": ([0], 9.9, None, 10),
    "at the first slot": ([0], 10, 10, 30),
    "a slot that was missed is due still": ([0], 29, 10, 30),
    "of several missed slots the latest counts": ([0], 75, 70, 130),
    "after a reconciliation in its slot": ([0, 11], 25, None, 30),
    "a reconciliation for another reason takes no slot away": ([0, 5, 6, 7], 10, 10, 30),
    "just before the limit": ([0, 191], 199, None, 200),
    "at the limit": ([0, 191], 200, 200, 250),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_day_is_due_at_its_slots(situation: str) -> None:
    reconciled, asked, due, following = SITUATIONS[situation]
    plan = agenda([day_of(*reconciled)], minutes(asked), GAPS)
    assert [slot.at for slot in plan.due] == ([] if due is None else [minutes(due)])
    assert plan.next_at == minutes(following)
    assert plan.given_up == ()


def test_a_day_that_missed_its_limit_is_launched_no_more_and_named() -> None:
    plan = agenda([day_of(0, 201)], minutes(10_000), GAPS)
    assert (plan.due, plan.next_at, plan.given_up) == ((), None, (DAY,))


def test_a_day_that_converged_is_never_due() -> None:
    assert agenda([day_of(0, 10, differing=0)], minutes(1000), GAPS).due == ()


def test_a_limit_of_nothing_still_sees_to_the_day_once_more() -> None:
    gaps = Gaps(limit=timedelta(0))
    assert [slot.at for slot in agenda([day_of(0)], minutes(15), gaps).due] == [minutes(15)]
    assert agenda([day_of(0, 15)], minutes(100), gaps).given_up == (DAY,)


@given(
    st.integers(1, 50),
    st.floats(1, 10, allow_nan=False),
    st.integers(1, 100),
    st.integers(0, 300),
    st.integers(0, 5000),
)
def test_every_moment_has_at_most_one_slot_due_and_one_that_follows(
    first: int, factor: float, longest: int, limit: int, asked: int
) -> None:
    gaps = Gaps(timedelta(minutes=first), factor, timedelta(minutes=longest), timedelta(minutes=limit))
    plan = agenda([day_of(0)], minutes(asked), gaps)
    assert len(plan.due) <= 1
    assert all(START < slot.at <= minutes(asked) for slot in plan.due)
    assert plan.next_at is not None
    assert plan.next_at > minutes(asked)
    ordered = list(islice(slots(day_of(0), gaps), 30))
    assert all(before < after for before, after in pairwise(ordered))
    assert all(after - before <= timedelta(minutes=max(longest, first)) for before, after in pairwise(ordered))
