"""Adding up is pure, and label sets stay bounded."""

from ecommerce_platform.operations.exporter.facts import Fact, Materialized, StepEnded
from ecommerce_platform.operations.exporter.tally import KEPT_DATES, Histogram, Tally


def a_step(day: str, seconds: float = 4.0, succeeded: bool = True) -> Fact:
    return StepEnded("run", "iceberg_tables", succeeded, seconds, day, 0.0, ("iceberg/users", "snowflake/raw/users"))


def test_old_dates_leave_and_the_newest_stay() -> None:
    tally = Tally()
    tally.apply(a_step(f"2026-{month:02d}-{day:02d}") for month in (1, 2) for day in range(1, 29))
    dates = sorted(day for _, day in tally.spark_durations)
    assert len(dates) == KEPT_DATES
    assert (dates[0], dates[-1]) == ("2026-01-27", "2026-02-28")


def test_buckets_are_cumulative_and_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.5, 5, 5.1, 20_000):
        histogram.observe(seconds)
    shown = dict(histogram.cumulative())
    assert (shown["1"], shown["5"], shown["10"], shown["10800"], shown["+Inf"]) == (1, 2, 3, 3, 4)
    assert histogram.total == 20_010.6


def test_the_success_rate_forgets_all_but_the_last_attempts() -> None:
    tally = Tally()
    tally.apply(a_step("2026-01-01", succeeded=False) for _ in range(30))
    tally.apply(a_step("2026-01-02") for _ in range(15))
    assert list(tally.load_attempts["users"]) == [False] * 5 + [True] * 15


def test_a_model_that_ran_once_for_a_range_of_days_is_observed_once() -> None:
    tally = Tally()
    for run in ("first", "second"):
        days = ("2026-01-01", "2026-01-02", "2026-01-03")
        tally.apply(Materialized(run, "marts/x", day, 0.0, seconds=2.0, materialization="table") for day in days)
    histogram = tally.dbt_durations["marts/x", "table"]
    assert (sum(histogram.counts), histogram.total) == (2, 4.0)
