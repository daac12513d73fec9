"""The new-files sensor in Dagster's real daemon, with 2,000 partitions and 10,000 files, while the daemon is killed again and
again: nothing is missed, and nothing is launched twice. The runs are launched by a launcher that executes nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.landing.changes import DayRange
from ecommerce_platform.landing.sensor import SENSOR_NAME
from ecommerce_platform.operations import jobs
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.dagster_home import instance_of
from ecommerce_platform_tests.operations.prometheus import wait_until

pytestmark = pytest.mark.slow
FIRST = date(2020, 1, 1)
DAYS = 2000
KILLS = 3
MOST_SECONDS_A_LOOK = 2.0
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
        # A run that was being launched when the daemon was killed counts as failed after this time; then it is tried again.
        shorter = deployed.replace("start_timeout_seconds: 300", "start_timeout_seconds: 20")
        (self.home / "dagster.yaml").write_text(shorter + LAUNCHER)
        # The storages are made here: the daemon and this process, both finding none, would make them at the same time.
        self.runs()
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

    def runs(self) -> list[dg.DagsterRun]:
        with instance_of(self.home) as instance:
            return list(instance.get_runs())

    def ticks_without_news(self) -> list[float]:
        """Seconds of the sensor's ticks that looked at all files and had nothing to launch."""
        with instance_of(self.home) as instance:
            [sensor] = [state for state in instance.all_instigator_state() if state.instigator_name == SENSOR_NAME]
            ticks = instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id)
        return [
            tick.end_timestamp - tick.timestamp
            for tick in ticks
            if tick.end_timestamp and (tick.skip_reason or "").startswith("no files changed")
        ]

    def done(self) -> Counter[date]:
        """How many runs have done each day."""
        counts: Counter[date] = Counter()
        for run in self.runs():
            if run.status is dg.DagsterRunStatus.SUCCESS:
                counts.update(days_of(run))
        return counts


def days_of(run: dg.DagsterRun) -> tuple[date, ...]:
    first = date.fromisoformat(run.tags["dagster/asset_partition_range_start"])
    return DayRange(first, date.fromisoformat(run.tags["dagster/asset_partition_range_end"])).days


def test_nothing_is_missed_and_nothing_launched_twice_while_the_daemon_is_killed(tmp_path: Path) -> None:
    shop = Installation(tmp_path)
    every_day = [FIRST + timedelta(days=offset) for offset in range(DAYS)]
    for on in every_day:
        shop.write("orders", on, "part-1.parquet")
        for table in source_tables():
            shop.write(table, on, "part-0.parquet")

    late = [every_day[100 * kill] for kill in range(KILLS)]
    for kill in range(KILLS):
        with shop.daemon():
            # It is killed when there is one run more than before: with runs requested, queued, being launched.
            before = len(shop.runs())
            wait_until(lambda before=before: len(shop.runs()) > before, 300, "the sensor launches something")
        shop.write("users", late[kill], f"late-{kill}.parquet")

    with shop.daemon():
        wait_until(lambda: set(shop.done()) >= set(every_day), 900, "every day is done")
        wait_until(lambda: alone(shop) >= set(late), 300, "every late file has launched its day")
        wait_until(shop.ticks_without_news, 60, "a tick has found nothing new")
    keys = [run.tags["dagster/run_key"] for run in shop.runs()]
    assert len(keys) == len(set(keys))
    assert {day for day, times in shop.done().items() if times > 1} <= set(late)
    assert max(shop.done().values()) <= 2
    # A look at all files that finds nothing new. One that launches runs takes as long as Dagster takes to write their plans.
    looks = shop.ticks_without_news()
    assert looks
    assert max(looks) < MOST_SECONDS_A_LOOK


def alone(shop: Installation) -> set[date]:
    """Days that were done by a run of their own."""
    succeeded = (run for run in shop.runs() if run.status is dg.DagsterRunStatus.SUCCESS)
    return {days_of(run)[0] for run in succeeded if len(days_of(run)) == 1}
