"""Compares a model's table with the one that Spark computed: rows that only one of them has.

What belongs here: measuring the difference and the verdict. What does not: Dagster (checks.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.transformation.builds.applied import FROZEN_DAYS, loads_in
from ecommerce_platform.warehouse.schema.ddl import APPLIED_DAYS, SPARK_LOADS, spark_table
from ecommerce_platform.warehouse.sql.connection import fetch_all, quoted

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

_EXAMPLES = 5


@dataclass(frozen=True)
class Comparison:
    """A model's table and the Spark table that must equal it."""

    spark_name: str
    relation: str
    asset: tuple[str, str]

    @property
    def spark_table(self) -> str:
        return f"spark_{self.spark_name}"


COMPARISONS = (
    Comparison("customer_metrics", "INTERMEDIATE.INT_CUSTOMER_METRICS", ("intermediate", "int_customer_metrics")),
    Comparison("product_analytics", "INTERMEDIATE.INT_PRODUCT_ANALYTICS", ("intermediate", "int_product_analytics")),
    Comparison("daily_business_metrics", "MARTS.DAILY_BUSINESS_METRICS", ("marts", "daily_business_metrics")),
)


@dataclass(frozen=True)
class Basis:
    """What a side was computed from: how many days, the last of them, and a digest of their published contents."""

    days: int
    last: date | None
    digest: str | None


@dataclass(frozen=True)
class Agreement:
    """What was measured. `compared` is false when the two sides hold different days, or may: such rows are not a difference."""

    compared: bool
    only_in_dbt: int = 0
    only_in_spark: int = 0
    examples: tuple[str, ...] = field(default=())
    message: str = ""

    @property
    def passed(self) -> bool:
        return self.only_in_dbt == 0 and self.only_in_spark == 0


def compare(connection: SnowflakeConnection, comparison: Comparison, span: BusinessSpan) -> Agreement:
    """The difference of the two tables as multisets of rows, over the columns that Spark computes."""
    applied = loads_in(connection, APPLIED_DAYS)
    by_dbt, by_spark = _basis_of_dbt(applied, span), _basis_of_spark(connection, comparison.spark_name)
    if by_spark is None or by_dbt != by_spark:
        return Agreement(compared=False, message=_why_not(by_dbt, by_spark))
    if loads_in(connection, FROZEN_DAYS) != applied:
        return Agreement(
            compared=False,
            message=(
                "not compared: a build of the models broke off, or built some of them: "
                f"{FROZEN_DAYS} and {APPLIED_DAYS} name different loads; materialize all models"
            ),
        )
    columns = ", ".join(quoted(column.name) for column in ANALYTICS_TABLES[comparison.spark_name].columns)
    model, spark = comparison.relation, spark_table(comparison.spark_name)
    only_in_dbt, first = _difference(connection, columns, model, spark)
    only_in_spark, second = _difference(connection, columns, spark, model)
    message = (
        f"{comparison.relation} and {spark} are equal"
        if not only_in_dbt and not only_in_spark
        else f"{only_in_dbt} rows of {comparison.relation} are not in {spark}, {only_in_spark} the other way"
    )
    examples = (*(f"dbt: {row}" for row in first), *(f"spark: {row}" for row in second))
    return Agreement(True, only_in_dbt, only_in_spark, examples, message)


def _difference(connection: SnowflakeConnection, columns: str, left: str, right: str) -> tuple[int, list[str]]:
    # EXCEPT compares sets; both tables have a key, so a row more than once would fail the model's own tests.
    rows = fetch_all(
        connection,
        f"with differing as (select {columns} from {left} except select {columns} from {right}) "
        f"select count(*) over () as differing_rows, {columns} from differing limit {_EXAMPLES}",
    )
    return (int(rows[0][0]) if rows else 0, [", ".join(map(str, row[1:])) for row in rows])


def _basis_of_dbt(applied: Iterable[tuple[str, date, str]], span: BusinessSpan) -> Basis:
    # Imported here: the room of Spark brings Spark's libraries with it.
    from ecommerce_platform.analytics.published import PublishedInput

    # A batch is named after the table, the day and the content that was published.
    contents = {(table, day): batch.removeprefix(f"{table}-{day}-") for table, day, batch in applied}
    days = tuple(sorted({day for _, day in contents}))
    return Basis(len(days), days[-1] if days else None, PublishedInput(days, contents, {}, span).basis)


def _basis_of_spark(connection: SnowflakeConnection, name: str) -> Basis | None:
    rows = fetch_all(
        connection, f"select applied_days, as_of_day, basis from {SPARK_LOADS} where table_name = %s", (name,)
    )
    return Basis(int(rows[0][0] or 0), rows[0][1], rows[0][2]) if rows else None


def _why_not(by_dbt: Basis, by_spark: Basis | None) -> str:
    if by_spark is None:
        return "not compared: Spark's table is not loaded yet; materialize the assets of groups analytics and warehouse"
    return (
        f"not compared: dbt applied {by_dbt.days} days up to {by_dbt.last}, Spark {by_spark.days} up to {by_spark.last}, "
        "or other contents of the same days; materialize both again"
    )
