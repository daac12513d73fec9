"""The platform as a whole, run on a landing folder by a test: materialize days, then read what is in the warehouse.

What belongs here: running and reading. What does not: what should come out (oracle.py) and how it is compared (compare.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform_tests.end_to_end.compare import AUDIT_STAMPS, differences
from ecommerce_platform_tests.end_to_end.landing_decode import COLUMNS, METADATA, Counts
from ecommerce_platform_tests.end_to_end.oracle import KEYS, Truth

Row = dict[str, Any]
#: The Spark analytics that the warehouse holds, and the dbt table with the same figures.
SPARK_TWINS = {
    "staging.spark_customer_metrics": "intermediate.int_customer_metrics",
    "staging.spark_product_analytics": "intermediate.int_product_analytics",
    "staging.spark_daily_business_metrics": "marts.daily_business_metrics",
}
LOAD_STAMPS = {"loaded_at", "batch_id", "processed_at", "created_at", "as_of", "as_of_day"}


@dataclass(frozen=True)
class Run:
    """How a run ended: the checks that failed with severity ERROR or WARN, and the steps that failed."""

    success: bool
    failed_checks: frozenset[str]
    warned_checks: frozenset[str]
    failed_steps: frozenset[str]


@dataclass
class Platform:
    """An installation in a folder of its own. Close it: its servers live until then."""

    settings: Settings
    _instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    @classmethod
    @contextmanager
    def installed(cls, data_dir: Path, landing: Path | str, **settings: Any) -> Iterator[Platform]:
        platform = cls(load_settings(data_dir=data_dir, landing_uri=str(landing), **settings))
        try:
            yield platform
        finally:
            down(data_dir)

    def run(self, first: date, last: date | None = None, *, with_checks: bool = True) -> Run:
        """The days from `first` to `last` as one run in this process: everything, or (for speed) the tables alone."""
        result = self._job(with_checks).execute_in_process(
            instance=self._instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": (last or first).isoformat(),
            },
        )
        return outcome(result.all_events, result.success)

    def _job(self, with_checks: bool) -> dg.JobDefinition:
        from ecommerce_platform.definitions import build_definitions  # importing it builds a whole code location

        if with_checks:
            return build_definitions(self.settings).resolve_job_def("daily_batch")
        selection = dg.AssetSelection.all() - dg.AssetSelection.groups("reconciliation", "landing")
        tables = dg.define_asset_job(
            "tables_alone",
            selection=selection - dg.AssetSelection.all_asset_checks(),
            executor_def=dg.in_process_executor,
        )
        definitions = dg.Definitions.merge(build_definitions(self.settings), dg.Definitions(jobs=[tables]))
        return definitions.resolve_job_def("tables_alone")

    def environment(self, dagster_home: Path) -> dict[str, str]:
        """The environment of a shell that works with this installation."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
        return kept | {
            "ECOMMERCE_DATA_DIR": str(self.settings.data_dir),
            "ECOMMERCE_LANDING_URI": self.settings.landing_uri,
            "DAGSTER_HOME": str(dagster_home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }

    def shell(self, dagster_home: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the virtual environment in a fresh process."""
        dagster_home.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).parent / command[0]
        return subprocess.run(
            [str(program), *command[1:]],
            cwd=PROJECT_DIR,
            env=self.environment(dagster_home),
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def query(self, sql: str) -> list[Row]:
        """The rows of a query, by column name in lower case."""
        with connect(self.settings) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column.name.lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def table(self, name: str) -> list[Row]:
        """A table of the warehouse without its audit stamps."""
        stamps = AUDIT_STAMPS[name.split(".")[0]]
        return [
            {column: value for column, value in row.items() if column not in stamps}
            for row in self.query(f"select * from {name}")
        ]

    def tables(self) -> dict[str, list[Row]]:
        """All tables that the oracle knows."""
        return {name: self.table(name) for name in KEYS}

    def counts(self) -> dict[tuple[str, date], Counts]:
        """Rows of each published table and day, as the lakehouse's ledger has them."""
        return {
            (table, day): Counts(record.landed, record.published, record.quarantined, record.duplicates)
            for table, ledger in read_ledger(Lake.of(self.settings)).items()
            for day, record in ledger.published.items()
        }

    def events(self, table: str) -> list[Row]:
        """The change events in Iceberg, with their landing day, file and row."""
        columns = (*COLUMNS[table], *METADATA, "date", "__source_file", "__source_row")
        return Lake.of(self.settings).load(f"ecommerce.{table}").scan(selected_fields=columns).to_arrow().to_pylist()


def outcome(events: Sequence[dg.DagsterEvent], success: bool) -> Run:
    """What a run's events say of checks and steps."""
    evaluations = [
        event.asset_check_evaluation_data for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    failed = [item for item in evaluations if not item.passed]
    names = {
        severity: frozenset(
            f"{item.asset_key.to_user_string()}:{item.check_name}" for item in failed if item.severity is severity
        )
        for severity in dg.AssetCheckSeverity
    }
    return Run(
        success,
        names[dg.AssetCheckSeverity.ERROR],
        names[dg.AssetCheckSeverity.WARN],
        frozenset(event.step_key or "run" for event in events if event.is_step_failure),
    )


#: Intermediate tables may carry columns of their own for the marts above them.
OPEN_SCHEMA = "intermediate"


def disagreements(tables: Mapping[str, list[Row]], truth: Truth, limit: int = 5) -> list[str]:
    """Where the platform's tables differ from the oracle's, in words."""
    return [
        line
        for name, key in KEYS.items()
        for line in differences(
            tables[name],
            truth.tables[name].to_pylist(),
            key,
            what=name,
            only_expected_columns=name.startswith(OPEN_SCHEMA),
            limit=limit,
        )
    ]


def assert_true(platform: Platform, truth: Truth) -> None:
    """Fails with the first differing rows and columns of each table."""
    lines = disagreements(platform.tables(), truth)
    assert not lines, "\n".join(["the platform differs from the oracle:", *lines])


def assert_all_is_right(platform: Platform, run: Run, truth: Truth) -> None:
    """The run and its checks succeeded, and every table, Spark's too, and every count is that of the oracle."""
    assert not run.failed_checks
    assert not run.failed_steps
    assert_true(platform, truth)
    assert_spark_agrees(platform)
    assert platform.counts() == dict(truth.counts)


def assert_spark_agrees(platform: Platform) -> None:
    """Fails where the Spark analytics in the warehouse differ from dbt's tables."""
    lines = []
    for name, twin in SPARK_TWINS.items():
        rows = [
            {column: value for column, value in row.items() if column not in LOAD_STAMPS}
            for row in platform.query(f"select * from {name}")
        ]
        lines += differences(
            platform.table(twin), rows, KEYS[twin], what=f"{twin} against {name}", only_expected_columns=True, limit=5
        )
    assert not lines, "\n".join(["Spark differs from dbt:", *lines])
