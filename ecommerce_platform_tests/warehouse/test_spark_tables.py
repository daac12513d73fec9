"""Spark's analytics in Snowflake: the whole table, the current snapshot, once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, NestedField
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import OperationalError

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.ingest.tables import iceberg_type
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.spark_tables import load_spark_tables
from ecommerce_platform.warehouse.sql.connection import Opener, WarehouseError, fetch_all
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.faults import WatchedConnection

TABLE = "product_analytics"


def write(settings: Settings, rows: list[dict[str, Any]], price_scale: int = 2) -> int:
    """Writes `analytics.product_analytics` as Spark does: replaced as a whole; returns the snapshot's id."""
    catalog = Lake.of(settings).catalog
    catalog.create_namespace_if_not_exists("analytics")
    fields = [
        NestedField(number, column.name, iceberg_type(column), required=False)
        for number, column in enumerate(ANALYTICS_TABLES[TABLE].columns, start=1)
    ]
    if price_scale != 2:
        fields = [
            field.model_copy(update={"field_type": DecimalType(12, price_scale)})
            if field.name == "total_revenue"
            else field
            for field in fields
        ]
    iceberg = catalog.create_table_if_not_exists(f"analytics.{TABLE}", Schema(*fields))
    arrow = pa.Table.from_pylist(rows, schema=iceberg.schema().as_arrow())
    iceberg.overwrite(arrow, snapshot_properties={"ecommerce.as-of": "2026-01-02", "ecommerce.applied-days": "2"})
    snapshot = iceberg.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def row(product: int, revenue: str) -> dict[str, Any]:
    return {
        "date": date(2026, 1, 1),
        "product_id": product,
        "units_sold": 2,
        "total_revenue": Decimal(revenue),
        "avg_selling_price": Decimal("1.25"),
        "unique_customers": 1,
        "total_orders": 1,
    }


def products(connection: SnowflakeConnection) -> list[tuple[Any, ...]]:
    return fetch_all(connection, "select product_id, total_revenue from STAGING.SPARK_PRODUCT_ANALYTICS order by 1")


def test_the_table_is_replaced_by_the_current_snapshot_and_its_origin_is_recorded(
    settings: Settings, connection: SnowflakeConnection, opener: Opener
) -> None:
    write(settings, [row(1, "2.50"), row(2, "0.10")])
    load_spark_tables(LoadSource.of(settings), opener, [TABLE], RUN)
    snapshot = write(settings, [row(2, "0.20")])

    load = load_spark_tables(LoadSource.of(settings), opener, [TABLE], RUN)[TABLE]

    assert load is not None
    assert (load.snapshot_id, load.content.rows, load.already_loaded) == (snapshot, 1, False)
    assert products(connection) == [(2, Decimal("0.20"))]
    recorded = fetch_all(
        connection,
        "select table_name, iceberg_snapshot_id, as_of_day, applied_days, row_count from STAGING.SPARK_LOADS",
    )
    assert recorded == [(TABLE, snapshot, date(2026, 1, 2), 2, 1)]


def test_the_same_snapshot_again_is_not_loaded_and_a_missing_table_is_none(
    settings: Settings, connection: SnowflakeConnection, opener: Opener
) -> None:
    write(settings, [row(1, "2.50")])
    load_spark_tables(LoadSource.of(settings), opener, [TABLE], RUN)

    loads = load_spark_tables(LoadSource.of(settings), opener, [TABLE, "customer_metrics"], RUN)

    assert loads["customer_metrics"] is None
    again = loads[TABLE]
    assert again is not None
    assert (again.already_loaded, again.content.rows) == (True, 1)


def test_a_lost_answer_to_commit_leaves_one_copy(settings: Settings, connection: SnowflakeConnection) -> None:
    write(settings, [row(1, "2.50")])
    lost = []

    def hook(number: int, sql: str, after: bool) -> None:
        if after and sql == "commit" and not lost:
            lost.append(sql)
            raise OperationalError(msg="the connection was lost", errno=250003)

    load_spark_tables(LoadSource.of(settings), lambda: WatchedConnection(settings, hook), [TABLE], RUN)  # type: ignore[arg-type,return-value]

    assert lost
    assert products(connection) == [(1, Decimal("2.50"))]


def test_a_decimal_of_another_scale_is_refused_instead_of_rounded(settings: Settings, opener: Opener) -> None:
    write(settings, [row(1, "2.5000")], price_scale=4)

    with pytest.raises(WarehouseError, match=r"column total_revenue .*expected decimal\(38,2\)"):
        load_spark_tables(LoadSource.of(settings), opener, [TABLE], RUN)
