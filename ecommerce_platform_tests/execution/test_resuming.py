"""A run whose worker died is taken up by another one, which does what is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.execution.resuming import Progress, remaining_steps
from ecommerce_platform_tests.execution import resumed_steps
from ecommerce_platform_tests.resumable_launcher import RESUMABLE

CHAIN: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"b"}, "d": set()}


@pytest.mark.parametrize(
    ("progress", "left"),
    [
        (Progress(frozenset(), frozenset()), ["a", "b", "c", "d"]),
        (Progress(frozenset({"a"}), frozenset()), ["b", "c", "d"]),
        (Progress(frozenset(), frozenset({"a"})), ["d"]),
        (Progress(frozenset({"a"}), frozenset({"b"})), ["d"]),
        (Progress(frozenset({"a", "b", "c", "d"}), frozenset()), []),
    ],
)
def test_what_is_left_is_neither_done_nor_behind_a_failure(progress: Progress, left: list[str]) -> None:
    assert remaining_steps(progress, CHAIN) == left


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv(resumed_steps.FOLDER, str(tmp_path))
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=RESUMABLE) as own:
        yield own


def start_worker(instance: dg.DagsterInstance, tmp_path: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A worker that has come to the second step."""
    run = instance.create_run_for_job(resumed_steps.rows_job())
    command = [sys.executable, "-m", "ecommerce_platform_tests.execution.resumed_steps", run.run_id]
    worker = subprocess.Popen(command, env={**os.environ, "DAGSTER_HOME": str(tmp_path)})
    pause, deadline = threading.Event(), time.monotonic() + 300
    while "second" not in noted(tmp_path):
        assert worker.poll() is None, "the worker ended before its second step"
        assert time.monotonic() < deadline, "the second step did not begin"
        pause.wait(0.1)
    return worker, run.run_id


def noted(tmp_path: Path) -> list[str]:
    """The steps that began, in order."""
    path = tmp_path / "steps"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("number", "at_once"),
    [
        (signal.SIGKILL, "1"),
        (signal.SIGTERM, "2"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((signal.SIGTERM, "1"), (signal.SIGKILL, "2"))),
    ],
)
def test_a_resumed_run_does_again_only_what_was_not_finished(
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    at_once: str,
) -> None:
    monkeypatch.setenv(resumed_steps.AT_ONCE, at_once)
    worker, run_id = start_worker(instance, tmp_path)
    worker.send_signal(number)
    assert worker.wait(300) != 0, "a requested end is not a success either"
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.STARTED, "the run goes on"
    (tmp_path / "go on").touch()
    resumed_steps.work(instance, run_id, resume=True)
    begun = noted(tmp_path)
    assert begun.count("first") == 1
    assert begun.count("always_fails") == 1
    assert begun.count("second") == 2
    assert begun.count("third") == 1
    assert "behind_the_failed" not in begun
    finished = instance.get_run_by_id(run_id)
    assert finished is not None
    assert finished.status == dg.DagsterRunStatus.FAILURE, "one of its steps had failed before"
