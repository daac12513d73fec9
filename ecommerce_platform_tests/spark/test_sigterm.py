"""SIGTERM in the middle of a Spark job, in each launcher: step, JVM and folders are gone in time, and a new run succeeds.

The job is one whose tasks wait in Python on the executors until the test makes a file. On Kubernetes:
kubernetes/test_launcher_faults.py.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.execution.ending import descendants
from ecommerce_platform.stand_ins import servers
from ecommerce_platform.stand_ins.server_state import ServerFiles, ServerKind
from ecommerce_platform_tests.resumable_launcher import RESUMABLE
from ecommerce_platform_tests.spark import launched_steps

#: Kubernetes kills a pod after 30.
IN_TIME = 25.0
STEP = "counts_on_executors"

pytestmark = pytest.mark.slow


class Worker:
    """A process with a step whose tasks wait."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self.log = folder / "worker.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "DAGSTER_HOME": str(folder)}
            )
        until(lambda: len(self._named("pyspark.daemon")) > 1, self)
        self.begun = descendants(self.process.pid)

    def _named(self, word: str) -> list[int]:
        server = server_of(self.folder)
        pids = [*descendants(self.process.pid), *(descendants(server) if server else ())]
        return [pid for pid in pids if word in command_of(pid)]

    @property
    def jvm(self) -> int:
        (pid,) = [pid for pid in self.begun if command_of(pid).startswith(f"{java_home()}/bin/java")]
        return pid

    def ends_in_time_after(self, number: signal.Signals, process: int | None = None) -> int:
        """Sends the signal; the worker's exit code once it and all that it had started are gone, within IN_TIME."""
        began = time.monotonic()
        os.kill(process or self.process.pid, number)
        code = self.process.wait(60)
        until(lambda: not self.left(), self, 60)
        assert time.monotonic() - began < IN_TIME
        return code

    def left(self) -> list[str]:
        return [f"{pid} {command_of(pid)}" for pid in self.begun if is_alive(pid)]


def server_of(folder: Path) -> int | None:
    """The process of the Spark server that the folder's platform shares, if one runs."""
    state = ServerFiles(folder / "data", ServerKind.SPARK).running_state()
    return state.pid if state else None


def java_home() -> str:
    from ecommerce_platform.spark.java import require_java

    return str(require_java().executable.resolve().parent.parent)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], object], worker: Worker, seconds: float = 240) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, worker.log.read_text()[-3000:]
        pause.wait(0.1)


class Place:
    """A Dagster instance, and a settings environment, in a folder of their own."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance

    def begin(self) -> tuple[Worker, str]:
        run = self.instance.create_run_for_job(
            launched_steps.steps_job(), asset_selection=frozenset({dg.AssetKey(STEP)})
        )
        command = [sys.executable, "-m", "ecommerce_platform_tests.spark.launched_steps", run.run_id]
        return Worker(self.folder, command), run.run_id

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def nothing_is_left(self) -> bool:
        """Neither files in the scratch location nor temporary folders of Spark."""
        scratch = self.folder / "data" / "scratch"
        return not [path for path in (*scratch.rglob("*"), *(self.folder / "tmp").glob("*")) if path.is_file()]

    def a_new_run_succeeds(self) -> bool:
        (self.folder / "go on").touch()
        run = self.instance.create_run_for_job(
            launched_steps.steps_job(), asset_selection=frozenset({dg.AssetKey(STEP)})
        )
        command = [sys.executable, "-m", "ecommerce_platform_tests.spark.launched_steps", run.run_id]
        env = {**os.environ, "DAGSTER_HOME": str(self.folder)}
        subprocess.run(command, env=env, check=True, timeout=300, capture_output=True)
        return self.status(run.run_id) == dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def overrides() -> dict[str, object]:
    return {}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, object]) -> Iterator[Place]:
    (tmp_path / "tmp").mkdir()
    for name, value in {
        "ECOMMERCE_DATA_DIR": str(tmp_path / "data"),
        "ECOMMERCE_SPARK__MASTER": "local[2]",
        launched_steps.FOLDER: str(tmp_path),
        launched_steps.CODE_LOCATION_SETTING: launched_steps.CODE_LOCATION,
        "TMPDIR": str(tmp_path / "tmp"),
        "SPARK_LOCAL_DIRS": str(tmp_path / "tmp"),
    }.items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as instance:
        yield Place(tmp_path, instance)
    servers.down(tmp_path / "data")


@pytest.mark.parametrize(
    ("launcher", "engine"), [("local", "process"), ("local", "server"), ("local-submit", "process")]
)
def test_a_worker_that_is_asked_to_go_takes_its_step_along(
    place: Place, monkeypatch: pytest.MonkeyPatch, launcher: str, engine: str
) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", launcher)
    monkeypatch.setenv("ECOMMERCE_SPARK__ENGINE", engine)
    worker, run_id = place.begin()
    server = server_of(place.folder)
    assert (server is not None) == (engine == "server")
    worker.ends_in_time_after(signal.SIGTERM)
    assert place.status(run_id) == dg.DagsterRunStatus.FAILURE
    (failure,) = [
        entry.dagster_event.step_failure_data
        for entry in place.instance.all_logs(run_id)
        if entry.dagster_event and entry.dagster_event.is_step_failure
    ]
    assert failure.error_source is not None
    assert failure.error_source.value == "INTERRUPT", "not an error of Spark, which a retry or a refusal would follow"
    # The shuffle files of a server go when the next process begins, or with it.
    assert server or place.nothing_is_left()
    assert place.a_new_run_succeeds()


@pytest.mark.soak
@pytest.mark.parametrize("overrides", [RESUMABLE])
def test_a_run_in_process_that_will_be_resumed_ends_as_fast(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", "local")
    worker, run_id = place.begin()
    assert worker.ends_in_time_after(signal.SIGTERM) == 143
    assert place.status(run_id) == dg.DagsterRunStatus.STARTED
    assert place.nothing_is_left()


def test_a_driver_whose_jvm_is_asked_to_go_as_in_a_pod_takes_its_python_along(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a driver pod, tini hands SIGTERM to spark-submit, which is the JVM."""
    monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", "local-submit")
    worker, run_id = place.begin()
    worker.ends_in_time_after(signal.SIGTERM, worker.jvm)
    assert place.status(run_id) == dg.DagsterRunStatus.FAILURE
    assert place.nothing_is_left()


@pytest.mark.soak
def test_a_jvm_that_does_not_answer_any_more_is_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", "local")
    worker, _ = place.begin()
    os.kill(worker.jvm, signal.SIGSTOP)
    worker.ends_in_time_after(signal.SIGTERM)


def test_ctrl_c_ends_a_step_with_spark_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", "local")
    worker, _ = place.begin()
    worker.ends_in_time_after(signal.SIGINT)
    assert place.nothing_is_left()
