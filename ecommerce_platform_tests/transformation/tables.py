"""The models' tables as Python values, without the audit stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecommerce_platform.transformation.builds.applied import read_build_state
from ecommerce_platform.warehouse.sql.connection import fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

TABLES = (
    "STAGING.USERS_ENHANCED",
    "STAGING.PRODUCTS_ENHANCED",
    "STAGING.ORDERS_ENHANCED",
    "STAGING.ORDER_ITEMS_ENHANCED",
    "INTERMEDIATE.INT_EARLIER_PURCHASES",
    "INTERMEDIATE.INT_CUSTOMER_METRICS",
    "INTERMEDIATE.INT_PRODUCT_ANALYTICS",
    "INTERMEDIATE.INT_ORDER_ANALYTICS",
    "MARTS.DAILY_BUSINESS_METRICS",
    "MARTS.CUSTOMER_TIER_ANALYTICS",
    "MARTS.PRODUCT_PERFORMANCE",
    "MARTS.CUSTOMER_ANALYTICS",
)
#: Audit stamps by table; `created_at` of staging tables is data.
_STAMPS = {"STAGING": {"processed_at"}, "INTERMEDIATE": set(), "MARTS": {"created_at", "last_updated"}}

Row = dict[str, Any]


def pending_days(connection: SnowflakeConnection) -> list[str]:
    """Days that all tables have loaded and of which at least one table's load is not applied."""
    state = read_build_state(connection)
    days = set(state.complete_days)
    return sorted({str(day) for _, day, _ in state.loaded - state.applied if day in days})


def read(connection: SnowflakeConnection, table: str, order_by: str = "1, 2") -> list[Row]:
    """All rows in order, column names in lower case, without audit stamps."""
    cursor = connection.cursor()
    cursor.execute(f"select * from {table} order by {order_by}")
    names = [column.name.lower() for column in cursor.description]
    left_out = _STAMPS[table.split(".")[0]]
    return [{name: value for name, value in zip(names, row, strict=True) if name not in left_out} for row in cursor]


def read_all(connection: SnowflakeConnection) -> dict[str, list[Row]]:
    return {table: read(connection, table) for table in TABLES}


def only(connection: SnowflakeConnection, table: str, key: int, column: str = "id") -> Row:
    """The one row of a key."""
    rows = [row for row in read(connection, table) if row[column] == key]
    assert len(rows) == 1, f"{table} has {len(rows)} rows of {column} {key}"
    return rows[0]


def count(connection: SnowflakeConnection, table: str) -> int:
    return int(fetch_all(connection, f"select count(*) from {table}")[0][0])
