"""Steps in spark-submit processes of their own: real ones, seen from the run that launched them."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform_tests.spark import launched_steps


class Launched:
    """A Dagster instance and a settings environment in a folder of their own."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance

    def run(self, *assets: str, tags: dict[str, str] | None = None) -> dg.JobExecutionResult:
        return dg.execute_job(
            dg.reconstructable(launched_steps.steps_job),
            instance=self.instance,
            tags=tags,
            asset_selection=[dg.AssetKey(name) for name in assets],
        )

    def failure(self, asset: str) -> str:
        result = self.run(asset)
        assert not result.success
        assert not result.get_step_success_events()
        error = result.failure_data_for_node(asset)
        assert error is not None
        assert error.error is not None
        return error.error.to_string()

    def allow(self, name: str) -> None:
        (self.folder / name).touch()

    def logged(self, message: str) -> list[dg.EventLogEntry]:
        runs = self.instance.get_run_ids()
        return [entry for run in runs for entry in self.instance.all_logs(run) if entry.user_message == message]


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launched]:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", "local-submit")
    monkeypatch.setenv("ECOMMERCE_SPARK__MASTER", "local[1]")
    monkeypatch.setenv(launched_steps.CODE_LOCATION_SETTING, launched_steps.CODE_LOCATION)
    monkeypatch.setenv(launched_steps.FOLDER, str(tmp_path))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield Launched(tmp_path, instance)


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Polls until the condition holds; fails when it does not in time."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.1)


def is_gone(process: int) -> bool:
    """Whether the process has ended; one that its new parent has not asked for yet has."""
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return True


def test_events_arrive_while_the_step_runs_and_its_results_are_the_runs(
    launched: Launched, capfd: pytest.CaptureFixture[str]
) -> None:
    results: list[dg.JobExecutionResult] = []
    tags = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-04"}
    run = threading.Thread(target=lambda: results.append(launched.run("ranged", tags=tags)))
    run.start()
    try:
        until(lambda: launched.logged("half way"))
        assert not results, "the step waits for this test: its event came before its end"
    finally:
        launched.allow("go on")
        run.join(300)
    assert results[0].success
    materialized = [
        event.step_materialization_data.materialization for event in results[0].get_asset_materialization_events()
    ]
    days = {m.partition: m.metadata["day"].value for m in materialized}
    assert days == {day: day for day in ("2026-01-02", "2026-01-03", "2026-01-04")}
    assert all(m.metadata["process"].value != os.getpid() for m in materialized)
    (check,) = results[0].get_asset_check_evaluations()
    assert check.passed
    assert check.metadata["process"].value != os.getpid()
    captured = capfd.readouterr()
    assert "to the compute log" in captured.out + captured.err
    # Spark's and the JVM's words about themselves.
    assert not re.search(r"WARN|log level", captured.out + captured.err), captured.err
    assert not list((launched.folder / "data" / "scratch" / "steps").rglob("*.jsonl")), "nothing is left behind"


@pytest.mark.slow
def test_a_launched_step_has_spark_as_the_settings_say(launched: Launched) -> None:
    result = launched.run("counts_with_spark")
    assert result.success
    metadata = result.asset_materializations_for_node("counts_with_spark")[0].metadata
    assert {name: value.value for name, value in metadata.items()} == {"rows": 1000, "memory": "2g", "time_zone": "UTC"}


@pytest.mark.slow
def test_a_failing_steps_own_error_is_the_runs(launched: Launched) -> None:
    assert "the shop is closed" in launched.failure("raises")


@pytest.mark.slow
def test_a_step_that_asks_for_another_try_gets_it(launched: Launched) -> None:
    result = launched.run("asks_for_another_try")
    assert result.success
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 1


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        pytest.param("killed", "had reported neither success nor failure", marks=pytest.mark.soak),
        pytest.param(
            "leaves_silently",
            "its process ended with exit code 0, and the step had reported neither",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "crashes_after_success",
            "the step reported success, then its process ended with exit code 7",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_process_that_ends_wrongly_is_no_success_and_says_how(launched: Launched, asset: str, reason: str) -> None:
    failure = launched.failure(asset)
    assert reason in failure
    if asset == "killed":
        assert "about to be killed" in failure, "the last lines of the log are in the reason"


@pytest.mark.slow
def test_a_step_over_its_time_limit_is_ended(launched: Launched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__RUNNING_SECONDS", "20")
    assert "it ran longer than 20 s" in launched.failure("waits")
    until(lambda: is_gone(int((launched.folder / "process").read_text())))


def while_launching(folder: Path, act: Callable[[Path], None]) -> threading.Thread:
    """A stranger with the right to write scratch: acts on a step's folder as soon as its reference is there."""

    def watch() -> None:
        scratch = folder / "data" / "scratch" / "steps"
        until(lambda: list(scratch.rglob("step.json")))
        act(next(scratch.rglob("step.json")).parent)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_whoever_writes_scratch_has_no_code_run_in_the_driver(launched: Launched) -> None:
    def replace_the_step(step: Path) -> None:
        document = json.loads((step / "step.json").read_text())
        if "job" in document:  # a reference that says where its job comes from
            job = json.loads(document["job"])
            job["repository"]["pointer"]["fn_name"] = "strangers_job"
            document["job"] = json.dumps(job)
        document["run_config"] = {"execution": {}}
        (step / "step.json").write_text(json.dumps(document))

    stranger = while_launching(launched.folder, replace_the_step)
    result = launched.run("counts_nothing")
    stranger.join(60)
    assert not (launched.folder / "stranger was here").exists(), "a stranger's code ran in the driver"
    assert not result.success
    error = result.failure_data_for_node("counts_nothing")
    assert "is not the step that was launched" in str(error)
