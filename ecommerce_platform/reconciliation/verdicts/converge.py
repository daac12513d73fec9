"""What becomes of findings and of days over reconciliations: suspected, confirmed, healed; diverged, converged, verified.

What belongs here: pure functions of earlier states and new findings; the time of a reconciliation comes in from outside. What
does not: tables (storage.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ecommerce_platform.reconciliation.model import Discrepancy, Finding, Reason, State


@dataclass(frozen=True)
class DayResult:
    """What one reconciliation found on one business date."""

    run_id: str
    date: date
    at: datetime
    suspected: int
    confirmed: int
    healed: int
    lagging: int
    complete: bool

    @property
    def differing(self) -> int:
        return self.suspected + self.confirmed

    @property
    def converged(self) -> bool:
        """No order differs and all were examined. Lag does not count: it is the speed layer's purpose to be ahead."""
        return self.complete and self.differing == 0


@dataclass(frozen=True)
class DayCourse:
    """A day's course so far: when it was last reconciled, and how it converged.

    `diverged_at` begins the present or last episode; `converged_at` ends it. A day that agreed from the start converged at
    its first reconciliation, in no time.
    """

    date: date
    last_at: datetime
    converged: bool
    diverged_at: datetime | None
    converged_at: datetime | None
    half_life: timedelta | None

    @property
    def time_to_convergence(self) -> timedelta | None:
        """How long the day differed; None while it still does."""
        if not self.converged or self.converged_at is None:
            return None
        return self.converged_at - (self.diverged_at or self.converged_at)

    def overdue(self, limit: timedelta) -> bool:
        """Whether the day still differed after `limit`, at its last reconciliation."""
        return not self.converged and self.diverged_at is not None and self.last_at - self.diverged_at > limit


def advance(
    earlier: Iterable[Discrepancy],
    findings: Mapping[int, Finding],
    examined: Collection[int],
    run_id: str,
    at: datetime,
    lag_window: timedelta,
) -> tuple[Discrepancy, ...]:
    """States after a reconciliation: one for each open discrepancy and each finding that is not lag.

    An open discrepancy whose order was examined and agrees is healed. One whose order now lags stays as it was: nothing can
    be said of it. A finding seen again `lag_window` or more after it was first seen is confirmed, and stays so.
    """
    open_now = {item.finding.order_id: item for item in earlier if item.state is not State.HEALED}
    advanced = []
    for order_id, item in open_now.items():
        finding = findings.get(order_id)
        if finding is not None and finding.reason is not Reason.LAG:
            state = State.CONFIRMED if item.state is State.CONFIRMED else _state(item.first_seen, at, lag_window)
            advanced.append(replace(item, finding=finding, state=state, last_seen=at, run_id=run_id))
        elif finding is None and order_id in examined:
            advanced.append(replace(item, state=State.HEALED, run_id=run_id, healed_at=at))
        else:
            advanced.append(item)
    for order_id, finding in findings.items():
        if order_id not in open_now and finding.reason is not Reason.LAG:
            advanced.append(Discrepancy(finding, _state(at, at, lag_window), at, at, run_id, run_id))
    return tuple(advanced)


def _state(first_seen: datetime, at: datetime, lag_window: timedelta) -> State:
    return State.CONFIRMED if at - first_seen >= lag_window else State.SUSPECTED


def courses(results: Iterable[DayResult]) -> dict[date, DayCourse]:
    """Each day's course over its reconciliations, in whatever order they are given."""
    by_date: dict[date, list[DayResult]] = {}
    for result in results:
        by_date.setdefault(result.date, []).append(result)
    return {
        day: _course(sorted(results_of_day, key=lambda result: result.at)) for day, results_of_day in by_date.items()
    }


def _course(results: Sequence[DayResult]) -> DayCourse:
    diverged_at = converged_at = None
    episode: list[DayResult] = []
    was_converged = True
    for result in results:
        if not result.converged and was_converged:
            diverged_at, converged_at, episode = result.at, None, []
        if result.converged and (not was_converged or converged_at is None):
            converged_at = result.at
        if diverged_at is not None and (not result.converged or not was_converged):
            episode.append(result)
        was_converged = result.converged
    return DayCourse(
        date=results[0].date,
        last_at=results[-1].at,
        converged=was_converged,
        diverged_at=diverged_at,
        converged_at=converged_at,
        half_life=_half_life(episode),
    )


def _half_life(episode: Sequence[DayResult]) -> timedelta | None:
    """From the most orders that differed until half of them at most did; None while more do, or when none did."""
    if not episode:
        return None
    peak = max(range(len(episode)), key=lambda index: episode[index].differing)
    most = episode[peak].differing
    for result in episode[peak + 1 :]:
        if most and result.differing * 2 <= most:
            return result.at - episode[peak].at
    return None


def verified_through(all_dates: Iterable[date], days: Mapping[date, DayCourse]) -> date | None:
    """The last day of the unbroken run of converged days, from the first of `all_dates` on; None when the first is open.

    `all_dates` are the business dates on which either layer has orders: a day without any has nothing to verify.
    """
    last = None
    for day in sorted(set(all_dates) | days.keys()):
        course = days.get(day)
        if course is None or not course.converged:
            break
        last = day
    return last


def unconverged(days: Mapping[date, DayCourse]) -> list[date]:
    """The days that were reconciled and have not converged, in order."""
    return sorted(day for day, course in days.items() if not course.converged)
