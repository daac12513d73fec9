"""An installation that is watched: sample days that land when a test says so, an exporter, a Prometheus, Dagster's daemon.

What belongs here: starting, landing, running, breaking. What does not: what must fire then (test_alerts_fire.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.demo.steps import load_speed_layer, write_sample
from ecommerce_platform.operations import jobs
from ecommerce_platform.reconciliation.layers.clickhouse import connect as connect_clickhouse
from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.sql.connection import connect, execute
from ecommerce_platform_tests.dagster_home import instance_of
from ecommerce_platform_tests.operations.prometheus import Prometheus, answers, free_port, prometheus, wait_until

DAYS = 4
INSTANCE = Path(jobs.__file__).parent / "dagster.yaml"


@dataclass
class Watched:
    """The last day of the sample is today: days that have not landed are not late yet."""

    settings: Settings
    home: Path
    instance: dg.DagsterInstance
    port: int
    receiver_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    prometheus: Prometheus = field(init=False)

    def day(self, number: int) -> date:
        return self.settings.start_date + timedelta(days=number - 1)

    def folder(self, table: str, number: int) -> Path:
        return Path(self.settings.landing_uri) / table / f"date={self.day(number)}"

    def land(self, number: int) -> None:
        """The files of a day of the sample arrive."""
        for table in source_tables():
            source = self.settings.data_dir / "to_come" / table / f"date={self.day(number)}"
            if source.is_dir():
                shutil.copytree(source, self.folder(table, number), dirs_exist_ok=True)

    def run(self, first: int, last: int, selection: str = "*") -> bool:
        """The days as one run in this process, with its events in the installation's log. Whether it succeeded."""
        from ecommerce_platform.definitions import build_definitions

        definitions = build_definitions(self.settings)
        if selection != "*":
            job = dg.define_asset_job("some_assets", selection, executor_def=dg.in_process_executor)
            definitions = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
        name = jobs.DAILY_BATCH if selection == "*" else "some_assets"
        result = definitions.resolve_job_def(name).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": str(self.day(first)),
                "dagster/asset_partition_range_end": str(self.day(last)),
            },
        )
        return result.success

    def sql(self, statement: str) -> None:
        with connect(self.settings) as connection:
            execute(connection, statement)

    def break_speed_layer(self) -> None:
        """Every order's newest version in ClickHouse is worth ten times as much."""
        table = self.settings.clickhouse.orders_table
        client = connect_clickhouse(self.settings)
        client.command(f"insert into {table} select * replace (total_amount * 10 as total_amount) from {table} final")
        client.close()

    def mend_speed_layer(self) -> None:
        client = connect_clickhouse(self.settings)
        client.command(f"truncate table {self.settings.clickhouse.orders_table}")
        client.close()
        load_speed_layer(self.settings, self.settings.realtime_dir)

    def rows_that_are_no_events(self, number: int, rows: int) -> None:
        """So many rows without a key among a day's products."""
        known = next(self.folder("products", 1).glob("*.parquet"))
        table = pq.read_table(known).slice(0, 1)
        nobody = table.set_column(table.schema.get_field_index("id"), "id", pa.nulls(1, table.schema.field("id").type))
        self.folder("products", number).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables([nobody] * rows), self.folder("products", number) / "part-bad.parquet")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
        return kept | {
            "ECOMMERCE_DATA_DIR": str(self.settings.data_dir),
            "ECOMMERCE_LANDING_URI": self.settings.landing_uri,
            "ECOMMERCE_START_DATE": str(self.settings.start_date),
            "ECOMMERCE_LANDING__MAX_QUARANTINED_SHARE": "1",
            "ECOMMERCE_NOTIFICATIONS__WEBHOOK_URL": f"http://127.0.0.1:{self.receiver_port}/hook",
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }

    def start(self, name: str, *command: str) -> None:
        """A program of the virtual environment, in a process group of its own, with a log."""
        with (self.home.parent / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(Path(sys.executable).parent / command[0]), *command[1:]],
                cwd=PROJECT_DIR,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start_exporter(self) -> None:
        self.start("exporter", "ecommerce-platform", "metrics", "--port", str(self.port), "--interval", "0.5")

    def start_daemon(self) -> None:
        self.start("daemon", "dagster-daemon", "run", "-m", "ecommerce_platform.definitions")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).parent / "ecommerce-platform"
        return subprocess.run(
            [str(program), *arguments],
            cwd=PROJECT_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def pid_of_run(self, seconds: float) -> tuple[str, int]:
        """The id and the process of the run that has begun its first step."""

        def seen() -> tuple[str, int] | None:
            for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                kinds = {dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.STEP_START}
                events = [item.event_log_entry.dagster_event for item in self._records(run.run_id, kinds)]
                begun = any(event.is_step_start for event in events if event)
                pids = [
                    int(str(event.engine_event_data.metadata["pid"].value))
                    for event in events
                    if event and event.is_engine_event and "pid" in event.engine_event_data.metadata
                ]
                if begun and pids:
                    return run.run_id, pids[0]
            return None

        return wait_until(seen, seconds, "a run has begun its first step")

    def _records(self, run_id: str, kinds: set[dg.DagsterEventType]) -> list[dg.EventLogRecord]:
        return list(self.instance.get_records_for_run(run_id, of_type=kinds, limit=1000).records)


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Two days have been processed, the speed layer agrees, exporter and Prometheus run."""
    today = datetime.now(UTC).date()
    start = today - timedelta(days=DAYS - 1)
    settings = load_settings(
        data_dir=folder / "data",
        start_date=start,
        landing={"max_quarantined_share": "1"},
    )
    write_sample(settings, days=DAYS, orders_per_day=20, seed=5, faults=False, overwrite=True, say=lambda _: None)
    Path(settings.landing_uri).rename(settings.data_dir / "to_come")
    Path(settings.landing_uri).mkdir()
    home = folder / "dagster_home"
    home.mkdir()
    shutil.copy(INSTANCE, home / "dagster.yaml")
    with instance_of(home) as instance:
        shop = Watched(settings, home, instance, free_port(), free_port())
        try:
            load_speed_layer(settings, settings.realtime_dir)
            shop.land(1)
            shop.land(2)
            shop.run(1, 2)
            shop.start_exporter()
            # Prometheus asks at once, and an exporter that is not there yet is an alert (after a second here).
            wait_until(lambda: answers(shop.port), 180, "the exporter answers")
            with prometheus(folder / "prometheus", shop.port) as watching:
                shop.prometheus = watching
                wait_until(lambda: watching.query("ecommerce_runs_total"), 120, "Prometheus has scraped the exporter")
                # The rules may be evaluated before the first scrape; with a `for` of a second that is an alert.
                watching.is_silent("ExporterDown")
                yield shop
        finally:
            for name in list(shop.processes):
                shop.kill(name)
            down(settings.data_dir)
