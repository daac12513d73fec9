"""Small hand-made rows for the tests of this room. What belongs here: builders. What does not: expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ecommerce_platform.contracts import load_contracts


def at(day: int, hour: int = 12) -> datetime:
    """A moment of January 2026, UTC."""
    return datetime(2026, 1, day, hour, tzinfo=UTC)


def event(lsn: int | None, op: str = "INSERT", day: int = 1, **values: Any) -> dict[str, Any]:
    """An event of the Iceberg table: what is not given is null; the position in its file is the LSN."""
    return {
        "__op": op,
        "__source_lsn": lsn,
        "__ts_ms": at(day),
        "__source_ts_ms": at(day),
        "date": date(2026, 1, day),
        "__source_file": f"date=2026-01-{day:02d}/part-0.parquet",
        "__source_row": lsn or 0,
        **values,
    }


def event_frame(spark: SparkSession, table: str, events: Sequence[Mapping[str, Any]]) -> DataFrame:
    """The events as the Iceberg table of `table` has them."""
    columns = load_contracts()[table].all_event_columns
    types = ", ".join(f"`{column.name}` {column.spark_type}" for column in columns)
    return spark.createDataFrame([tuple(item.get(column.name) for column in columns) for item in events], types)


def frame(spark: SparkSession, types: str, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), types)


def users_frame(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Users of the latest state: id, email, first_name, last_name, created_at."""
    return frame(spark, "id bigint, email string, first_name string, last_name string, created_at timestamp", *rows)


def orders_frame(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Orders of the latest state: id, user_id, status, total_amount (text), created_at."""
    typed = [(*row[:3], None if row[3] is None else Decimal(row[3]), row[4]) for row in rows]
    types = "id bigint, user_id bigint, status string, total_amount decimal(10,2), created_at timestamp"
    return spark.createDataFrame(typed, types)


def items_frame(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Items of the latest state: id, order_id, product_id, quantity, unit_price (text)."""
    typed = [(*row[:4], None if row[4] is None else Decimal(row[4])) for row in rows]
    types = "id bigint, order_id bigint, product_id bigint, quantity int, unit_price decimal(10,2)"
    return spark.createDataFrame(typed, types)


def as_dicts(frame: DataFrame, *order: str) -> list[dict[str, Any]]:
    """All rows, ordered."""
    return [row.asDict() for row in frame.orderBy(*order).collect()]
