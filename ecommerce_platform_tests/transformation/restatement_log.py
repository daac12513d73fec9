"""The log of restatements and the published marts as Python values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.tables import Row, read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


#: Published marts with their keys.
PUBLISHED = {
    "daily_business_metrics": ("date",),
    "customer_tier_analytics": ("date", "customer_tier"),
    "product_performance": ("date", "product_id"),
}


Figures = dict[tuple[str, ...], dict[str, str | None]]


def published(connection: SnowflakeConnection, model: str) -> Figures:
    """The mart now: key to figures, all as text."""
    rows = read(connection, f"MARTS.{model}")
    key = PUBLISHED[model]
    return {
        tuple(str(row[column]) for column in key): {
            name: as_text(value) for name, value in row.items() if name not in key
        }
        for row in rows
    }


def as_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def log(connection: SnowflakeConnection, condition: str = "true") -> list[Row]:
    cursor = connection.cursor()
    cursor.execute(f"select * from MARTS.RESTATEMENTS where {condition} order by restated_at, model, date, column_name")
    names = [column.name.lower() for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def replay(first: Figures, entries: list[Row], model: str, columns: list[str]) -> Figures:
    """What was first published, after the log's changes in their order. Each entry must find what it says it changes."""
    figures = {key: dict(row) for key, row in first.items()}
    shown = {key: dict(row) for key, row in first.items()}
    for entry in (entry for entry in entries if entry["model"] == model):
        key = tuple(str(entry[column]) for column in PUBLISHED[model])
        if entry["change"] == "restored" and key not in shown:
            shown[key] = figures[key] = dict.fromkeys(columns)
        row = figures[key]
        assert row[entry["column_name"]] == entry["old_value"], entry
        row[entry["column_name"]] = entry["new_value"]
        if entry["change"] == "withdrawn":
            shown.pop(key, None)
    return {key: figures[key] for key in shown}


def last_written(connection: SnowflakeConnection) -> list[Any]:
    return [fetch_all(connection, f"select count(*), max(created_at) from MARTS.{model}") for model in PUBLISHED]


def small_history(connection: SnowflakeConnection) -> None:
    load_day(
        connection,
        "2026-01-30",
        [
            user(1, 1, "2026-01-01"),
            product(1, 2, "2026-01-01"),
            order(1, 3, "2026-01-30", total_amount=Decimal("20.00")),
            item(1, 4, "2026-01-30"),
        ],
    )
