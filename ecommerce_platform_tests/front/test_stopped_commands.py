"""A long command that is stopped by SIGTERM or ctrl-C ends in time, in one line that says how to go on, and going on works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecommerce_platform.execution.ending import descendants
from ecommerce_platform.settings import load_settings

IN_TIME = 25.0
GO_ON = "what was finished stays; to go on, run the same command again"


class Command:
    """A command that runs in a process of its own, with the data in `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "log"
        environment = {**os.environ, "ECOMMERCE_DATA_DIR": str(folder / "data"), "DAGSTER_HOME": ""}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ecommerce_platform.cli", *arguments], env=environment, stdout=log, stderr=log
            )

    def until(self, condition: Callable[[], object], seconds: float = 300) -> None:
        pause, deadline = threading.Event(), time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            pause.wait(0.05)

    def has_logged(self, words: str) -> bool:
        return words in self.log.read_text()

    def stopped_by(self, number: signal.Signals) -> str:
        """What it says from the signal on. It, and all that it started, are gone in time."""
        before = len(self.log.read_text())
        begun = descendants(self.process.pid)
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(60)
        while any(is_alive(pid) for pid in begun):
            assert time.monotonic() - began < IN_TIME, begun
        assert time.monotonic() - began < IN_TIME
        assert code == 128 + number, self.log.read_text()
        output = self.log.read_text()[before:]
        assert "Traceback" not in output, output
        return output


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def finished(folder: Path, *arguments: str) -> str:
    command = Command(folder, *arguments)
    assert command.process.wait(500) == 0, command.log.read_text()
    return command.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_command_says_how_to_go_on_in_one_line(tmp_path: Path, number: signal.Signals) -> None:
    command = Command(tmp_path, "sample", "--days", "300", "--orders-per-day", "3000")
    # A thread besides its own two: its libraries are at work. What it writes appears at the end.
    command.until(lambda: threads_of(command.process.pid) > 2)
    output = command.stopped_by(number)
    assert output.strip().splitlines() == [f"stopped by {number.name}: {GO_ON}"]


@pytest.mark.slow
def test_an_ingestion_that_is_stopped_in_a_spark_job_refuses_no_day_and_goes_on(tmp_path: Path) -> None:
    finished(tmp_path, "sample", "--days", "2", "--orders-per-day", "2000")
    days = ["--date", "2026-01-01", "--date", "2026-01-02"]
    command = Command(tmp_path, "ingest", *days)
    command.until(lambda: command.has_logged("branched"))
    assert GO_ON in command.stopped_by(signal.SIGTERM)
    assert "refused" not in command.log.read_text()
    assert "no day is refused" in finished(tmp_path, "refused", "list")
    assert finished(tmp_path, "ingest", *days).count(": published, ") == 8


@pytest.mark.soak
def test_a_rebuild_that_is_stopped_gives_its_lease_back_and_goes_on(tmp_path: Path) -> None:
    from ecommerce_platform.stand_ins.servers import down
    from ecommerce_platform.warehouse.schema.lease import MODELS, lease_state
    from ecommerce_platform.warehouse.sql.connection import connect

    settings = load_settings(data_dir=tmp_path / "data")
    try:
        finished(tmp_path, "warehouse", "init")
        command = Command(tmp_path, "rebuild", "staging")
        with connect(settings) as connection:
            command.until(lambda: command.has_logged("dbt build"))
            assert lease_state(connection, MODELS).token
            assert GO_ON in command.stopped_by(signal.SIGTERM)
            assert lease_state(connection, MODELS).token is None
        assert "models compared with before" in finished(tmp_path, "rebuild", "staging")
    finally:
        down(settings.data_dir)
