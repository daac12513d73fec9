"""The two steps that use Spark give the same tables whether they run in the Dagster process or in processes of their own."""

from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.analytics.assets import build_assets as analytics_assets
from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.demo import write_sample
from ecommerce_platform.lakehouse.assets import build_assets as lakehouse_assets
from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.catalog import load_iceberg_table
from ecommerce_platform.spark.resource import build_resources

DAYS = ("2026-01-01", "2026-01-02")
EVERY_TABLE = (*(f"ecommerce.{name}" for name in source_tables()), *(f"analytics.{name}" for name in TABLES))
#: When a row was written, not what it says.
STAMPS = {"computed_at", "quarantined_at"}


def lake_job() -> dg.JobDefinition:
    """The lakehouse and its analytics, by the settings of the environment."""
    settings = load_settings()
    return dg.Definitions(
        assets=[*lakehouse_assets(settings), *analytics_assets(settings)],
        jobs=[dg.define_asset_job("lake", selection="*", executor_def=dg.in_process_executor)],
        resources=build_resources(settings),
    ).resolve_job_def("lake")


def launched_lake_job() -> dg.JobDefinition:
    """The same; by another name, because Dagster keeps the definition of a job that it has loaded, and with it the settings."""
    return lake_job()


def rows() -> dict[str, list[str]]:
    """Every table's rows as text, sorted."""
    settings = load_settings()
    rows_by_table = {}
    for name in EVERY_TABLE:
        table = load_iceberg_table(settings, name).scan().to_arrow()
        kept = [column for column in table.column_names if column not in STAMPS]
        rows_by_table[name] = sorted(str(row) for row in table.select(kept).to_pylist())
    return rows_by_table


def logged(instance: dg.DagsterInstance) -> list[dg.EventLogEntry]:
    """Everything that the instance's runs logged."""
    return [entry for run in instance.get_run_ids() for entry in instance.all_logs(run)]


@pytest.mark.soak
def test_the_lake_is_the_same_wherever_its_steps_run(
    spark_application: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOMMERCE_LANDING_URI", str(tmp_path / "landing"))
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "local"))
    write_sample(load_settings(), days=2, orders_per_day=20, seed=1, faults=False, overwrite=True, say=lambda _: None)
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[1]}
    lakes = {}
    for launcher, job in (("local", lake_job), ("local-submit", launched_lake_job)):
        monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / launcher))
        monkeypatch.setenv("ECOMMERCE_SPARK__LAUNCHER", launcher)
        monkeypatch.setenv("ECOMMERCE_SPARK__CODE_LOCATION", f"{__name__}:{job.__name__}")
        with dg.instance_for_test() as instance:
            assert dg.execute_job(dg.reconstructable(job), instance=instance, tags=tags).success
            days = {
                str(event.partition)
                for entry in logged(instance)
                if (event := entry.dagster_event) and event.is_step_materialization and "orders" in str(event.asset_key)
            }
            assert set(DAYS) <= days, "each day has a materialization of its own"
            here = any(
                entry.user_message.startswith("step change_events runs in spark-submit") for entry in logged(instance)
            )
            assert here == (launcher == "local-submit")
        lakes[launcher] = rows()
    assert all(lakes["local"][name] for name in EVERY_TABLE), "no table is empty"
    assert lakes["local-submit"] == lakes["local"]
