"""The same engines called one after the other: what a data engineer writes when nothing may go wrong.

What belongs here: the calls. What does not: models and analytics, which are the platform's own, because they are the work.

    python -m benchmarks.whole_day.plain_script 2026-01-01     in the environment's installation; prints seconds by stage

No row is quarantined, counted or compared; nothing shows which day's content is where; a second run doubles the rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from snowflake.connector import SnowflakeConnection

from benchmarks.bare_load import put_and_copy
from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.analytics.frames import Frames
from ecommerce_platform.analytics.published import NEEDED
from ecommerce_platform.analytics.state import latest_state
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts, source_tables
from ecommerce_platform.iceberg.catalog import ensure_namespaces
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.landing.files import LandingZone, landed_bytes
from ecommerce_platform.reconciliation.layers.clickhouse import connect as clickhouse
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.warehouse.load.lake_files import whole_table_files
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all

BATCH = "plain"
_OPERATIONS = {"c": "INSERT", "u": "UPDATE", "d": "DELETE", "r": "READ"}


def run(settings: Settings, day: date) -> Mapping[str, float]:
    """Everything of one day; seconds of each stage."""
    stages = Stages()
    with stages.timed("session"):
        # The JVM and Spark as the platform starts them for as much to read.
        spark = build_session(
            settings, input_bytes=lambda: landed_bytes(LandingZone.of(settings), source_tables(), day, day)
        )
        ensure_namespaces(spark, settings.lakehouse)
    with stages.timed("change events"):
        for contract in load_contracts().values():
            to_iceberg(spark, settings, contract, day)
    with stages.timed("analytics"):
        to_analytics(spark, settings, day)
    with connect(settings) as connection:
        with stages.timed("load"):
            to_snowflake(settings, connection, day)
        with stages.timed("dbt"):
            run_dbt(settings, DbtRequest(command="run", full_refresh=True))
        with stages.timed("reconciliation"):
            compare(settings, connection, day)
    return stages.seconds


def to_iceberg(spark: SparkSession, settings: Settings, contract: Contract, day: date) -> None:
    """The day's files with the contract's types, into a new table."""
    files = spark.read.parquet(f"{settings.landing_uri}/{contract.table}/date={day}")
    operation = F.create_map(*(F.lit(item) for pair in _OPERATIONS.items() for item in pair))
    typed = files.select(
        *(_typed(column).alias(column.name) for column in contract.columns),
        operation[F.col("__op")].alias("__op"),
        *(F.timestamp_millis(F.col(name)).alias(name) for name in ("__ts_ms", "__source_ts_ms")),
        "__source_lsn",
        F.lit(day).alias("date"),
        F.concat(F.lit(f"date={day}/"), F.col("_metadata.file_name")).alias("__source_file"),
        F.col("_metadata.row_index").alias("__source_row"),
    )
    typed.writeTo(_name(settings, settings.lakehouse.namespace, contract.table)).using("iceberg").partitionedBy(
        F.col("date")
    ).create()


def _typed(column: Column) -> SparkColumn:
    if column.type is LogicalType.TIMESTAMP:
        return F.timestamp_micros(F.col(column.name))
    return F.col(column.name).cast(column.spark_type)


def to_analytics(spark: SparkSession, settings: Settings, day: date) -> None:
    """The three analytics tables."""
    states: dict[str, DataFrame] = {}
    for table, names in NEEDED.items():
        events = spark.table(_name(settings, settings.lakehouse.namespace, table))
        states[table] = latest_state(events, load_contracts()[table], names)
    with Frames(states, BusinessSpan.of(settings).dates(day)) as frames:
        for table in TABLES:
            target = _name(settings, settings.lakehouse.analytics_namespace, table)
            frames.result(table).writeTo(target).using("iceberg").create()


def to_snowflake(settings: Settings, connection: SnowflakeConnection, day: date) -> None:
    """PUT and COPY of the Iceberg tables' files."""
    ensure_current(connection)
    now = datetime.now(UTC).replace(tzinfo=None)
    for table in source_tables():
        columns = load_contracts()[table].all_event_columns
        stamps = {"LOADED_AT": f"'{now}'::timestamp_ntz", "BATCH_ID": f"'{BATCH}'"}
        iceberg = f"{settings.lakehouse.namespace}.{table}"
        files = Lake.of(settings).load(iceberg)
        put_and_copy(connection, files, whole_table_files(files), ddl.raw_table(table), columns, stamps)
        # The models apply the days that this table names.
        execute(
            connection,
            f"insert into {ddl.LOAD_LEDGER} (table_name, date, batch_id, loaded_at) values (%s, %s, %s, %s)",
            [table, day, BATCH, now],
        )
    for table, columns in ((name, declared.columns) for name, declared in ANALYTICS_TABLES.items()):
        iceberg = f"{settings.lakehouse.analytics_namespace}.{table}"
        files = Lake.of(settings).load(iceberg)
        put_and_copy(connection, files, whole_table_files(files), ddl.spark_table(table), columns)


def compare(settings: Settings, connection: SnowflakeConnection, day: date) -> None:
    """Orders and revenue of the day on both sides."""
    client = clickhouse(settings)
    (theirs,) = client.query(
        f"select count(), sum(total_amount) from `{settings.clickhouse.orders_table}` final "
        "where toDate(created_at, 'UTC') = {day:Date} and status in ('processing', 'shipped', 'delivered')",
        parameters={"day": day},
    ).result_rows
    (ours,) = fetch_all(
        connection,
        "select count(*), sum(total_amount) from staging.orders_enhanced "
        "where created_at::date = %s and status in ('processing', 'shipped', 'delivered')",
        [day],
    )
    if tuple(theirs) != tuple(ours):
        print(f"{day}: {theirs} in the speed layer, {ours} here", file=sys.stderr)


def _name(settings: Settings, namespace: str, table: str) -> str:
    return f"`{settings.lakehouse.catalog_name}`.`{namespace}`.`{table}`"


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 2)


if __name__ == "__main__":
    print(json.dumps(run(load_settings(), date.fromisoformat(sys.argv[1]))))
