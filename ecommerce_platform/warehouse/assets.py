"""The warehouse as Dagster sees it: the four raw tables in one step, Spark's three tables in another.

What belongs here: declaration, the days of the run, metadata. What does not: the loads (load/days.py, spark_tables.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.contracts import Column, Contract, load_contracts
from ecommerce_platform.execution.partitions import add_days_metadata, daily_partitions, partition_days
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.lakehouse.days.ledger import refused_days
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.outcome import LoadedDay, TableLoad
from ecommerce_platform.warehouse.load.spark_tables import SparkTableLoad, load_spark_tables
from ecommerce_platform.warehouse.resource import WarehouseResource

GROUP = "warehouse"
OWNERS = ("team:data-platform",)
KINDS = {"snowflake", "table"}


def raw_key(table: str) -> dg.AssetKey:
    """The asset of a source table in Snowflake RAW."""
    return dg.AssetKey(["snowflake", "raw", table])


def spark_key(table: str) -> dg.AssetKey:
    """The asset of a Spark analytics table in Snowflake STAGING."""
    return dg.AssetKey(["snowflake", "staging", f"spark_{table}"])


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Two steps: `snowflake/raw/<table>` and `snowflake/staging/spark_<table>`."""
    return [_raw_tables(settings), _spark_tables(settings)]


def _raw_tables(settings: Settings) -> dg.AssetsDefinition:
    contracts, partitions = load_contracts(), daily_partitions(settings.start_date)

    @dg.multi_asset(
        name="snowflake_raw",
        pool="snowflake_raw",
        specs=[_raw_spec(contract, partitions, settings.snowflake.database) for contract in contracts.values()],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @plain_words
    def snowflake_raw(
        context: dg.AssetExecutionContext, lake: StepLake, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        tables = [table for table in contracts if raw_key(table) in context.selected_asset_keys]
        source, run_id = LoadSource(lake, settings.scratch_uri, settings.snowflake), context.run.run_id
        loads = load_tables(source, warehouse.opener(run_id), tables, partition_days(context), run_id)
        refused = {table: dict(days) for table, days in refused_days(lake).items()} if _waiting(loads) else {}
        for table, load in loads.items():
            add_days_metadata(context, [raw_key(table)], _by_day(load))
            for day in load.not_published:
                reason = (
                    refused[table][day].reason
                    if day in refused.get(table, {})
                    else "the lakehouse has not published it"
                )
                context.log.warning(f"{table} {day} not loaded: {reason}")
            for day, problem in load.failed.items():
                context.log.error(f"{table} {day} not loaded: {problem}")
            yield dg.MaterializeResult(asset_key=raw_key(table), metadata=_summary(load))

    return snowflake_raw


def _waiting(loads: Mapping[str, TableLoad]) -> bool:
    return any(load.not_published for load in loads.values())


def _by_day(load: TableLoad) -> dict[date, dict[str, Any]]:
    by_day: dict[date, dict[str, Any]] = {day.day: _day_metadata(day) for day in load.loaded}
    by_day |= {day: {"loaded": False, "reason": "not published by the lakehouse"} for day in load.not_published}
    return by_day | {day: {"loaded": False, "reason": problem} for day, problem in load.failed.items()}


def _day_metadata(day: LoadedDay) -> dict[str, Any]:
    return {
        "loaded": True,
        "dagster/partition_row_count": day.content.rows,
        "rows": day.content.rows,
        "bytes": day.bytes,
        "snapshot_id": str(day.snapshot_id),  # text: the UI rounds numbers of that size
        "batch_id": day.batch_id,
        "checksum": day.content.checksum,
        "already_loaded": day.already_loaded,
    }


def _summary(load: TableLoad) -> dict[str, Any]:
    """Of the whole step; each day's own figures are beside it."""
    new = [day for day in load.loaded if not day.already_loaded]
    return {
        "load_rows": sum(day.content.rows for day in new),
        "load_bytes": sum(day.bytes for day in new),
        "seconds": round(load.seconds, 3),
        "days_loaded_now": len(new),
        "days_already_loaded": len(load.loaded) - len(new),
        "days_not_published": _named(load.not_published),
        "days_failed": _named(sorted(load.failed)),
    }


def _named(days: Sequence[date]) -> str:
    return ", ".join(day.isoformat() for day in days) or "none"


def _raw_spec(contract: Contract, partitions: dg.PartitionsDefinition, database: str) -> dg.AssetSpec:
    table = contract.table
    return dg.AssetSpec(
        key=raw_key(table),
        deps=[dg.AssetKey(["iceberg", table])],
        description=f"{contract.description} Every published change event, each day loaded once, with the batch it came by.",
        group_name=GROUP,
        kinds=KINDS,
        owners=OWNERS,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": f"{database}.RAW.{table.upper()}",
            "dagster/column_schema": _schema(contract.raw_columns),
        },
    )


def _schema(columns: Sequence[Column]) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[dg.TableColumn(column.name, column.snowflake_type, column.description) for column in columns]
    )


def _spark_tables(settings: Settings) -> dg.AssetsDefinition:
    partitions = daily_partitions(settings.start_date)

    @dg.multi_asset(
        name="snowflake_spark",
        pool="snowflake_spark",
        specs=[_spark_spec(table, partitions, settings.snowflake.database) for table in ANALYTICS_TABLES],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @plain_words
    def snowflake_spark(
        context: dg.AssetExecutionContext, lake: StepLake, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        tables = [table for table in ANALYTICS_TABLES if spark_key(table) in context.selected_asset_keys]
        source, run_id = LoadSource(lake, settings.scratch_uri, settings.snowflake), context.run.run_id
        loads = load_spark_tables(source, warehouse.opener(run_id), tables, run_id)
        for table, load in loads.items():
            if load and load.mended:
                context.log.warning(
                    f"{table} was replaced as a whole, since rows that were to stay had changed: {load.mended}"
                )
            yield dg.MaterializeResult(asset_key=spark_key(table), metadata=_spark_metadata(load))

    return snowflake_spark


def _spark_metadata(load: SparkTableLoad | None) -> dict[str, Any]:
    if load is None:
        return {"loaded": False, "reason": "Spark has not written the Iceberg table yet"}
    return {
        "dagster/row_count": load.content.rows,
        "rows_loaded": load.rows_loaded,
        "snapshot_id": str(load.snapshot_id),
        "checksum": load.content.checksum,
        "as_of": load.as_of_day.isoformat() if load.as_of_day else "none",
        "seconds": round(load.seconds, 3),
        "already_loaded": load.already_loaded,
    }


def _spark_spec(table: str, partitions: dg.PartitionsDefinition, database: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=spark_key(table),
        deps=[dg.AssetKey(["iceberg", table])],
        description=f"Iceberg analytics.{table} as Spark computed it; dbt's own figures are held against it.",
        group_name=GROUP,
        kinds=KINDS,
        owners=OWNERS,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": f"{database}.STAGING.SPARK_{table.upper()}",
            "dagster/column_schema": _schema(ANALYTICS_TABLES[table].loaded_columns),
        },
    )
