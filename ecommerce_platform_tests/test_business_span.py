from __future__ import annotations

from datetime import date

import pytest

from ecommerce_platform.business_span import BusinessSpan, years_later
from ecommerce_platform.settings import load_settings


def test_the_span_reaches_from_before_the_start_date_to_after_the_as_of_day() -> None:
    settings = load_settings(start_date=date(2026, 3, 1), marts={"years_before_start": 2, "years_after_last_day": 3})
    assert BusinessSpan.of(settings).dates(date(2026, 5, 31)) == (date(2024, 3, 1), date(2029, 5, 31))
    assert BusinessSpan.of(settings).dates(None) == (date(2024, 3, 1), date(2024, 3, 1))


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        (date(2028, 2, 29), 1, date(2029, 2, 28)),
        (date(2028, 2, 29), -4, date(2024, 2, 29)),
        (date(2026, 1, 1), -1000, date(1026, 1, 1)),
        (date(900, 1, 1), -1000, date.min),
        (date(9999, 1, 1), 1000, date.max),
    ],
)
def test_years_end_at_the_dates_that_exist(day: date, years: int, expected: date) -> None:
    assert years_later(day, years) == expected
