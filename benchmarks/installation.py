"""An installation in a folder of its own, and days materialized in it by a process of their own.

What belongs here: the sample shop's days, the run, its steps' seconds and memory. What does not: goals (small_day.py,
backfill.py, history.py).

    python -m benchmarks.installation FIRST LAST     materializes the days in the environment's installation, in this process
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from benchmarks.harness import run_child
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.demo import steps as demo
from ecommerce_platform.demo.run import materialize_range
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.stand_ins.servers import down

PROJECT = Path(__file__).resolve().parent.parent
FIRST_DAY = date(2026, 1, 1)
STARTING = "(start of Python, imports, definitions)"


@dataclass(frozen=True)
class DaysRun:
    """One process from its start to its end: wall seconds, those of each step, and the most memory that it held."""

    seconds: float
    steps: dict[str, float]
    peak_bytes: int

    def seconds_of(self, *parts: str) -> float:
        """Seconds of the steps whose names hold one of `parts`."""
        return sum(seconds for name, seconds in self.steps.items() if any(part in name for part in parts))


@dataclass(frozen=True)
class Installation:
    """Servers, tables and landing files below `folder`; `variables` are those of its processes, beyond those that it needs."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return load_settings(data_dir=self.folder / "data", start_date=FIRST_DAY)

    def day(self, number: int) -> date:
        """The number-th day, from 0."""
        return FIRST_DAY + timedelta(days=number)

    def write_days(self, days: int, orders_per_day: int, **shop: object) -> int:
        """Landing files of so many days and the speed layer that belongs to them; returns the number of change events."""
        rows = self.write_files(days, orders_per_day, **shop)
        demo.load_speed_layer(self.settings, self.settings.realtime_dir)
        return rows

    def write_files(self, days: int, orders_per_day: int, **shop: object) -> int:
        """The same, and the speed layer's versions are left as files."""
        from ecommerce_platform.sample_shop import generate_sample

        options = {"dirt": False, "faults": False, "overwrite": True, "orders_before": 0, **shop}
        report = generate_sample(
            self.settings.landing_uri,
            self.settings.realtime_dir,
            seed=1,
            start=FIRST_DAY,
            days=days,
            orders_per_day=orders_per_day,
            **options,  # type: ignore[arg-type]
        )
        return report.total_rows

    def join_days(self, days: int) -> None:
        """The same events as if all of them had arrived on the first day."""
        for table in source_tables():
            first = Path(self.settings.landing_uri) / table / f"date={FIRST_DAY}"
            for number in range(1, days):
                folder = first.with_name(f"date={self.day(number)}")
                for file in sorted(folder.glob("*.parquet")):
                    first.mkdir(parents=True, exist_ok=True)
                    shutil.move(file, first / f"{number}-{file.name}")
                shutil.rmtree(folder, ignore_errors=True)

    def parse_models(self) -> None:
        """The manifest, in a process of its own, so that this one stays small."""
        command = [sys.executable, "-m", "ecommerce_platform.transformation.project.manifest"]
        run_child(command, PROJECT, self.environment())

    def environment(self) -> dict[str, str]:
        """Variables of a process that works with this installation."""
        home = self.folder / "home"
        if not home.exists():
            home.mkdir(parents=True)
            shutil.copy(PROJECT / "ecommerce_platform/operations/dagster.yaml", home)
        return {
            "ECOMMERCE_DATA_DIR": str(self.settings.data_dir),
            "ECOMMERCE_START_DATE": FIRST_DAY.isoformat(),
            "ECOMMERCE_DBT__TARGET_PATH": str(self.folder / "target"),
            "DAGSTER_HOME": str(home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            **self.variables,
        }

    def materialize(self, first: date, last: date | None = None) -> DaysRun:
        """The days, or the first alone, as one run in a new process. Raises RuntimeError naming what failed."""
        env, last = self.environment(), last or first
        started = time.perf_counter()
        child = run_child([sys.executable, "-m", "benchmarks.installation", str(first), str(last)], PROJECT, env)
        seconds = time.perf_counter() - started
        if not child.answer["success"]:
            raise RuntimeError(f"{first} to {last} failed: {child.answer['failed']}")
        return DaysRun(seconds, child.answer["steps"], child.peak_bytes)


@contextmanager
def installed(**variables: str) -> Iterator[Installation]:
    """A new installation, ended and removed afterwards. dbt's project is parsed, as it is in the image."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-installation-"))
    installation = Installation(folder, variables)
    try:
        installation.parse_models()
        yield installation
    finally:
        down(installation.settings.data_dir)
        shutil.rmtree(folder, ignore_errors=True)


def _materialize(first: date, last: date) -> None:
    started = time.time()
    outcome = materialize_range(first, last, lambda line: None)
    from dagster import DagsterEventType, DagsterInstance

    # Steps' beginnings and ends alone: a run of a year has a thousand times as many events.
    marks = {DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}
    times: dict[str, list[float]] = {}
    with DagsterInstance.get() as instance:
        run = instance.get_run_records(limit=1)[0].dagster_run
        for entry in instance.get_records_for_run(run.run_id, of_type=marks).records:
            times.setdefault(entry.event_log_entry.step_key or "", []).append(entry.event_log_entry.timestamp)
    spans = sorted((min(seconds), max(seconds), key) for key, seconds in times.items())
    steps = {key: round(end - start, 2) for start, end, key in spans}
    before = round(spans[0][0] - started, 2)
    failed = [*outcome.failed_steps, *outcome.failed_checks]
    print(json.dumps({"success": outcome.success, "failed": failed, "steps": {STARTING: before, **steps}}))


if __name__ == "__main__":
    _materialize(*(date.fromisoformat(argument) for argument in sys.argv[1:3]))
