"""The exporter against a real Dagster instance: what runs leave in the event log becomes metrics, once."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import Discrepancy, PlatformState

PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-31")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def an_asset(key: list[str], *, fails: bool = False, models: tuple[str, ...] = ()) -> dg.AssetsDefinition:
    @dg.asset(key=key, partitions_def=PARTITIONS)
    def made() -> dg.MaterializeResult:
        if fails:
            raise dg.Failure("on purpose", metadata={"failed": dg.JsonMetadataValue(list(models))})
        return dg.MaterializeResult(metadata={"rows": 7, "seconds": 0.25, "materialization": "table"})

    return made


def run(instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition], day: str = "2026-01-01") -> None:
    dg.materialize(assets, instance=instance, partition_key=day, raise_on_error=False)


def samples(exporter: Exporter) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    registry = CollectorRegistry()
    registry.register(exporter)
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def exporter_of(instance: dg.DagsterInstance, state: PlatformState | None = None) -> Exporter:
    exporter = Exporter(
        instance, lambda: state or PlatformState(), models=("mart_customer_analytics",), say=lambda _: None
    )
    exporter.refresh()
    return exporter


def value(exporter: Exporter, name: str, **labels: str) -> float | None:
    return samples(exporter).get((name, frozenset(labels.items())))


def test_a_spark_step_is_observed_under_its_job_and_date(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["iceberg", "users"])])
    labels = {"job_name": "iceberg__users", "date": "2026-01-01"}
    assert value(exporter_of(instance), "spark_batch_job_duration_count", **labels) == 1


def test_a_failed_spark_step_is_observed_too(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["iceberg", "users"], fails=True)])
    exporter = exporter_of(instance)
    assert value(exporter, "spark_batch_job_duration_count", job_name="iceberg__users", date="2026-01-01") == 1
    assert value(exporter, "ecommerce_runs_total", job_name="__ephemeral_asset_job__", outcome="failure") == 1


def test_the_success_rate_is_of_the_last_attempts(instance: dg.DagsterInstance) -> None:
    for fails in (False, True, True, False):
        run(instance, [an_asset(["snowflake", "raw", "orders"], fails=fails)])
    assert value(exporter_of(instance), "snowflake_load_success_rate", schema="RAW", table="orders") == 0.5


def test_a_dbt_models_seconds_and_failures_are_by_model(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["marts", "daily_business_metrics"])])
    run(instance, [an_asset(["marts", "x"], fails=True, models=("mart_product_performance",))])
    exporter = exporter_of(instance)
    labels = {"model_name": "daily_business_metrics", "materialization": "table"}
    assert value(exporter, "dbt_model_execution_time_sum", **labels) == 0.25
    assert value(exporter, "dbt_model_failures", model_name="mart_product_performance") == 1


def test_a_model_that_never_failed_starts_at_zero(instance: dg.DagsterInstance) -> None:
    assert value(exporter_of(instance), "dbt_model_failures", model_name="mart_customer_analytics") == 0


def test_reading_again_adds_only_what_is_new_and_a_restart_loses_nothing(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["iceberg", "users"])])
    exporter = exporter_of(instance)
    exporter.refresh()
    run(instance, [an_asset(["iceberg", "users"])])
    exporter.refresh()
    labels = {"job_name": "iceberg__users", "date": "2026-01-01"}
    assert value(exporter, "spark_batch_job_duration_count", **labels) == 2
    own = "ecommerce_exporter_"
    before = {key: found for key, found in samples(exporter).items() if not key[0].startswith(own)}
    after = {key: found for key, found in samples(exporter_of(instance)).items() if not key[0].startswith(own)}
    assert before == after


def test_a_discrepancy_has_metric_and_tier(instance: dg.DagsterInstance) -> None:
    state = PlatformState(discrepancies=(Discrepancy("total_revenue", "gold", 0.12, date(2026, 1, 3)),))
    exporter = exporter_of(instance, state)
    assert value(exporter, "lambda_reconciliation_discrepancy", metric="total_revenue", user_tier="gold") == 0.12


def test_a_source_that_cannot_be_read_is_counted_and_the_rest_stays(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["iceberg", "users"])])

    def away() -> PlatformState:
        raise ConnectionError("the warehouse is away")

    exporter = Exporter(instance, away, models=(), say=lambda _: None)
    exporter.refresh()
    assert value(exporter, "ecommerce_exporter_read_errors_total", source="tables") == 1
    assert value(exporter, "ecommerce_runs_total", job_name="__ephemeral_asset_job__", outcome="success") == 1
