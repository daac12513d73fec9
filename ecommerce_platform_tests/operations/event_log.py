"""A large event log, made cheaply: one real run, copied as many times as are wanted. What belongs here: making, no asserting."""

from __future__ import annotations

from typing import Any

import dagster as dg
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.utils import make_new_run_id
from sqlalchemy import insert, select

PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-12-31")


def one_run(instance: dg.DagsterInstance, days: int) -> dg.DagsterRun:
    """A run over a range of days of assets like the platform's: a materialization a day and asset."""

    def asset(name: str) -> dg.AssetsDefinition:
        @dg.asset(
            key=name.split("/"), partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run(), pool=None
        )
        def made() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"rows": 7, "seconds": 0.25, "materialization": "table"})

        return made

    names = ["iceberg/users", "iceberg/orders", "snowflake/raw/orders", "staging/orders_enhanced", "marts/daily"]
    job = dg.define_asset_job("daily_batch", selection="*", executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=[asset(name) for name in names], jobs=[job])
    keys = PARTITIONS.get_partition_keys()
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[days - 1]}
    return definitions.resolve_job_def("daily_batch").execute_in_process(instance=instance, tags=tags).dagster_run


def grow(instance: dg.DagsterInstance, run: dg.DagsterRun, events: int) -> int:
    """Copies the run under new ids until the log has `events` events; the number of runs in it then."""
    storage: Any = instance.event_log_storage
    with storage.run_connection(run.run_id) as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(SqlEventLogStorageTable))]
    runs = 1
    while runs * len(rows) < events:
        copy = run.with_tags(run.tags)._replace(run_id=make_new_run_id())
        instance.add_run(copy)
        copied = [
            {name: value for name, value in row.items() if name != "id"}
            | {"run_id": copy.run_id, "event": row["event"].replace(run.run_id, copy.run_id)}
            for row in rows
        ]
        with storage.run_connection(copy.run_id) as connection:
            connection.execute(insert(SqlEventLogStorageTable), copied)
        runs += 1
    return runs
