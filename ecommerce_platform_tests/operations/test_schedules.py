"""The daily schedule launches the day that has just ended, and nothing before the first partition."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from ecommerce_platform.operations.jobs import DAILY_BATCH
from ecommerce_platform.operations.schedules import daily_batch_schedule
from ecommerce_platform.settings import load_settings


def a_job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None:
        pass

    @dg.job(name=DAILY_BATCH, partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_offset=1))
    def job() -> None:
        nothing()

    return job


def evaluate(at: datetime) -> dg.RunRequest | dg.SkipReason:
    schedule = daily_batch_schedule(load_settings(start_date=date(2026, 1, 1)), a_job())
    result = schedule(dg.build_schedule_context(scheduled_execution_time=at))
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


@pytest.mark.parametrize("hour", [2, 23])
def test_the_run_is_for_the_day_before(hour: int) -> None:
    request = evaluate(datetime(2026, 3, 1, hour, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == ("2026-02-28", "daily-2026-02-28")


def test_a_day_before_the_first_partition_is_skipped_with_the_reason() -> None:
    skipped = evaluate(datetime(2026, 1, 1, 2, tzinfo=UTC))
    assert isinstance(skipped, dg.SkipReason)
    assert "2025-12-31 is before the first partition, 2026-01-01" in (skipped.skip_message or "")
