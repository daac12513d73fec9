"""Snapshot rows that disagree with the stream, as the models hold them.

What belongs here: counting them. What does not: finding them (the model base_snapshot_changes).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.warehouse.sql.connection import fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: The model that holds one row for each of them.
MODEL = "base_snapshot_changes"


def snapshot_rows_that_disagree(
    connection: SnowflakeConnection, relation: str, days: Collection[date]
) -> dict[date, dict[str, int]]:
    """How many snapshot rows of each of `days` disagree with the stream, by table; days and tables without any are left out.

    `relation` is the model's table: one row a snapshot row, with `table_name` and the landing day `date`.
    """
    counted: dict[date, dict[str, int]] = {}
    for table, day, rows in fetch_all(
        connection, f"select table_name, date, count(*) from {relation} group by table_name, date order by 2, 1"
    ):
        if day in days:
            counted.setdefault(day, {})[table] = int(rows)
    return counted
