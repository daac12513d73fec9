"""The analytics tables in Iceberg, where an earlier release has left them."""

from __future__ import annotations

from pyspark.sql import SparkSession

from ecommerce_platform.analytics.declared import DAILY_BUSINESS_METRICS, TABLES
from ecommerce_platform.analytics.tables import ensure_table
from ecommerce_platform.iceberg.catalog import ensure_namespaces
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import Settings


def test_a_column_that_an_earlier_release_made_narrower_is_widened(
    spark: SparkSession, local_settings: Settings
) -> None:
    table = TABLES[DAILY_BUSINESS_METRICS]
    lake = Lake.of(local_settings)
    name = lake.in_spark(lake.analytics(table.name))
    ensure_namespaces(spark, local_settings.lakehouse)
    narrow = {
        "average_items_per_order": "decimal(5,2)",
        "avg_order_value": "decimal(10,2)",
        "total_revenue": "decimal(18,2)",
    }
    columns = ", ".join(f"`{column.name}` {narrow.get(column.name, column.spark_type)}" for column in table.columns)
    spark.sql(f"create table {name} ({columns}) using iceberg")
    spark.sql(f"insert into {name} (date, {', '.join(narrow)}) values (date '2026-01-01', 12.34, 1.50, -0.01)")
    ensure_table(spark, lake, table)
    assert [(field.name, field.dataType.simpleString()) for field in spark.table(name).schema.fields] == [
        (column.name, column.spark_type) for column in table.columns
    ]
    assert [tuple(map(str, row)) for row in spark.table(name).select(*narrow).collect()] == [("12.34", "1.50", "-0.01")]
