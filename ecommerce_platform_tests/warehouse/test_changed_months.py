"""Spark writes the months of a result that a day touches, and the load brings those months to Snowflake."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.analytics.declared import PRODUCT_ANALYTICS, TABLES
from ecommerce_platform.analytics.tables import partition, replace
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.spark_tables import SparkTableLoad, load_spark_tables
from ecommerce_platform.warehouse.sql.connection import Opener, execute, fetch_all
from ecommerce_platform_tests.warehouse.conftest import RUN

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 28), date(2026, 3, 31)
ROWS = [(JANUARY, 1, "2.50"), (FEBRUARY, 2, "0.10"), (MARCH, 3, "0.30"), (MARCH, 4, "0.40")]

Write = Callable[..., None]


@pytest.fixture
def write(spark_application: None, settings: Settings) -> Write:
    """Replaces all rows of `analytics.product_analytics`, or those of the month of a date, as Spark's step does."""
    spark, lake, table = build_session(settings), Lake.of(settings), TABLES[PRODUCT_ANALYTICS]

    def write(rows: Sequence[tuple[date, int, str]], month_of: date | None = None, by_month: bool = True) -> None:
        if by_month:
            partition(spark, lake, table)
        condition = None
        if month_of is not None:
            last = calendar.monthrange(month_of.year, month_of.month)[1]
            condition = F.col("date").between(month_of.replace(day=1), month_of.replace(day=last))
        properties = {"ecommerce.as-of": "2026-03-31", "ecommerce.applied-days": "2"}
        replace(spark, lake, table, frame(spark, rows), properties, condition)

    return write


def frame(spark: SparkSession, rows: Sequence[tuple[date, int, str]]) -> Any:
    columns = TABLES[PRODUCT_ANALYTICS].columns
    schema = ", ".join(f"{column.name} {column.spark_type}" for column in columns)
    whole = [(day, product, 2, Decimal(revenue), Decimal("1.25"), 1, 1) for day, product, revenue in rows]
    return spark.createDataFrame(whole, schema)


@pytest.fixture
def load(settings: Settings, opener: Opener) -> Callable[[], SparkTableLoad]:
    def load() -> SparkTableLoad:
        loaded = load_spark_tables(LoadSource.of(settings), opener, [PRODUCT_ANALYTICS], RUN)[PRODUCT_ANALYTICS]
        assert loaded is not None
        return loaded

    return load


def revenues(connection: SnowflakeConnection) -> list[tuple[int, str]]:
    rows = fetch_all(connection, "select product_id, total_revenue from STAGING.SPARK_PRODUCT_ANALYTICS order by 1")
    return [(int(product), str(revenue)) for product, revenue in rows]


def record(connection: SnowflakeConnection) -> tuple[Any, ...]:
    return fetch_all(connection, "select row_count, checksum from STAGING.SPARK_LOADS")[0]


def batch_of(connection: SnowflakeConnection, product: int) -> str:
    statement = "select batch_id from STAGING.SPARK_PRODUCT_ANALYTICS where product_id = %s"
    return str(fetch_all(connection, statement, (product,))[0][0])


def test_the_months_that_differ_are_loaded_and_the_record_is_that_of_the_whole_table(
    write: Write, load: Callable[[], SparkTableLoad], connection: SnowflakeConnection
) -> None:
    write(ROWS)
    load()
    january = batch_of(connection, 1)
    write([(MARCH, 3, "0.31"), (MARCH, 5, "0.50")], month_of=MARCH)
    write([], month_of=FEBRUARY)

    loaded = load()

    assert (loaded.rows_loaded, loaded.content.rows, loaded.mended) == (2, 3, None)
    assert revenues(connection) == [(1, "2.50"), (3, "0.31"), (5, "0.50")]
    assert batch_of(connection, 1) == january != batch_of(connection, 3)
    by_months = record(connection)
    execute(connection, "delete from STAGING.SPARK_LOADS")
    assert load().rows_loaded == 3
    assert record(connection) == by_months


def test_a_row_changed_by_hand_in_a_month_that_stays_is_found_and_mended(
    write: Write, load: Callable[[], SparkTableLoad], connection: SnowflakeConnection
) -> None:
    write(ROWS)
    load()
    execute(connection, "update STAGING.SPARK_PRODUCT_ANALYTICS set total_revenue = 9 where product_id = 1")
    write([(MARCH, 3, "0.31")], month_of=MARCH)

    loaded = load()

    assert loaded.mended is not None
    assert "Iceberg has 3 rows" in loaded.mended
    assert loaded.rows_loaded == 3
    assert revenues(connection) == [(1, "2.50"), (2, "0.10"), (3, "0.31")]
    assert load().already_loaded


def test_a_file_that_is_no_single_months_is_loaded_with_the_whole_table(
    write: Write, load: Callable[[], SparkTableLoad], connection: SnowflakeConnection
) -> None:
    write([(JANUARY, 1, "2.50")], by_month=False)
    write([(FEBRUARY, 2, "0.10")], month_of=FEBRUARY)
    write([(MARCH, 3, "0.30")], month_of=MARCH)
    load()
    write([(JANUARY, 1, "2.60")], month_of=JANUARY)

    loaded = load()

    assert (loaded.rows_loaded, loaded.mended) == (3, None)
    assert revenues(connection) == [(1, "2.60"), (2, "0.10"), (3, "0.30")]


def test_the_whole_table_is_loaded_where_the_loaded_snapshot_has_expired(
    write: Write, load: Callable[[], SparkTableLoad], connection: SnowflakeConnection
) -> None:
    write(ROWS)
    load()
    execute(connection, "update STAGING.SPARK_LOADS set iceberg_snapshot_id = 1")
    write([(FEBRUARY, 2, "0.30")], month_of=FEBRUARY)

    loaded = load()

    assert (loaded.rows_loaded, loaded.mended) == (4, None)
    assert revenues(connection) == [(1, "2.50"), (2, "0.30"), (3, "0.30"), (4, "0.40")]
