"""When is a day that has not converged to be reconciled again? Pure functions of its course and of the time asked about.

What belongs here: gaps and slots. What does not: launching (operations/reconverge.py) and what convergence is (converge.py).

A day's slots follow from the moment at which it was first seen to differ, not from how often it was looked at: a reconciliation
that comes by for another reason takes no slot away, and one that fails leaves the next slot where it was. The time limit is a
slot as well, so that a day which misses it is reconciled soon; after a reconciliation past the limit there are no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ecommerce_platform.reconciliation.verdicts.converge import DayCourse
from ecommerce_platform.settings import ReconciliationSettings


@dataclass(frozen=True)
class Gaps:
    """How the gaps between reconciliations of a day grow, and when the day's time is over."""

    first: timedelta = timedelta(minutes=15)
    factor: float = 2.0
    longest: timedelta = timedelta(hours=6)
    limit: timedelta = timedelta(hours=72)

    @classmethod
    def of(cls, settings: ReconciliationSettings) -> Gaps:
        return cls(
            timedelta(seconds=settings.again_first_gap_seconds),
            settings.again_factor,
            timedelta(seconds=settings.again_longest_gap_seconds),
            timedelta(hours=settings.convergence_limit_hours),
        )


@dataclass(frozen=True, order=True)
class Slot:
    """A moment from which on a day is to be reconciled again."""

    at: datetime
    date: date


@dataclass(frozen=True)
class Agenda:
    """What is due now (each day's latest slot), when the next slot comes, and the days whose time is over."""

    due: tuple[Slot, ...]
    next_at: datetime | None
    given_up: tuple[date, ...]


def agenda(days: Iterable[DayCourse], now: datetime, gaps: Gaps) -> Agenda:
    """The agenda at `now` for the days among `days` that have not converged."""
    due: list[Slot] = []
    waiting: list[datetime] = []
    given_up: list[date] = []
    for day in days:
        if day.converged or day.diverged_at is None:
            continue
        if day.overdue(gaps.limit):
            given_up.append(day.date)
            continue
        latest = None
        for at in slots(day, gaps):
            if at > now:
                waiting.append(at)
                break
            if at > day.last_at:
                latest = at
        if latest is not None:
            due.append(Slot(latest, day.date))
    return Agenda(tuple(sorted(due)), min(waiting, default=None), tuple(sorted(given_up)))


def slots(day: DayCourse, gaps: Gaps) -> Iterator[datetime]:
    """The day's slots from its divergence on, without end, the time limit among them."""
    assert day.diverged_at is not None
    at, gap, limit = day.diverged_at, min(gaps.first, gaps.longest), day.diverged_at + gaps.limit
    while True:
        following = at + gap
        if at < limit < following:
            yield limit
        yield following
        at = following
        gap = gaps.longest if gap * gaps.factor >= gaps.longest else gap * gaps.factor
