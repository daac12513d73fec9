"""The daily schedule launches the day that has just ended, and nothing before the first partition."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from ecommerce_platform.operations.schedules import daily_batch_schedule, one_at_a_time
from ecommerce_platform.settings import load_settings
from ecommerce_platform_tests.dagster_runs import a_job, a_run


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """One on disk: a schedule opens it by its reference."""
    with dg.instance_for_test() as on_disk:
        yield on_disk


def evaluate(instance: dg.DagsterInstance, at: datetime) -> dg.RunRequest | dg.SkipReason:
    schedule = daily_batch_schedule(load_settings(start_date=date(2026, 1, 1)), a_job())
    result = schedule(dg.build_schedule_context(instance, scheduled_execution_time=at))
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


@pytest.mark.parametrize("hour", [2, 23])
def test_the_run_is_for_the_day_before(instance: dg.DagsterInstance, hour: int) -> None:
    request = evaluate(instance, datetime(2026, 3, 1, hour, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == ("2026-02-28", "daily-2026-02-28")


def test_a_day_before_the_first_partition_is_skipped_with_the_reason(instance: dg.DagsterInstance) -> None:
    skipped = evaluate(instance, datetime(2026, 1, 1, 2, tzinfo=UTC))
    assert isinstance(skipped, dg.SkipReason)
    assert "2025-12-31 is before the first partition, 2026-01-01" in (skipped.skip_message or "")


@pytest.mark.parametrize(
    ("partition", "status", "launches"),
    [
        ("the day it asks for", dg.DagsterRunStatus.STARTED, False),
        ("the day it asks for", dg.DagsterRunStatus.QUEUED, False),
        ("another day", dg.DagsterRunStatus.STARTED, True),
        ("the day it asks for", dg.DagsterRunStatus.SUCCESS, True),
    ],
)
def test_a_day_that_a_run_on_its_way_has_is_left_to_that_run(
    instance: dg.DagsterInstance, partition: str, status: dg.DagsterRunStatus, launches: bool
) -> None:
    # Soon after the run was heard of, at whatever time of day: a run that was silent for a day keeps no day from the schedule.
    at = datetime.now(UTC) + timedelta(hours=1)
    day = at.date() - timedelta(days=1 if partition == "the day it asks for" else 2)
    ends = {"dagster__asset_partition_range_start": str(day), "dagster__asset_partition_range_end": str(day)}
    run = a_run(instance, status, **ends)
    result = evaluate(instance, at)
    assert isinstance(result, dg.RunRequest) == launches
    if isinstance(result, dg.SkipReason):
        assert run.run_id in (result.skip_message or "")


def test_a_run_that_never_started_keeps_no_day_from_the_schedule(instance: dg.DagsterInstance) -> None:
    at = datetime.now(UTC) + timedelta(days=60)
    a_run(instance, dg.DagsterRunStatus.NOT_STARTED, dagster__partition=str(at.date() - timedelta(days=1)))
    assert isinstance(evaluate(instance, at), dg.RunRequest)


def test_maintenance_and_observation_run_one_at_a_time_and_wait_for_nothing_that_is_forgotten(
    instance: dg.DagsterInstance,
) -> None:
    schedule = one_at_a_time(load_settings().profile, "weekly", "0 5 * * 0", a_job(), "")
    run, now = a_run(instance, dg.DagsterRunStatus.NOT_STARTED), datetime.now(UTC)
    skipped = schedule(dg.build_schedule_context(instance, scheduled_execution_time=now))
    assert isinstance(skipped, dg.SkipReason)
    assert run.run_id in (skipped.skip_message or "")
    later = dg.build_schedule_context(instance, scheduled_execution_time=now + timedelta(days=7))
    assert isinstance(schedule(later), dg.RunRequest)
