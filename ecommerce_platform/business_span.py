"""The span of business dates: which dates the figures by date have rows for.

What belongs here: the span and its two ends. What does not: the queries that leave out orders outside it (dbt_project,
analytics), and what that means for each figure (docs/definitions.md).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

from ecommerce_platform.settings import Settings


@dataclass(frozen=True)
class BusinessSpan:
    """Dates from `first` to `years_after_last_day` years after the as-of day, both included."""

    first: date
    years_after_last_day: int

    @classmethod
    def of(cls, settings: Settings) -> BusinessSpan:
        """The span that the settings give."""
        marts = settings.marts
        return cls(years_later(settings.start_date, -marts.years_before_start), marts.years_after_last_day)

    def last(self, as_of: date) -> date:
        """The last date of the span on an as-of day."""
        return years_later(as_of, self.years_after_last_day)

    def dates(self, as_of: date | None) -> tuple[date, date]:
        """The first and the last date; the first alone while no day is applied."""
        return self.first, self.last(as_of) if as_of else self.first

    def dbt_vars(self) -> dict[str, object]:
        """The span as dbt variables; the as-of day comes from the warehouse."""
        return {
            "first_business_date": self.first.isoformat(),
            "years_after_last_day": str(self.years_after_last_day),
        }


def years_later(day: date, years: int) -> date:
    """The same date so many years later (earlier, when negative); 29 February becomes the 28th, as in Snowflake's DATEADD.

    Years before 1 and after 9999, which no date has, become the first and the last date that there is.
    """
    year = day.year + years
    if year < date.min.year:
        return date.min
    if year > date.max.year:
        return date.max
    last_of_month = calendar.monthrange(year, day.month)[1]
    return date(year, day.month, min(day.day, last_of_month))
