"""An exporter that catches up, breaks off or starts again counts each run once."""

import threading
import time
import urllib.error
import urllib.request
from datetime import timedelta

import dagster as dg
import pytest

from ecommerce_platform.operations.exporter import events
from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import PlatformState
from ecommerce_platform_tests.operations.exported import KNOWN, PARTITIONS, an_asset, exporter_of, run, samples, value


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
