"""Retries: a few, with growing pauses, no day waiting for another, and none for a verdict on the data or a person's decision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from ecommerce_platform.operations.retries import PAUSES, Attempt, build_sensor, due
from ecommerce_platform.settings import Settings

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAY = date(2026, 1, 4)


FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED


def failed(
    minutes_ago: float, number: int = 0, *, automatic: bool = True, success: bool = False, cancelled: bool = False
) -> Attempt:
    ended = NOW - timedelta(minutes=minutes_ago)
    return Attempt(f"run-{number}", "run-0", number, DAY, DAY, ended, success, automatic, cancelled)


@pytest.mark.parametrize(
    ("attempts", "numbers"),
    [
        ([failed(4)], []),
        ([failed(6)], [1]),
        ([failed(60), failed(19, 1)], []),
        ([failed(60), failed(21, 1)], [2]),
        ([failed(300), failed(200, 1), failed(70, 2)], [3]),
        ([failed(300), failed(280, 1), failed(250, 2), failed(180, 3)], []),
        ([failed(30), failed(10, success=True)], []),
        ([failed(30, automatic=False)], []),
        ([failed(60), failed(30, 1, cancelled=True)], []),
        ([failed(30, cancelled=True)], []),
        ([failed(25 * 60)], []),
    ],
)
def test_a_retry_is_due_after_its_pause_and_not_for_ever(attempts: list[Attempt], numbers: list[int]) -> None:
    assert [retry.number for retry in due(attempts, NOW)] == numbers


class Shop:
    """A job that fails on request, and the sensor's ticks with a clock that the test moves."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.instance, self.now = instance, datetime.now(UTC)
        self.check_fails = False
        partitions = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-01")

        @dg.asset(partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
        def orders() -> None:
            if not self.check_fails:
                raise ConnectionError("the warehouse is away")

        @dg.asset_check(asset=orders, blocking=True)
        def adds_up() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=False)

        job = dg.define_asset_job("daily_batch", selection="*", executor_def=dg.in_process_executor)
        self.definitions = dg.Definitions(assets=[orders], asset_checks=[adds_up], jobs=[job])
        self.sensor = build_sensor(settings.profile, job, lambda: self.now)

    def run(self, tags: dict[str, str]) -> None:
        job = self.definitions.resolve_job_def("daily_batch")
        job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)

    def tick(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(self.instance, definitions=self.definitions)
        return list(self.sensor.evaluate_tick(context).run_requests or [])


@pytest.fixture
def shop(local_settings: Settings) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(local_settings, instance)


def test_a_source_that_stays_away_costs_three_more_runs_and_no_storm(shop: Shop) -> None:
    shop.run({"dagster/schedule_name": "daily", "dagster/partition": "2026-01-04"})
    keys = []
    for _ in range(8 * 12):  # eight hours of ticks, five minutes apart
        for request in shop.tick():
            keys.append(request.run_key)
            shop.run({**request.tags, "dagster/sensor_name": "retry_failed_runs"})
            # The run has just ended by the real clock; the test's clock goes on from there.
        shop.now += timedelta(minutes=5)
    assert len(keys) == len(set(keys)) == len(PAUSES)


def test_a_run_that_a_check_failed_is_left(shop: Shop) -> None:
    shop.check_fails = True
    shop.run({"dagster/schedule_name": "daily", "dagster/partition": "2026-01-04"})
    shop.now += timedelta(hours=1)
    assert shop.tick() == []


def test_a_run_whose_process_died_is_tried_again(shop: Shop) -> None:
    job = shop.definitions.resolve_job_def("daily_batch")
    tags = {"dagster/sensor_name": "new_landing_files", "dagster/partition": "2026-01-04"}
    run = shop.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert shop.tick() == []  # it may still be at work
    shop.instance.report_run_failed(run)
    shop.now += timedelta(hours=1)
    (request,) = shop.tick()
    assert request.tags["dagster/asset_partition_range_start"] == "2026-01-04"


def test_a_run_that_a_person_launched_is_left_to_that_person(shop: Shop) -> None:
    shop.run({"dagster/partition": "2026-01-04"})
    shop.now += timedelta(hours=1)
    assert shop.tick() == []


def a_run(shop: Shop, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    """A run of the job that is in this status, and of which nothing was executed."""
    job = shop.definitions.resolve_job_def("daily_batch")
    first = dg.DagsterRunStatus.STARTED if status is FAILURE else status
    run = shop.instance.create_run_for_job(job, tags={name.replace("__", "/"): value for name, value in tags.items()})
    if first is CANCELED:
        shop.instance.report_run_canceled(run)
    elif status is FAILURE:
        shop.instance.report_run_failed(run)
    return run


def days_of(requests: list[dg.RunRequest]) -> list[str]:
    return [request.tags["dagster/asset_partition_range_start"] for request in requests]


def test_a_cancelled_retry_leaves_its_day_to_the_person_and_holds_back_no_other_day(shop: Shop) -> None:
    a_run(shop, FAILURE, dagster__schedule_name="daily", dagster__partition="2026-01-04")
    shop.now += timedelta(minutes=10)
    (request,) = shop.tick()
    cancelled = {**request.tags, "dagster/run_key": request.run_key or "", "dagster/sensor_name": "retry_failed_runs"}
    a_run(shop, CANCELED, **cancelled)
    a_run(shop, FAILURE, dagster__sensor_name="new_landing_files", dagster__partition="2026-01-05")
    shop.now += timedelta(minutes=10)
    assert days_of(shop.tick()) == ["2026-01-05"]


def test_a_request_whose_key_is_spent_holds_back_no_other_day(shop: Shop) -> None:
    lost = a_run(shop, FAILURE, dagster__schedule_name="daily", dagster__partition="2026-01-04")
    shop.now += timedelta(minutes=10)
    (request,) = shop.tick()
    # A run has the key, and its days are not known: somebody has changed its tags.
    a_run(shop, CANCELED, **{"dagster/run_key": request.run_key or "", "dagster/sensor_name": "retry_failed_runs"})
    a_run(shop, FAILURE, dagster__sensor_name="new_landing_files", dagster__partition="2026-01-05")
    shop.now += timedelta(minutes=10)
    assert days_of(shop.tick()) == ["2026-01-05"]
    assert lost.run_id in (request.run_key or "")


def test_all_days_that_failed_are_tried_again_in_one_tick(shop: Shop) -> None:
    for day in ("2026-01-04", "2026-01-05", "2026-01-06"):
        a_run(shop, FAILURE, dagster__schedule_name="daily", dagster__partition=day)
    shop.now += timedelta(minutes=10)
    assert days_of(shop.tick()) == ["2026-01-04", "2026-01-05", "2026-01-06"]


def test_an_attempt_that_was_deleted_holds_back_no_other_day(shop: Shop) -> None:
    tags = {"ecommerce/retry_of": "gone", "ecommerce/retry_attempt": "1", "dagster/sensor_name": "retry_failed_runs"}
    a_run(shop, FAILURE, **tags, dagster__partition="2026-01-04")
    a_run(shop, FAILURE, dagster__schedule_name="daily", dagster__partition="2026-01-05")
    shop.now += timedelta(minutes=30)
    assert days_of(shop.tick()) == ["2026-01-04", "2026-01-05"]


def test_a_run_that_a_person_executed_again_is_left_to_that_person(shop: Shop) -> None:
    tags = {"dagster/schedule_name": "daily", "dagster/parent_run_id": "the first"}
    a_run(shop, FAILURE, **tags, dagster__partition="2026-01-04")
    shop.now += timedelta(minutes=30)
    assert shop.tick() == []


def test_the_second_failure_of_an_attempt_has_a_key_of_its_own(shop: Shop) -> None:
    tags = {"ecommerce/retry_of": "root", "ecommerce/retry_attempt": "1", "dagster/sensor_name": "retry_failed_runs"}
    keys = []
    for _ in range(2):
        a_run(shop, FAILURE, **tags, dagster__partition="2026-01-04")
        shop.now = datetime.now(UTC) + timedelta(minutes=30)
        keys += [request.run_key for request in shop.tick()]
    assert len(set(keys)) == 2
