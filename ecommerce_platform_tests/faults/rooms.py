"""What is run, killed, run again and looked at: ingestion, load, transformation, and runs of Dagster.

What belongs here: the work of each kind of trial. What does not: what must be true when it has been run to its end (problems.py),
the shops (shops.py), processes (processes.py), kill points (kill_points.py), the choice of trials (soak.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import ClassVar

import dagster as dg

from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.installation import read_marker
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.warehouse.schema.owner import take_over
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_spark_agrees
from ecommerce_platform_tests.faults.kill_points import Passages
from ecommerce_platform_tests.faults.problems import lake_problems, mart_problems, raw_problems
from ecommerce_platform_tests.faults.shops import DAYS, Shop
from ecommerce_platform_tests.withdrawals import withdraw_absent


def copied_dbt_project(work: Path) -> Path:
    """The dbt project as it is now: a soak of an hour must not notice that somebody edits a model."""
    target = work / "dbt_project"
    if not target.exists():
        shutil.copytree(load_settings().dbt.project_dir, target, ignore=shutil.ignore_patterns("target", "logs"))
    return target


@dataclass
class Kind:
    """One kind of trial: an installation, the work that is killed, and what is checked after it has been done again."""

    work: Path
    shops: Mapping[str, Shop]
    name: str = ""
    days: tuple[date, ...] = DAYS
    data: Path = field(init=False)

    #: The installation's folder; kinds that name the same one share it, one after the other.
    folder: ClassVar[str] = ""

    def __post_init__(self) -> None:
        self.data = self.work / self.folder

    def settings(self, shop: str) -> Settings:
        dbt = {"project_dir": str(self.work / "dbt_project"), "target_path": str(self.work / "dbt_target")}
        spark = {"driver_memory": "768m"}
        return load_settings(data_dir=self.data, landing_uri=str(self.shops[shop].landing), dbt=dbt, spark=spark)

    def warm(self) -> None:
        """In the parent, before it forks: what all children can share."""

    def prepare(self) -> None:
        """In a child, before the first trial."""

    def run(self, shop: str, passages: Passages, run_id: str) -> None:
        """The work, in a child."""
        raise NotImplementedError

    def problems(self, shop: str) -> list[str]:
        """Rows lost, doubled or wrong after the work was done to its end; empty when there are none."""
        raise NotImplementedError


class Ingestion(Kind):
    """Landing files into Iceberg by Spark: write, quarantine, audit, publish."""

    folder = "lakehouse"

    def run(self, shop: str, passages: Passages, run_id: str) -> None:
        ingest_shop(self.settings(shop), passages, run_id)

    def problems(self, shop: str) -> list[str]:
        return lake_problems(self.settings(shop), self.shops[shop])


class Loading(Kind):
    """Published days into Snowflake RAW, without Spark: each shop has a lakehouse of its own, filled once."""

    folder = "warehouse"

    def settings(self, shop: str) -> Settings:
        return with_lake(super().settings(shop), self.data / f"lake-{shop}")

    def prepare(self) -> None:
        fill_lakes(self)

    def take_over(self, shop: str) -> None:
        """The shops' lakes fill one database, each its turn: what `warehouse init --take-over` does."""
        settings = self.settings(shop)
        with connect(settings) as connection:
            ensure_current(connection)
            take_over(connection, read_marker(Lake.of(settings)), settings.snowflake.database)

    def run(self, shop: str, passages: Passages, run_id: str) -> None:
        self.take_over(shop)
        load_shop(self.settings(shop), run_id)

    def problems(self, shop: str) -> list[str]:
        return raw_problems(self.settings(shop), self.shops[shop])


class Transforming(Loading):
    """RAW into staging and marts: dbt's models, one after the other, then the record of what is applied."""

    def run(self, shop: str, passages: Passages, run_id: str) -> None:
        super().run(shop, passages, run_id)
        passages.reached("loaded")
        transform(self.settings(shop), run_id)

    def problems(self, shop: str) -> list[str]:
        return super().problems(shop) + mart_problems(self.settings(shop), self.shops[shop])


class Materializing(Loading):
    """A run of Dagster from RAW to the marts, with an event log on disk."""

    groups = ("warehouse", "staging", "intermediate", "marts")

    def warm(self) -> None:
        self.jobs = {shop: job_of(self.settings(shop), self.groups) for shop in self.shops}

    def run(self, shop: str, passages: Passages, run_id: str) -> None:
        self.take_over(shop)
        materialize(self.jobs[shop], self.data / "dagster_home")

    def problems(self, shop: str) -> list[str]:
        settings = self.settings(shop)
        all_problems = raw_problems(settings, self.shops[shop]) + mart_problems(settings, self.shops[shop])
        try:
            assert_spark_agrees(Platform(settings))
        except AssertionError as error:
            all_problems.append(str(error))
        return all_problems


class Everything(Materializing):
    """A run of Dagster from the landing files to the marts, Spark and all."""

    folder = "platform"
    groups = ("lakehouse", "analytics", *Materializing.groups)

    def settings(self, shop: str) -> Settings:
        return Kind.settings(self, shop)

    def prepare(self) -> None:
        """Nothing: each run ingests."""

    def take_over(self, shop: str) -> None:
        """Nothing: both shops' files go into one lake."""

    def run(self, shop: str, passages: Passages, run_id: str) -> None:
        super().run(shop, passages, run_id)
        if withdraw_what_the_other_shop_had(self.settings(shop), passages, run_id):
            super().run(shop, passages, run_id)

    def problems(self, shop: str) -> list[str]:
        return lake_problems(self.settings(shop), self.shops[shop]) + super().problems(shop)


KINDS: dict[str, type[Kind]] = {
    "ingestion": Ingestion,
    "loading": Loading,
    "transforming": Transforming,
    "materializing": Materializing,
    "everything": Everything,
}


def with_lake(settings: Settings, folder: Path) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    places = {"catalog_uri": f"sqlite:///{folder / 'catalog.db'}", "warehouse": str(folder / "warehouse")}
    return settings.model_copy(update={"lakehouse": settings.lakehouse.model_copy(update=places)})


def fill_lakes(kind: Kind) -> None:
    """Ingests both shops and computes Spark's analytics of each."""
    from ecommerce_platform.analytics.assets import published_input
    from ecommerce_platform.analytics.compute import refresh
    from ecommerce_platform.analytics.declared import TABLES
    from ecommerce_platform.spark.session import build_session

    for shop in kind.shops:
        settings = kind.settings(shop)
        ingest_shop(settings, Passages(), "prepare")
        lake = Lake.of(settings)
        published = published_input(lake, BusinessSpan.of(settings))
        refresh(partial(build_session, settings), lake, settings.spark, published, TABLES, "prepare")
        problems = lake_problems(settings, kind.shops[shop])
        if problems:
            raise AssertionError("\n".join(["the lakehouse is wrong before any kill:", *problems]))


def ingest_shop(settings: Settings, passages: Passages, run_id: str) -> None:
    from ecommerce_platform.lakehouse.ingest.ingestion import ingest
    from ecommerce_platform.lakehouse.ingest.job import Ingest
    from ecommerce_platform.spark.session import build_session

    def reached(table: str, step: str) -> None:
        passages.reached(f"ingest {table} {step}")

    ingest(
        Ingest(Lake.of(settings), Intake.of(settings), lambda: build_session(settings), run_id, reached=reached), DAYS
    )
    withdraw_what_the_other_shop_had(settings, passages, run_id)


def withdraw_what_the_other_shop_had(settings: Settings, passages: Passages, run_id: str) -> bool:
    """A shop's files lack events of the other shop, which are published: they are given up. Whether there were any."""
    return bool(withdraw_absent(settings, run_id, lambda step: passages.reached(f"withdraw {step}")))


def load_shop(settings: Settings, run_id: str) -> None:
    from ecommerce_platform.warehouse.load.days import load_tables
    from ecommerce_platform.warehouse.load.lake_files import LoadSource

    with connect(settings) as connection:
        ensure_current(connection)
    opener = partial(connect, settings, run_id)
    for table, load in load_tables(LoadSource.of(settings), opener, source_tables(), DAYS, run_id).items():
        if load.failed or load.not_published:
            raise AssertionError(f"{table}: failed {load.failed}, not published {load.not_published}")


def transform(settings: Settings, run_id: str) -> None:
    from ecommerce_platform.transformation.builds.applied import full_refresh_reason, mark_applied, read_build_state
    from ecommerce_platform.transformation.builds.build import exclusive_build
    from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
    from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest

    definition = definition_digest(DbtProject.of(settings))
    opener = partial(connect, settings, run_id)
    with (
        opener() as connection,
        exclusive_build(settings.dbt, settings.snowflake, connection, opener, run_id, print) as lease,
    ):
        reason = full_refresh_reason(read_build_state(connection), definition)
        run_dbt(settings, DbtRequest(command="run", full_refresh=reason is not None), run_id, lease)
        mark_applied(connection, definition, lease)


def job_of(settings: Settings, groups: tuple[str, ...]) -> dg.JobDefinition:
    """All assets of these groups, without their checks."""
    from ecommerce_platform.definitions import build_definitions

    selection = dg.AssetSelection.groups(*groups) - dg.AssetSelection.all_asset_checks()
    job = dg.define_asset_job("trial", selection=selection, executor_def=dg.in_process_executor)
    return dg.Definitions.merge(build_definitions(settings), dg.Definitions(jobs=[job])).resolve_job_def("trial")


def materialize(job: dg.JobDefinition, home: Path) -> None:
    """One run over all days, with an event log on disk."""
    home.mkdir(parents=True, exist_ok=True)
    tags = {
        "dagster/asset_partition_range_start": DAYS[0].isoformat(),
        "dagster/asset_partition_range_end": DAYS[-1].isoformat(),
    }
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=True, tags=tags)
    if not result.success:
        raise AssertionError("the run of Dagster failed")
