"""The new-files sensor in Dagster's real daemon, with 2,000 partitions and 10,000 files, while the daemon is killed again and
again: nothing is missed, and nothing is launched twice. The runs are launched by a launcher that executes nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.contracts import SOURCE_TABLES
from ecommerce_platform.operations import jobs
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.operations.prometheus import wait_until

pytestmark = pytest.mark.slow
FIRST = date(2020, 1, 1)
DAYS = 2000
LAUNCHER = """
run_launcher:
  module: ecommerce_platform_tests.operations.instant_launcher
  class: InstantRunLauncher
"""
LOCATION = Path(__file__).parent / "sensor_location.py"


class Installation:
    """A landing folder, a Dagster home, and a daemon that comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.landing, self.home = folder / "landing", folder / "home"
        self.home.mkdir()
        deployed = (Path(jobs.__file__).parent / "dagster.yaml").read_text()
        (self.home / "dagster.yaml").write_text(deployed + LAUNCHER)
        self.environment = os.environ | {
            "ECOMMERCE_DATA_DIR": str(folder / "data"),
            "ECOMMERCE_LANDING_URI": str(self.landing),
            "ECOMMERCE_START_DATE": str(FIRST),
            "DAGSTER_HOME": str(self.home),
            # The launcher is a test's module: a program of the virtual environment does not look for it here by itself.
            "PYTHONPATH": str(PROJECT_DIR),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }

    def write(self, table: str, on: date, name: str) -> None:
        folder = self.landing / table / f"date={on}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Runs until the block ends; then it is killed, in the middle of whatever it does."""
        with (self.home.parent / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-f", str(LOCATION)],
                cwd=PROJECT_DIR,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def launched(self) -> list[tuple[str, set[date]]]:
        """The run key and the days of each run that the sensor asked for."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            runs = instance.get_runs()
        found = []
        for run in runs:
            first = date.fromisoformat(run.tags["dagster/asset_partition_range_start"])
            last = date.fromisoformat(run.tags["dagster/asset_partition_range_end"])
            days = {first + timedelta(days=offset) for offset in range((last - first).days + 1)}
            found.append((run.tags["dagster/run_key"], days))
        return found


def test_nothing_is_missed_and_nothing_launched_twice_while_the_daemon_is_killed(tmp_path: Path) -> None:
    shop = Installation(tmp_path)
    every_day = [FIRST + timedelta(days=offset) for offset in range(DAYS)]
    for on in every_day:
        shop.write("orders", on, "part-1.parquet")
        for table in SOURCE_TABLES:
            shop.write(table, on, "part-0.parquet")

    expected: set[date] = set()
    for kill in range(4):
        with shop.daemon():
            # It is killed when it has launched more than before: with runs requested, queued, started.
            before = len(shop.launched())
            wait_until(lambda before=before: len(shop.launched()) > before, 120, "the sensor launches something")
        late = every_day[100 * kill]
        shop.write("users", late, f"late-{kill}.parquet")
        expected.add(late)

    with shop.daemon():
        wait_until(
            lambda: {day for _, days in shop.launched() for day in days} >= set(every_day), 300, "every day is launched"
        )
        wait_until(
            lambda: all(sum(late in days for _, days in shop.launched()) == 2 for late in expected),
            120,
            "every late file launches its day once more",
        )
    keys = [key for key, _ in shop.launched()]
    assert len(keys) == len(set(keys))
    times = {day: sum(day in days for _, days in shop.launched()) for day in every_day}
    assert {day for day, count in times.items() if count > 1} <= expected
    assert max(times.values()) == 2
