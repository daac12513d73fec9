"""The three Iceberg tables of the analytics: how one is created, widened and replaced in a single commit.

What belongs here: writing. What does not: names and columns (declared.py), and what is computed (customers.py, products.py,
daily.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.declared import BASIS, CHECKED_DAYS, AnalyticsTable
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import sound_table
from ecommerce_platform.iceberg.writing import CLUSTERED


class AnalyticsError(RuntimeError):
    """The analytics cannot be computed or written; the message says what to do."""


#: As the design document has them for every Iceberg table.
PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "snappy",
    "write.metadata.compression-codec": "gzip",
    "write.target-file-size-bytes": "134217728",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "commit.retry.num-retries": "4",
    "commit.retry.min-wait-ms": "100",
    # A few thousand rows: a shuffle before the write would cost more than the smaller number of files saves.
    "write.distribution-mode": "none",
}


@dataclass(frozen=True)
class WrittenTable:
    """What the table holds: its snapshot with its properties, and what it was computed from (a digest; `written` is false when
    it was so already).
    """

    table: str
    snapshot_id: int
    rows: int
    bytes: int
    basis: str
    written: bool
    properties: Mapping[str, str]
    #: Days that were applied when the table was last held against all events.
    checked_days: int


def current(lake: Lake, table: str) -> WrittenTable | None:
    """What the table holds now, read without a JVM; None when it was never written."""
    iceberg = lake.find(lake.analytics(table))
    snapshot = iceberg.current_snapshot() if iceberg is not None else None
    if iceberg is None or snapshot is None or snapshot.summary is None:
        return None
    summary = snapshot.summary.additional_properties
    return WrittenTable(
        table=table,
        snapshot_id=snapshot.snapshot_id,
        rows=int(summary.get("total-records") or 0),
        bytes=int(summary.get("total-files-size") or 0),
        basis=summary.get(BASIS, ""),
        written=False,
        properties=summary,
        checked_days=int(iceberg.properties.get(CHECKED_DAYS, "0")),
    )


def remember_checked(lake: Lake, table: str, days: int) -> None:
    """Notes that the table was held against all events when so many days were applied."""
    with lake.load(lake.analytics(table)).transaction() as transaction:
        transaction.set_properties({CHECKED_DAYS: str(days)})


def ensure_table(spark: SparkSession, lake: Lake, table: AnalyticsTable) -> str:
    """Creates the table where it is missing, and widens columns that an earlier release made narrower; its quoted name.

    Raises LostTableError when the folder holds a table, or later commits, that the catalog does not know.
    """
    sound_table(lake, lake.catalog, lake.analytics(table.name))
    name = lake.in_spark(lake.analytics(table.name))
    columns = ", ".join(
        f"`{column.name}` {column.spark_type} comment {_literal(column.description)}" for column in table.columns
    )
    properties = ", ".join(f"{_literal(key)} = {_literal(value)}" for key, value in PROPERTIES.items())
    spark.sql(
        f"create table if not exists {name} ({columns}) using iceberg comment {_literal(table.description)} "
        f"tblproperties ({properties})"
    )
    existing = {field.name: field.dataType.simpleString() for field in spark.table(name).schema.fields}
    for column in table.columns:
        if existing.get(column.name, column.spark_type) != column.spark_type:
            spark.sql(f"alter table {name} alter column `{column.name}` type {column.spark_type}")
    return name


def ensure_internal(
    spark: SparkSession, lake: Lake, identifier: str, columns: Mapping[str, str], partitioned_by: str = ""
) -> str:
    """Creates a table of the analytics' own where it is missing, and makes it again, empty, where another release made it with
    other columns; its quoted name. `columns` maps names to Spark types.

    Raises LostTableError when the folder holds a table, or later commits, that the catalog does not know.
    """
    sound_table(lake, lake.catalog, identifier)
    name = lake.in_spark(identifier)
    declared = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
    partitions = f"partitioned by ({partitioned_by}) " if partitioned_by else ""
    properties = ", ".join(f"{_literal(key)} = {_literal(value)}" for key, value in PROPERTIES.items())
    create = f"{name} ({declared}) using iceberg {partitions}tblproperties ({properties})"
    spark.sql(f"create table if not exists {create}")
    existing = {field.name: field.dataType.simpleString() for field in spark.table(name).schema.fields}
    if existing != columns:
        spark.sql(f"create or replace table {create}")
    return name


def partition(spark: SparkSession, lake: Lake, table: AnalyticsTable) -> None:
    """Partitions the table as it is declared, where it is not yet; what is written from then on is in partitions."""
    name = ensure_table(spark, lake, table)
    if table.partitioned_by and not lake.load(lake.analytics(table.name)).spec().fields:
        spark.sql(f"alter table {name} add partition field {table.partitioned_by}")


def replace(
    spark: SparkSession,
    lake: Lake,
    table: AnalyticsTable,
    rows: DataFrame,
    properties: Mapping[str, str],
    condition: Column | None = None,
    before: int | None = None,
) -> WrittenTable:
    """Replaces the whole table, or its rows of `condition`, by `rows` in one commit, whose snapshot carries `properties`. Readers
    see the old or the new.

    Raises AnalyticsError when the columns of `rows` are not those of the table.
    """
    columns = tuple((field.name, field.dataType.simpleString()) for field in rows.schema.fields)
    expected = tuple((column.name, column.spark_type) for column in table.columns)
    if columns != expected:
        raise AnalyticsError(f"{table.name}: the computed columns are {columns}, expected {expected}")
    write(rows, ensure_table(spark, lake, table), properties, condition, before)
    result = current(lake, table.name)
    if result is None:
        raise AnalyticsError(f"{table.name} was written, and PyIceberg does not find it: do both use the same catalog?")
    return WrittenTable(**{**result.__dict__, "written": True})


def write(
    rows: DataFrame,
    name: str,
    properties: Mapping[str, str],
    condition: Column | None = None,
    before: int | None = None,
) -> None:
    """Puts `rows` in the place of the rows of `condition` (None: of all) in one commit with `properties`. With `before`, the
    commit fails when another one has changed these rows since that snapshot.
    """
    writer = rows.writeTo(name).options(**CLUSTERED)
    for key, value in properties.items():
        writer = writer.option(f"snapshot-property.{key}", value)
    if before is not None:
        writer = writer.option("isolation-level", "serializable").option("validate-from-snapshot-id", str(before))
    writer.overwrite(F.lit(True) if condition is None else condition)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
