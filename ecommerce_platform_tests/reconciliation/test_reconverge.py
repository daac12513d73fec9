"""Days that have not converged are reconciled again: ticks of Dagster's own sensor daemon, its crashes and restarts included."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import (
    InProcessTestWorkspaceLoadTarget,
    create_test_daemon_workspace_context,
    instance_for_test,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.sensor import execute_sensor_iteration

from ecommerce_platform.operations.reconverge import (
    JOB_NAME,
    SENSOR_NAME,
    Cursor,
    build_sensor,
    recheck_job,
    run_request,
)
from ecommerce_platform.reconciliation.resource import ReconciliationResource
from ecommerce_platform.reconciliation.verdicts.recheck import Slot
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.reconciled import ALL_DAYS, LAST, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import DAY, TwoLayers

_LOCATION = "ecommerce_platform_tests.reconciliation.code_location"
_LAUNCHER = {
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    },
    "run_coordinator": {
        "module": "dagster._core.run_coordinator.default_run_coordinator",
        "class": "DefaultRunCoordinator",
    },
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "dagster"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def location(servers_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The code location, of this installation."""
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(servers_settings.data_dir))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
    sys.modules.pop(_LOCATION, None)
    yield
    sys.modules.pop(_LOCATION, None)


@contextmanager
def daemon(home: Path) -> Iterator[Any]:
    """A daemon over the instance in `home`; entering again is a restart. The sensor is switched on."""
    with instance_for_test(temp_dir=str(home), overrides=_LAUNCHER) as instance:
        origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=_LOCATION), location_name="shop")
        with create_test_daemon_workspace_context(InProcessTestWorkspaceLoadTarget(origin), instance) as workspace:
            location = next(iter(workspace.create_request_context().code_locations))
            (repository,) = location.get_repositories().values()
            sensor = repository.get_sensor(SENSOR_NAME)
            if not any(state.is_running for state in instance.all_instigator_state(None, None, InstigatorType.SENSOR)):
                instance.start_sensor(sensor)
            yield workspace


def tick(workspace: Any, at: datetime | None = None, crash_at: str | None = None) -> None:
    """One round of the daemon, at `at` by its own clock, which spaces ticks by a minute; it dies at the point `crash_at`."""
    from dagster._core.test_utils import freeze_time

    # An interrupt leaves no trace in Dagster's tables, as a kill would not.
    crash = {SENSOR_NAME: {crash_at: signal.SIGINT}} if crash_at else None
    with freeze_time(at or datetime.now(UTC)):
        list(execute_sensor_iteration(workspace, logging.getLogger("daemon"), None, None, debug_crash_flags=crash))


def runs(workspace: Any) -> list[dg.DagsterRun]:
    return workspace.instance.get_runs(dg.RunsFilter(job_name=JOB_NAME))


def diverged(two: TwoLayers, ago: timedelta) -> None:
    """An order is missing in the speed layer, and was first seen to be `ago`."""
    two.batch(ORDER, LAST)
    two.speed(LAST)
    run(two, ALL_DAYS, "first", datetime.now(UTC) - ago)


@pytest.mark.slow
def test_a_day_is_reconciled_again_once_a_slot_through_restarts_until_it_converges(two: TwoLayers, home: Path) -> None:
    diverged(two, timedelta(minutes=20))
    now = datetime.now(UTC) + timedelta(minutes=2)
    with daemon(home) as workspace:
        tick(workspace, now)
        (launched,) = runs(workspace)
        # It ends red, as it should: the order has differed for longer than the lag window.
        assert launched.status is dg.DagsterRunStatus.FAILURE
        assert launched.tags["dagster/partition"] == str(DAY)
        tick(workspace, now + timedelta(minutes=2))
        assert len(runs(workspace)) == 1
    with daemon(home) as workspace:
        tick(workspace, now + timedelta(minutes=4))
        assert len(runs(workspace)) == 1
    states = two.connection.cursor().execute("select state from reconciliation.order_discrepancies").fetchall()
    assert states == [("confirmed",)]
    two.speed(ORDER)
    run(two, [], "by hand", datetime.now(UTC))
    with daemon(home) as workspace:
        tick(workspace, now + timedelta(hours=5))
        assert len(runs(workspace)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    spread(["TICK_CREATED", "TICK_HELD", "RUN_IDS_RESERVED", "RUN_CREATED", "RUN_LAUNCHED"], everyday=0, slow=1),
)
def test_a_daemon_that_dies_at_any_point_launches_one_run(two: TwoLayers, home: Path, point: str) -> None:
    diverged(two, timedelta(minutes=20))
    now = datetime.now(UTC) + timedelta(minutes=2)
    with daemon(home) as workspace, pytest.raises(KeyboardInterrupt):
        tick(workspace, now, crash_at=point)
    with daemon(home) as workspace:
        for later in (1, 3, 5):
            tick(workspace, now + timedelta(minutes=later))
        assert [item.is_finished for item in runs(workspace)] == [True]


@pytest.mark.slow
def test_a_day_past_its_time_limit_fails_its_run_and_is_given_up(two: TwoLayers, home: Path) -> None:
    diverged(two, timedelta(hours=73))
    now = datetime.now(UTC) + timedelta(minutes=2)
    with daemon(home) as workspace:
        tick(workspace, now)
        (failed,) = runs(workspace)
        assert failed.status is dg.DagsterRunStatus.FAILURE
        key = dg.AssetCheckKey(dg.AssetKey(["reconciliation", "convergence"]), "converged")
        record = workspace.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert "have not converged within 3 days" in evaluation.description
        tick(workspace, now + timedelta(days=1))
        assert len(runs(workspace)) == 1


def evaluated(settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None, **kwargs: Any) -> Any:
    sensor = build_sensor(settings, recheck_job(settings.start_date), **kwargs)
    context = dg.build_sensor_context(
        instance, cursor, resources={"reconciliation": ReconciliationResource.of(settings)}
    )
    return sensor(context)


def test_while_a_run_is_unfinished_nothing_is_launched(two: TwoLayers, servers_settings: Settings) -> None:
    diverged(two, timedelta(minutes=20))
    with dg.DagsterInstance.ephemeral() as instance:
        job = importlib.import_module(_LOCATION).defs.resolve_job_def(JOB_NAME)
        other = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        skipped = evaluated(servers_settings, instance)
        assert isinstance(skipped, dg.SkipReason)
        assert other.run_id in str(skipped.skip_message)
        instance.delete_run(other.run_id)
        assert len(evaluated(servers_settings, instance).run_requests) == 1


def test_a_run_that_failed_before_it_wrote_anything_is_asked_for_again_at_the_next_slot(
    two: TwoLayers, servers_settings: Settings
) -> None:
    diverged(two, timedelta(minutes=20))
    now = datetime.now(UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        first = evaluated(servers_settings, instance, clock=lambda: now)
        again = evaluated(servers_settings, instance, first.cursor, clock=lambda: now + timedelta(minutes=5))
        later = evaluated(servers_settings, instance, first.cursor, clock=lambda: now + timedelta(minutes=26))
    assert isinstance(again, dg.SkipReason)
    keys = [result.run_requests[0].run_key for result in (first, later)]
    assert len(set(keys)) == 2
    assert all(key.startswith(f"{DAY}@") for key in keys)


def test_a_run_for_other_days_has_another_key_though_the_latest_of_them_is_the_same(local_settings: Settings) -> None:
    earlier, latest = (Slot(datetime(2026, 1, 9, hour, tzinfo=UTC), DAY) for hour in (4, 5))
    asked = ((latest,), (earlier, latest), (earlier, latest))
    keys = [run_request(due, local_settings.start_date, DAY).run_key for due in asked]
    assert keys[1] == keys[2]
    assert keys[0] != keys[1]


def test_nothing_is_asked_of_snowflake_before_the_next_slot(two: TwoLayers, servers_settings: Settings) -> None:
    diverged(two, timedelta(minutes=2))
    now = datetime.now(UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        read = evaluated(servers_settings, instance, clock=lambda: now)
        assert "the next day is due at" in read.skip_reason.skip_message
        # Nothing there to be asked: the tick must do without.
        unreachable = servers_settings.model_copy(update={"data_dir": Path("/nowhere")})
        still = evaluated(unreachable, instance, read.cursor, clock=lambda: now + timedelta(minutes=12))
        assert "nothing is due before" in still.skip_message
        due = evaluated(servers_settings, instance, read.cursor, clock=lambda: now + timedelta(minutes=13, seconds=30))
        assert len(due.run_requests) == 1


def test_a_cursor_is_read_as_it_was_written() -> None:
    for cursor in (Cursor(), Cursor(datetime.now(UTC), None, 7), Cursor(datetime.now(UTC), datetime.now(UTC), None)):
        assert Cursor.from_text(cursor.to_text()) == cursor
    assert Cursor.from_text(None) == Cursor()
