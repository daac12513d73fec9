"""MARTS.RESTATEMENTS, read: which published figures changed, when, from what to what, and why.

What belongs here: queries over the log and what a run restated. What does not: writing it (dbt_project/macros/restatements,
in the transaction that changes the mart), Dagster (assets.py, checks.py), the command line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ecommerce_platform.warehouse.schema.ddl import RESTATEMENTS
from ecommerce_platform.warehouse.sql.connection import fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

# A field is called date as its column is.
Day = date
_COLUMNS = (
    "restated_at, model, date, customer_tier, product_id, change, column_name, old_value, new_value, "
    "closed_month, as_of_day, cause, run_id, invocation_id, row_key"
)


@dataclass(frozen=True)
class Restatement:
    """A published figure that changed. Values are exact text; null is None. `change`: changed, withdrawn or restored.

    `row_key` is the row's key as JSON, whatever the mart's key is; `date`, `customer_tier` and `product_id` are parts of it.
    """

    restated_at: datetime
    model: str
    date: Day | None
    customer_tier: str | None
    product_id: int | None
    change: str
    column_name: str
    old_value: str | None
    new_value: str | None
    closed_month: bool
    as_of_day: Day | None
    cause: str | None
    run_id: str | None
    invocation_id: str | None
    row_key: str

    @property
    def key(self) -> dict[str, object]:
        """The row's key: column to value, dates and times as text."""
        key: dict[str, object] = json.loads(self.row_key)
        return key

    def __str__(self) -> str:
        # The date first, as it is read.
        parts = sorted(self.key.items(), key=lambda part: (part[1] != str(self.date), part[0]))
        key = ", ".join(str(value) for _, value in parts)
        return f"{key}: {self.column_name} {self.old_value} → {self.new_value}"


@dataclass(frozen=True)
class Restated:
    """How many figures of a model a run restated, and how many of them in closed months."""

    figures: int = 0
    in_closed_months: int = 0


def restatements(
    connection: SnowflakeConnection,
    *,
    since: date | None = None,
    month: date | None = None,
    closed_only: bool = False,
    model: str | None = None,
    run_id: str | None = None,
) -> list[Restatement]:
    """The log's entries, oldest first.

    `since`: restated on that day (UTC) or later. `month`: of business dates in the month that begins on that day.
    """
    conditions: list[str] = ["true"]
    values: list[object] = []
    for condition, value in (
        ("restated_at >= %s::timestamp_ntz", since),
        ("date_trunc('month', date) = %s::date", month),
        ("model = %s", model),
        ("run_id = %s", run_id),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if closed_only:
        conditions.append("closed_month")
    rows = fetch_all(
        connection,
        f"select {_COLUMNS} from {RESTATEMENTS} where {' and '.join(conditions)} "
        "order by restated_at, model, date, customer_tier, product_id, row_key, column_name",
        values,
    )
    return [Restatement(*(*row[:9], bool(row[9]), *row[10:])) for row in rows]


def restated_by(connection: SnowflakeConnection, run_id: str) -> dict[str, Restated]:
    """What a run restated, by model; one query."""
    rows = fetch_all(
        connection,
        f"select model, count(*), count_if(closed_month) from {RESTATEMENTS} where run_id = %s group by model",
        (run_id,),
    )
    return {model: Restated(int(figures), int(closed)) for model, figures, closed in rows}


def summary(entries: Sequence[Restatement], most: int = 10) -> str:
    """The first of the entries in words."""
    more = f"; and {len(entries) - most} more" if len(entries) > most else ""
    return "; ".join(map(str, entries[:most])) + more
