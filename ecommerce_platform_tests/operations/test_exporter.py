"""The exporter against a real Dagster instance: what runs leave in the event log becomes metrics."""

import urllib.error
import urllib.request
from datetime import date

import dagster as dg

from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import Discrepancy, PlatformState
from ecommerce_platform_tests.operations.exported import KNOWN, PARTITIONS, an_asset, exporter_of, run, samples, value


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
    labels = {"model_name": "mart_daily_business_metrics", "materialization": "table"}
    assert value(exporter, "dbt_model_execution_time_sum", **labels) == 0.25
    assert value(exporter, "dbt_model_failures", model_name="mart_product_performance") == 1


def test_what_has_not_happened_yet_is_there_with_zero(instance: dg.DagsterInstance) -> None:
    exporter = exporter_of(instance)
    assert value(exporter, "dbt_model_failures", model_name="mart_customer_analytics") == 0
    labels = {"model_name": "mart_customer_analytics", "materialization": "incremental"}
    assert value(exporter, "dbt_model_execution_time_count", **labels) == 0
    assert value(exporter, "ecommerce_runs_total", job_name="daily_batch", outcome="failure") == 0
    labels = {"asset": "marts/daily_business_metrics", "check": "adds_up", "severity": "ERROR"}
    assert value(exporter, "ecommerce_failed_checks_total", **labels) == 0


def test_a_failed_dbt_test_is_no_model(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["marts", "x"], fails=True, models=("not_null_orders_id",))])
    names = {
        dict(labels)["model_name"] for name, labels in samples(exporter_of(instance)) if name == "dbt_model_failures"
    }
    assert names == {model.name for model in KNOWN.models}


def test_a_discrepancy_has_metric_and_tier(instance: dg.DagsterInstance) -> None:
    state = PlatformState(discrepancies=(Discrepancy("total_revenue", "gold", 0.12, date(2026, 1, 3)),))
    exporter = exporter_of(instance, state)
    assert value(exporter, "lambda_reconciliation_discrepancy", metric="total_revenue", user_tier="gold") == 0.12


def test_a_source_that_cannot_be_read_is_counted_and_the_rest_stays(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["iceberg", "users"])])

    def away() -> PlatformState:
        raise ConnectionError("the warehouse is away")

    exporter = Exporter(instance, away, say=lambda _: None)
    exporter.refresh()
    assert value(exporter, "ecommerce_exporter_read_errors_total", source="tables") == 1
    assert value(exporter, "ecommerce_runs_total", job_name="__ephemeral_asset_job__", outcome="success") == 1


def test_a_step_that_has_only_begun_has_its_series_at_zero(instance: dg.DagsterInstance) -> None:
    seen = []

    @dg.asset(key=["iceberg", "users"], partitions_def=PARTITIONS)
    def users() -> None:
        labels = {"job_name": "iceberg__users", "date": "2026-01-01"}
        seen.append(value(exporter_of(instance), "spark_batch_job_duration_count", **labels))

    run(instance, [users])
    assert seen == [0]


def test_what_could_not_be_read_is_shown_as_it_was_read_last(instance: dg.DagsterInstance) -> None:
    looks = [PlatformState(not_converged_days=4), PlatformState(problems=("snowflake: OperationalError",))]
    exporter = Exporter(instance, lambda: looks.pop(0), KNOWN, say=lambda _: None)
    exporter.refresh_tables()
    exporter.refresh_tables()
    assert value(exporter, "ecommerce_not_converged_days") == 4
    assert value(exporter, "ecommerce_exporter_read_errors_total", source="tables") == 1


def test_the_age_of_a_stalled_run_and_pending_notifications_are_shown(instance: dg.DagsterInstance) -> None:
    job = dg.define_asset_job("daily_batch", selection="*")
    definition = dg.Definitions(assets=[an_asset(["iceberg", "users"])], jobs=[job]).resolve_job_def("daily_batch")
    instance.create_run_for_job(definition)
    exporter = exporter_of(instance)
    assert value(exporter, "ecommerce_oldest_unfinished_run_timestamp_seconds") is not None
    assert value(exporter, "ecommerce_runs_now", status="not_started") == 1
    assert value(exporter, "ecommerce_notifications_waiting") == 0


def test_a_scrape_over_http_shows_the_same(instance: dg.DagsterInstance) -> None:
    exporter = exporter_of(instance)
    server, _ = exporter.serve("127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        exporter.stop()
        server.shutdown()
        server.server_close()
    assert 'dbt_model_failures{model_name="mart_customer_analytics"} 0.0' in text
