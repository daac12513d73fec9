"""Spark's tables held against dbt's: equal, different, not comparable."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.analytics.published import PublishedInput
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.settings import load_settings
from ecommerce_platform.transformation.results.agreement import COMPARISONS, compare
from ecommerce_platform.warehouse.schema.ddl import names_of, spark_table
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


SPAN = BusinessSpan.of(load_settings())


def copy_to_spark(connection: SnowflakeConnection, basis: str, days: tuple[date, ...] = (date(2026, 1, 1),)) -> None:
    """As if Spark had computed, from `basis`, what dbt did."""
    execute(connection, "delete from STAGING.SPARK_LOADS")
    for comparison in COMPARISONS:
        columns = names_of(ANALYTICS_TABLES[comparison.spark_name].columns)
        spark = spark_table(comparison.spark_name)
        execute(connection, f"delete from {spark}")
        execute(connection, f"insert into {spark} ({columns}) select {columns} from {comparison.relation}")
        execute(
            connection,
            "insert into STAGING.SPARK_LOADS (table_name, applied_days, as_of_day, basis) values (%s, %s, %s, %s)",
            (comparison.spark_name, len(days), days[-1], basis),
        )


def spark_computed_the_applied_days(connection: SnowflakeConnection) -> None:
    """As if Spark had computed what dbt did, from the days that dbt applied."""
    rows = fetch_all(connection, "select table_name, date, batch_id from STAGING.APPLIED_DAYS")
    contents = {(table, day): batch.rsplit("-", 1)[1] for table, day, batch in rows}
    days = tuple(sorted({day for _, day, _ in rows}))
    copy_to_spark(connection, PublishedInput(days, contents, {}, SPAN).basis, days)


def test_equal_different_and_not_comparable_are_distinguished(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(
        connection,
        "2026-01-01",
        [user(1, 1, "2026-01-01"), product(1, 2, "2026-01-01"), order(1, 3, "2026-01-01"), item(1, 4, "2026-01-01")],
    )
    transform()
    execute(connection, "delete from STAGING.SPARK_LOADS")
    assert {compare(connection, comparison, SPAN).compared for comparison in COMPARISONS} == {False}

    spark_computed_the_applied_days(connection)
    equal = [compare(connection, comparison, SPAN) for comparison in COMPARISONS]
    assert {(outcome.compared, outcome.passed) for outcome in equal} == {(True, True)}

    execute(connection, "update STAGING.SPARK_CUSTOMER_METRICS set total_spent = total_spent + 0.01")
    different = compare(connection, COMPARISONS[0], SPAN)
    assert (different.passed, different.only_in_dbt, different.only_in_spark) == (False, 1, 1)
    assert any("20.01" in example for example in different.examples)

    copy_to_spark(connection, "computed from something else")
    assert not compare(connection, COMPARISONS[0], SPAN).compared
