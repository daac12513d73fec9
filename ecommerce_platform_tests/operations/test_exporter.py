"""The exporter against a real Dagster instance: what runs leave in the event log becomes metrics, once."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ecommerce_platform.operations.exporter import events
from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import Discrepancy, Known, Model, PlatformState

KNOWN = Known(
    models=(
        Model("mart_customer_analytics", "marts/customer_analytics", "incremental"),
        Model("mart_daily_business_metrics", "marts/daily_business_metrics", "table"),
        Model("mart_product_performance", "marts/product_performance", "table"),
    ),
    jobs=("daily_batch",),
    checks=(("marts/daily_business_metrics", "adds_up"),),
)
PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-31")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
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
    exporter = Exporter(instance, lambda: state or PlatformState(), KNOWN, say=lambda _: None)
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


def test_reading_again_adds_only_what_is_new_and_a_restart_loses_nothing(instance: dg.DagsterInstance) -> None:
    run(instance, [an_asset(["iceberg", "users"])])
    exporter = exporter_of(instance)
    exporter.refresh()
    run(instance, [an_asset(["iceberg", "users"])])
    exporter.refresh()
    labels = {"job_name": "iceberg__users", "date": "2026-01-01"}
    assert value(exporter, "spark_batch_job_duration_count", **labels) == 2
    own = "ecommerce_exporter_"
    before = {key: value for key, value in samples(exporter).items() if not key[0].startswith(own)}
    after = {key: value for key, value in samples(exporter_of(instance)).items() if not key[0].startswith(own)}
    assert before == after


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


def test_a_run_that_is_going_on_is_read_while_others_come_and_go(instance: dg.DagsterInstance) -> None:
    exporter = exporter_of(instance)
    long_ago = exporter._reader
    seen = []

    @dg.asset(key=["marts", "daily_business_metrics"], partitions_def=PARTITIONS)
    def slow(context: dg.AssetExecutionContext) -> None:
        exporter.refresh_log()
        # Another run has ended long after this one began: what changed before that is not asked for again.
        assert long_ago._changed_after is not None
        long_ago._changed_after += timedelta(hours=2)
        context.log_event(dg.AssetMaterialization("marts/by_the_way", partition="2026-01-01", metadata={"rows": 3}))
        exporter.refresh_log()
        seen.append(value(exporter, "ecommerce_runs_now", status="started"))

    run(instance, [an_asset(["iceberg", "users"])])
    run(instance, [slow])
    assert seen == [1]
    exporter.refresh_log()
    assert exporter._tally.rows["marts/by_the_way"] == 3


def test_a_reading_that_breaks_off_loses_and_doubles_nothing(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        run(instance, [an_asset(["iceberg", "users"])])
    exporter = Exporter(instance, PlatformState, KNOWN, say=lambda _: None)
    real, calls = instance.get_records_for_run, []

    def breaks_at_the_second(*arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise ConnectionError("the database went away")
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(instance, "get_records_for_run", breaks_at_the_second)
    exporter.refresh_log()
    assert value(exporter, "ecommerce_exporter_read_errors_total", source="dagster") == 1
    exporter.refresh_log()
    labels = {"job_name": "__ephemeral_asset_job__", "outcome": "success"}
    assert value(exporter, "ecommerce_runs_total", **labels) == 3


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


def answer(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_answers_at_once_and_says_that_it_is_catching_up(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, [an_asset(["iceberg", "users"])])
    real, goes_on = instance.get_records_for_run, threading.Event()

    def slow(*arguments: object, **named: object) -> object:
        assert goes_on.wait(60)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(instance, "get_records_for_run", slow)
    exporter = Exporter(instance, lambda: PlatformState(not_converged_days=2), KNOWN, say=lambda _: None)
    server, _ = exporter.serve("127.0.0.1", 0)
    try:
        assert answer(server.server_port, "/healthz")[0] == 200
        assert answer(server.server_port, "/ready")[0] == 503
        text = answer(server.server_port, "/metrics")[1]
        assert "ecommerce_exporter_catching_up 1.0" in text
        assert "ecommerce_runs_total" not in text  # a part of the sum would look like a reset
        read_at = float(text.split("ecommerce_exporter_read_timestamp_seconds ")[-1].splitlines()[0])
        assert time.time() - read_at < 60  # ExporterDown stays silent
        goes_on.set()
        deadline = time.monotonic() + 60
        while answer(server.server_port, "/ready")[0] != 200:
            assert time.monotonic() < deadline
        text = answer(server.server_port, "/metrics")[1]
        assert "ecommerce_exporter_catching_up 0.0" in text
        assert 'ecommerce_runs_total{job_name="__ephemeral_asset_job__",outcome="success"} 1.0' in text
    finally:
        goes_on.set()
        exporter.stop()
        server.shutdown()
        server.server_close()


def test_what_has_not_been_read_is_not_shown_as_zero(instance: dg.DagsterInstance) -> None:
    shown = {name for name, _ in samples(Exporter(instance, PlatformState, KNOWN, say=lambda _: None))}
    assert not shown & {"ecommerce_not_converged_days", "ecommerce_order_discrepancies", "dbt_model_failures"}


def test_an_exporter_that_was_killed_while_it_caught_up_reads_on_from_there(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        run(instance, [an_asset(["iceberg", "users"])])
    real, read, dies_at = instance.get_records_for_run, [], [3]

    def dying(run_id: str, *arguments: object, **named: object) -> object:
        read.append(run_id)
        if len(read) in dies_at:
            raise KeyboardInterrupt
        return real(run_id, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(instance, "get_records_for_run", dying)
    with pytest.raises(KeyboardInterrupt):
        exporter_of(instance)
    before = set(read[:2])
    read.clear()
    dies_at.clear()
    exporter = exporter_of(instance)
    assert not before & set(read)
    labels = {"job_name": "__ephemeral_asset_job__", "outcome": "success"}
    assert value(exporter, "ecommerce_runs_total", **labels) == 4
    assert value(exporter, "spark_batch_job_duration_count", job_name="iceberg__users", date="2026-01-01") == 4


def test_an_old_run_that_changes_once_more_is_not_counted_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT_RUNS", 2)
    for _ in range(6):
        run(instance, [an_asset(["iceberg", "users"])])
    exporter_of(instance)
    oldest = instance.get_run_records(ascending=True)[0].dagster_run.run_id
    instance.add_run_tags(oldest, {"looked-at": "yes"})
    run(instance, [an_asset(["iceberg", "users"])])
    labels = {"job_name": "__ephemeral_asset_job__", "outcome": "success"}
    assert value(exporter_of(instance), "ecommerce_runs_total", **labels) == 7


def test_a_run_that_went_on_over_a_restart_is_read_to_its_end(instance: dg.DagsterInstance) -> None:
    @dg.asset(key=["iceberg", "users"], partitions_def=PARTITIONS)
    def users(context: dg.AssetExecutionContext) -> None:
        exporter_of(instance)
        context.log_event(dg.AssetMaterialization("marts/by_the_way", partition="2026-01-01", metadata={"rows": 3}))

    run(instance, [users])
    exporter = exporter_of(instance)
    assert value(exporter, "ecommerce_asset_rows", asset="marts/by_the_way") == 3
    assert value(exporter, "spark_batch_job_duration_count", job_name="iceberg__users", date="2026-01-01") == 1
