"""Maintenance of the Iceberg tables as a job with a weekly schedule, and what the command line calls.

What belongs here: declaring the job, reporting. What does not: what is due and
how it is done (lakehouse/maintenance/plan.py, lakehouse/maintenance/work.py).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.execution.resuming import resuming_executor
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.lakehouse.assets import event_key
from ecommerce_platform.lakehouse.maintenance.plan import MaintenanceReport, refusals
from ecommerce_platform.lakehouse.maintenance.work import Maintenance, run_maintenance
from ecommerce_platform.landing.resource import StepLandingZone
from ecommerce_platform.operations.retention import apply_retention
from ecommerce_platform.operations.schedules import one_at_a_time
from ecommerce_platform.settings import Profile, Settings
from ecommerce_platform.spark.launchers.choose import SparkSteps
from ecommerce_platform.spark.resource import SparkResource
from ecommerce_platform.warehouse.load.maintenance import clean_up
from ecommerce_platform.warehouse.resource import WarehouseResource
from ecommerce_platform.warehouse.schema.upgrade import ensure_current

JOB_NAME = "lakehouse_upkeep"
#: Early on Sunday, after the night's batch: the quietest hours of most shops.
_CRON = "0 5 * * 0"


def maintenance_job(settings: Settings) -> dg.JobDefinition:
    """The job `lakehouse_upkeep`; each event table's report is an observation of its asset."""

    @dg.op(
        name="upkeep_iceberg_tables",
        # The same pool as the writers of these tables: beside each other they would only repeat each other's work.
        pool="iceberg_events",
        config_schema={"dry_run": dg.Field(bool, default_value=False, description="Only say what would be done.")},
        description="Compacts days of small files, expires snapshots that nothing names, removes orphaned files.",
    )
    @plain_words
    def upkeep_iceberg_tables(
        context: dg.OpExecutionContext,
        lake: StepLake,
        landing_zone: StepLandingZone,
        spark: SparkResource,
        spark_steps: SparkSteps,
        warehouse: WarehouseResource,
    ) -> None:
        dry_run, run_id = bool(context.op_config["dry_run"]), context.run.run_id
        with warehouse.connection(run_id) as connection:
            ensure_current(connection)
            for line in clean_up(settings.snowflake, connection, warehouse.opener(run_id), run_id, dry_run):
                context.log.info(line)
        opener, now = warehouse.opener(run_id), datetime.now(UTC)
        for line in apply_retention(settings, lake, landing_zone, opener, context.instance, run_id, now, dry_run):
            context.log.info(line)
        reports = run_maintenance(Maintenance(lake, lambda: spark.spark_session, run_id, now, dry_run))
        for report in reports:
            context.log.info(f"{report.table}: {summary(report)}")
        for observation in observations(reports, lake.section.namespace):
            context.log_event(observation)
        if refused := refusals(reports):
            raise dg.Failure(description=" ".join(refused), allow_retries=False)

    @dg.job(
        name=JOB_NAME,
        executor_def=resuming_executor,
        description="Compaction, snapshot expiry and removal of orphaned files of the Iceberg tables; safe beside writers.",
    )
    def lakehouse_upkeep() -> None:
        upkeep_iceberg_tables()

    return lakehouse_upkeep


def maintenance_schedule(profile: Profile, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Runs maintenance once a week."""
    return one_at_a_time(
        profile, "lakehouse_upkeep_schedule", _CRON, job, "Sundays at 05:00 UTC: maintenance of the Iceberg tables."
    )


def observations(reports: Iterable[MaintenanceReport], namespace: str) -> list[dg.AssetObservation]:
    """One for each event table, so that its page shows how its files and snapshots develop."""
    prefix = f"{namespace}."
    return [
        dg.AssetObservation(event_key(report.table.removeprefix(prefix)), metadata=metadata(report))
        for report in reports
        if report.table.startswith(prefix)
    ]


def metadata(report: MaintenanceReport) -> Mapping[str, Any]:
    """The report's figures under readable names."""
    return {
        "days_compacted": len(report.days_compacted),
        "files_before": report.files_before,
        "files_after": report.files_after,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
        "snapshots_before": report.snapshots_before,
        "snapshots_expired": report.snapshots_expired,
        "manifests_before": report.manifests_before,
        "manifests_after": report.manifests_after,
        "orphan_files_removed": report.orphan_files_removed,
        **({"remark": report.remark} if report.remark else {}),
        **({"refused": report.refused} if report.refused else {}),
    }


def summary(report: MaintenanceReport) -> str:
    """The report as one line."""
    return ", ".join(f"{name} {value}" for name, value in metadata(report).items())
