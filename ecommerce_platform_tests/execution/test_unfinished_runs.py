"""Which unfinished runs are on their way, and which are forgotten: of every status, at every age."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from ecommerce_platform.execution.unfinished_runs import UNFINISHED, unfinished_runs
from ecommerce_platform.iceberg.resource import build_resources as lake_resources
from ecommerce_platform.landing.resource import build_resources
from ecommerce_platform.landing.sensor import build_sensor
from ecommerce_platform.operations.backfill.launch import Backfills
from ecommerce_platform.operations.retries import build_sensor as build_retry_sensor
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.dagster_runs import a_run

HOURS, MONTHS = timedelta(hours=1), timedelta(days=61)
Status = dg.DagsterRunStatus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def ids(runs: tuple[dg.DagsterRun, ...]) -> list[str]:
    return [run.run_id for run in runs]


@pytest.mark.parametrize("status", UNFINISHED)
def test_a_run_is_on_its_way_for_a_day_and_forgotten_after_months_of_silence(
    instance: dg.DagsterInstance, status: Status
) -> None:
    run, now = a_run(instance, status), datetime.now(UTC)
    assert ids(unfinished_runs(instance, now + HOURS).on_their_way) == [run.run_id]
    silent = unfinished_runs(instance, now + MONTHS)
    assert silent.on_their_way == ()
    (forgotten,) = silent.forgotten
    assert forgotten.run.run_id == run.run_id
    assert status.value.lower() in str(forgotten)
    assert "terminate it in Dagster" in str(forgotten)


def test_a_started_run_of_which_events_come_is_on_its_way_however_old_it_is(instance: dg.DagsterInstance) -> None:
    run = a_run(instance, Status.STARTED)
    now = datetime.now(UTC) + MONTHS
    entry = dg.EventLogEntry(
        error_info=None,
        level=logging.INFO,
        user_message="written",
        run_id=run.run_id,
        timestamp=(now - HOURS).timestamp(),
        dagster_event=None,
    )
    instance.event_log_storage.store_event(entry)
    assert ids(unfinished_runs(instance, now).on_their_way) == [run.run_id]


def test_a_started_run_may_be_silent_for_as_long_as_run_monitoring_allows(tmp_path: object) -> None:
    overrides = {"run_monitoring": {"enabled": True, "max_runtime_seconds": int(timedelta(days=3).total_seconds())}}
    with dg.instance_for_test(overrides=overrides) as instance:
        run, now = a_run(instance, Status.STARTED), datetime.now(UTC)
        assert ids(unfinished_runs(instance, now + timedelta(days=2)).on_their_way) == [run.run_id]
        assert unfinished_runs(instance, now + timedelta(days=4)).on_their_way == ()


def test_a_queued_run_waits_for_what_runs_and_for_nothing_that_is_forgotten(instance: dg.DagsterInstance) -> None:
    queued, dead = (a_run(instance, status) for status in (Status.QUEUED, Status.STARTED))
    now = datetime.now(UTC) + MONTHS
    assert unfinished_runs(instance, now).on_their_way == ()
    instance.add_run_tags(dead.run_id, {"alive": "yes"})  # its record changes, but not two months later
    assert unfinished_runs(instance, now).on_their_way == ()
    entry = dg.EventLogEntry(None, logging.INFO, "written", dead.run_id, now.timestamp())
    instance.event_log_storage.store_event(entry)
    assert set(ids(unfinished_runs(instance, now).on_their_way)) == {queued.run_id, dead.run_id}


def test_runs_of_another_job_do_not_count(instance: dg.DagsterInstance) -> None:
    a_run(instance, Status.STARTED, "maintenance")
    assert unfinished_runs(instance, datetime.now(UTC), "daily_batch").on_their_way == ()


@pytest.mark.parametrize("status", UNFINISHED)
def test_no_sensor_waits_for_a_run_that_cannot_come_back(
    instance: dg.DagsterInstance, local_settings: Settings, status: Status
) -> None:
    a_run(instance, status)
    job = dg.define_asset_job("daily_batch")

    def later() -> datetime:
        return datetime.now(UTC) + MONTHS

    for sensor in (
        build_sensor(local_settings, job, clock=later),
        build_retry_sensor(local_settings.profile, job, later),
    ):
        resources = {**build_resources(local_settings), **lake_resources(local_settings)}
        skipped = sensor(dg.build_sensor_context(instance, resources=resources))
        assert isinstance(skipped, dg.SkipReason)
        assert "not finished" not in (skipped.skip_message or ""), sensor.name


def test_a_backfill_finds_no_day_busy_with_a_run_that_cannot_come_back(
    instance: dg.DagsterInstance, local_settings: Settings
) -> None:
    a_run(instance, Status.NOT_STARTED, dagster__partition="2026-01-04")
    now = datetime.now(UTC)
    for at, days in ((now, [date(2026, 1, 4)]), (now + MONTHS, [])):
        backfills = Backfills(local_settings, instance, dg.Definitions(), clock=at.timestamp)
        assert [busy.first for busy in backfills.busy()] == days
