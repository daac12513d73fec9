"""When things happen in the shop: the days, their weekly rhythm and the hours of a day. All times are UTC.

What belongs here: instants as int64 microseconds since 1970, drawn without a loop over rows. What does not: what happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: An instant that is never reached.
NEVER = np.iinfo(np.int64).max

#: Orders on a Monday, …, a Sunday, against the mean.
_WEEK = np.array([0.86, 0.82, 0.88, 0.95, 1.10, 1.25, 1.14])
_HOURS = np.array([3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 14, 15, 14, 13, 13, 14, 15, 18, 21, 22, 19, 12, 7], dtype=float)
#: The first minute of a day is kept free: the snapshot of the first day is taken in it.
_QUIET = MINUTE


def instant(day: date) -> int:
    """Midnight at which the day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND


def day_of(microseconds: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))).date()


@dataclass(frozen=True)
class Window:
    """The days that the sample covers."""

    start: int
    days: int

    @classmethod
    def of(cls, start: date, days: int) -> Window:
        return cls(instant(start), days)

    @property
    def end(self) -> int:
        return self.start + self.days * DAY

    @property
    def snapshot(self) -> int:
        """When the connector read the tables for the first time."""
        return self.start + 5 * SECOND

    def day_index(self, microseconds: Ints) -> Ints:
        return (microseconds - self.start) // DAY


def counts_by_day(window: Window, mean: float, rng: np.random.Generator) -> Ints:
    """How much happens on each day: `mean` on average, more at the weekend, with a little noise; the sum is exact."""
    first_weekday = (window.start // DAY + 3) % 7
    weights = _WEEK[(first_weekday + np.arange(window.days)) % 7] * rng.normal(1, 0.03, window.days).clip(0.9, 1.1)
    total = round(mean * window.days)
    edges = np.floor(np.cumsum(weights) / weights.sum() * total + 0.5).astype(np.int64)
    return np.diff(edges, prepend=0)


def times_on_days(window: Window, counts: Ints, rng: np.random.Generator) -> Ints:
    """Instants in ascending order, `counts[d]` of them on day d, more in the evening than at night."""
    size = int(counts.sum())
    hour = rng.choice(24, size=size, p=_HOURS / _HOURS.sum())
    within = rng.integers(_QUIET, HOUR, size)
    times = window.start + np.repeat(np.arange(window.days), counts) * DAY + hour * HOUR + within
    return np.sort(times)
