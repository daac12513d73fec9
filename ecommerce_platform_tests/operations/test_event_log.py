"""Dagster's event log in batches: the same rows as Dagster's own storage writes one by one, all of a batch or none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetExecutionContext
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from sqlalchemy import select

from ecommerce_platform.operations import event_log
from ecommerce_platform.operations.event_log import BATCH_SIZE, BatchingSqliteEventLogStorage

PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2027-01-01")
RUN = "00000000-0000-0000-0000-000000000001"
DAYS = PARTITIONS.get_partition_keys()[:40]
OWN_STORAGE = (
    "event_log_storage:\n  module: ecommerce_platform.operations.event_log\n  class: BatchingSqliteEventLogStorage\n"
)


@dg.multi_asset(
    specs=[dg.AssetSpec(key, partitions_def=PARTITIONS) for key in ("orders", "users")],
    check_specs=[dg.AssetCheckSpec("has_rows", asset="orders", partitions_def=PARTITIONS)],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def events(context: AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
    for day in context.partition_keys:
        context.add_asset_metadata({"rows": len(day)}, asset_key="orders", partition_key=day)
    yield dg.MaterializeResult(asset_key="orders", check_results=[dg.AssetCheckResult(passed=True)])
    yield dg.MaterializeResult(asset_key="users")


def ran(home: Path, yaml: str, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    """An instance whose log holds one run over forty days."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    home.mkdir()
    (home / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{yaml}")
    instance = dg.DagsterInstance.from_config(str(home))
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
    job = dg.Definitions(assets=[events], jobs=[dg.define_asset_job("days", executor_def=dg.in_process_executor)])
    assert job.resolve_job_def("days").execute_in_process(instance=instance, tags=tags, run_id=RUN).success
    return instance


def rows_by_table(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """What the storage's tables say, without what differs from run to run: times and serial numbers."""
    storage: Any = instance.event_log_storage
    log, tags, assets, checks = (
        table.c for table in (SqlEventLogStorageTable, AssetEventTagsTable, AssetKeyTable, AssetCheckExecutionsTable)
    )
    with storage.index_connection() as connection:

        def rows(*columns: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(select(*columns))]

        events = {
            number: event for number, *event in rows(log.id, log.dagster_event_type, log.asset_key, log.partition)
        }
        content = {
            "index": list(events.values()),
            "tags": [(events[number], *tag) for number, *tag in rows(tags.event_id, tags.key, tags.value)],
            "assets": [
                (asset, run, f'"partition": "{DAYS[-1]}"' in last)
                for asset, run, last in rows(assets.asset_key, assets.last_run_id, assets.last_materialization)
            ],
            "checks": [
                (*check, events[number])
                for number, *check in rows(
                    checks.evaluation_event_storage_id,
                    *(checks.asset_key, checks.check_name, checks.partition, checks.execution_status),
                )
            ],
        }
    return {name: sorted(map(repr, values)) for name, values in content.items()}


def shard(instance: dg.DagsterInstance) -> list[str]:
    storage: Any = instance.event_log_storage
    log = SqlEventLogStorageTable.c
    with storage.run_connection(RUN) as connection:
        return sorted(map(repr, connection.execute(select(log.dagster_event_type, log.asset_key, log.partition))))


@pytest.fixture(autouse=True)
def _no_batches_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set and deleted, so that what the storage puts into the environment goes with the test.
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")


def test_batches_leave_the_rows_that_dagsters_own_storage_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = ran(tmp_path / "dagster", "", monkeypatch)
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    batched = ran(tmp_path / "ours", OWN_STORAGE, monkeypatch)
    assert isinstance(batched.event_log_storage, BatchingSqliteEventLogStorage)
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == str(BATCH_SIZE)
    expected, actual = rows_by_table(one_by_one), rows_by_table(batched)
    assert len(expected["tags"]) >= len(DAYS)
    assert actual == expected
    assert shard(batched) == shard(one_by_one)
    for key in (dg.AssetKey("orders"), dg.AssetKey("users")):
        assert batched.get_materialized_partitions(key) == set(DAYS)


def test_the_storage_reads_and_continues_what_dagsters_own_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(tmp_path / "home", "", monkeypatch)
    (tmp_path / "home" / "dagster.yaml").write_text(OWN_STORAGE)
    after = dg.DagsterInstance.from_config(str(tmp_path / "home"))
    assert after.get_materialized_partitions(dg.AssetKey("users")) == set(DAYS)
    after.report_runless_asset_event(dg.AssetMaterialization("users", partition="2026-12-31"))
    (tmp_path / "home" / "dagster.yaml").write_text("")
    again = dg.DagsterInstance.from_config(str(tmp_path / "home"))
    assert again.get_materialized_partitions(dg.AssetKey("users")) == {*DAYS, "2026-12-31"}


def test_a_batch_that_cannot_be_written_as_a_whole_leaves_nothing_and_is_written_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    written: list[int] = []

    def broken(storage: BatchingSqliteEventLogStorage, rows: list[Any]) -> None:
        written.append(len(rows))
        raise OSError("the disk of this run's events is full")

    monkeypatch.setattr(event_log.BatchingSqliteEventLogStorage, "store_run_shard", broken)
    home = ran(tmp_path / "home", OWN_STORAGE, monkeypatch)
    monkeypatch.undo()
    assert max(written) >= len(DAYS)
    assert "the disk of this run's events is full" in capfd.readouterr().err
    expected = ran(tmp_path / "dagster", "", monkeypatch)
    assert rows_by_table(home) == rows_by_table(expected)


def test_what_cannot_come_in_batches_is_stored_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = ran(tmp_path / "home", OWN_STORAGE, monkeypatch)
    entries = [
        record.event_log_entry
        for record in instance.get_records_for_run(RUN).records
        if record.event_log_entry.dagster_event_type
        in (dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS)
    ]
    before = len(shard(instance))
    instance.event_log_storage.store_event_batch(entries)
    assert len(entries) == 2
    assert len(shard(instance)) == before + 2


def test_a_batch_size_that_somebody_has_set_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "7")
    ran(tmp_path / "home", OWN_STORAGE, monkeypatch)
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "7"


def test_events_are_never_written_to_wherever_one_happens_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text(OWN_STORAGE)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(ValueError, match="set DAGSTER_HOME"):
        dg.DagsterInstance.from_config(str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(f"{OWN_STORAGE}  config: {{base_dir: {tmp_path / 'elsewhere'}}}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("users"))
    assert sorted(path.name for path in (tmp_path / "elsewhere").glob("*.db")) == [".db", "index.db"]


def test_a_run_opens_each_of_its_databases_once_from_its_first_step_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_shard = BatchingSqliteEventLogStorage._open

    def noted(storage: BatchingSqliteEventLogStorage, shard: str) -> Any:
        opened.append(shard)
        return open_shard(storage, shard)

    @dg.op(out=dg.Out(dg.Nothing))
    def begins() -> None:
        opened.clear()
        monkeypatch.setattr(BatchingSqliteEventLogStorage, "_open", noted)

    @dg.op(ins={"before": dg.In(dg.Nothing)})
    def reports(context: dg.OpExecutionContext) -> None:
        for number in range(20):
            context.log_event(dg.AssetMaterialization("orders", partition=str(number)))

    @dg.job(executor_def=dg.in_process_executor)
    def both() -> None:
        reports(begins())

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{OWN_STORAGE}")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert both.execute_in_process(instance=instance).success
        # After its end, as before: databases are opened when they are needed.
        assert not set(opened[:-1]) - {"index"}
        assert len(opened) < 5
        assert instance.get_materialized_partitions(dg.AssetKey("orders")) == {str(number) for number in range(20)}


def test_nothing_of_an_ended_run_is_held_and_its_log_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = ran(tmp_path / "home", OWN_STORAGE, monkeypatch)
    folder = tmp_path / "home" / "history" / "runs"
    assert sorted(path.name for path in folder.glob("*.db*")) == [f"{RUN}.db", "index.db"]
    instance.delete_run(RUN)
    assert shard(instance) == []


_KILLED = """
import os, signal, sys
import dagster as dg

@dg.multi_asset(specs=[dg.AssetSpec("orders"), dg.AssetSpec("users")])
def events():
    yield dg.MaterializeResult(asset_key="orders")
    os.kill(os.getpid(), signal.SIGKILL)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    job = dg.Definitions(assets=[events]).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, run_id="00000000-0000-0000-0000-000000000001")
"""


def test_a_process_that_is_killed_loses_no_event_that_it_has_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{OWN_STORAGE}")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        types = [item.event_log_entry.dagster_event_type for item in instance.get_records_for_run(RUN).records]
        assert types[-1] is dg.DagsterEventType.ASSET_MATERIALIZATION
        assert instance.get_latest_materialization_event(dg.AssetKey("orders")) is not None


def test_a_run_is_read_by_others_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    home = tmp_path / "home"

    @dg.asset
    def looks() -> None:
        with dg.DagsterInstance.from_config(str(home)) as other:
            seen.extend(item.event_log_entry.dagster_event_type for item in other.get_records_for_run(RUN).records)
            other.report_runless_asset_event(dg.AssetMaterialization("users"))

    monkeypatch.setenv("DAGSTER_HOME", str(home))
    home.mkdir()
    (home / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{OWN_STORAGE}")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = dg.Definitions(assets=[looks]).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, run_id=RUN).success
        assert instance.get_latest_materialization_event(dg.AssetKey("users")) is not None
        assert instance.get_latest_materialization_event(dg.AssetKey("looks")) is not None
    assert dg.DagsterEventType.STEP_START in seen
