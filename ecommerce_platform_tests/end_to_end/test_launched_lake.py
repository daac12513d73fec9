"""The two steps that use Spark give the same tables whether they run in the Dagster process or in processes of their own."""

from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.demo.steps import write_sample
from ecommerce_platform.settings import load_settings
from ecommerce_platform_tests.spark import launched_lake
from ecommerce_platform_tests.spark.launched_lake import lake_job, launched_lake_job, rows_of

DAYS = ("2026-01-01", "2026-01-02")
EVERY_TABLE = (*(f"ecommerce.{name}" for name in source_tables()), *(f"analytics.{name}" for name in TABLES))


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
        monkeypatch.setenv("ECOMMERCE_SPARK__CODE_LOCATION", f"{launched_lake.__name__}:{job.__name__}")
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
        lakes[launcher] = rows_of(EVERY_TABLE)
    assert all(lakes["local"][name] for name in EVERY_TABLE), "no table is empty"
    assert lakes["local-submit"] == lakes["local"]
