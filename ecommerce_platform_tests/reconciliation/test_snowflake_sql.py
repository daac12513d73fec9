"""All SQL that the room sends to Snowflake is Snowflake's."""

from __future__ import annotations

from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.reconciliation.present.data import day_reports, overview
from ecommerce_platform.reconciliation.record import outcome, tables
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform_tests.reconciliation.reconciled import LAST, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import TwoLayers
from ecommerce_platform_tests.snowflake_dialect import assert_snowflake


class Recording:
    """A connection that remembers what was sent over it."""

    def __init__(self, connection: SnowflakeConnection) -> None:
        self.connection = connection
        self.statements: list[str] = []

    def cursor(self) -> Any:
        cursor, statements = self.connection.cursor(), self.statements

        class Cursor:
            def execute(self, sql: str, parameters: Any = None) -> Any:
                statements.append(sql)
                return cursor.execute(sql, parameters)

            def __getattr__(self, name: str) -> Any:
                return getattr(cursor, name)

        return Cursor()


@pytest.mark.parametrize("statement", tables.statements(), ids=lambda statement: " ".join(statement.split()[:6]))
def test_each_statement_that_creates_a_table_is_snowflakes(statement: str) -> None:
    assert_snowflake(statement)


def test_each_statement_of_a_reconciliation_and_its_checks_is_snowflakes(two: TwoLayers) -> None:
    recording = Recording(two.connection)
    two.batch(ORDER, LAST)
    two.speed(LAST)
    two.connection = recording  # type: ignore[assignment]
    try:
        run(two)
        store = Store(recording)  # type: ignore[arg-type]
        store.create()
        outcome.metric_rows(store, "total_orders", "run-1")
        outcome.metric_rows(store, "total_orders", "none")
        store.discrepancies([LAST.day])
        store.discrepancies_of_order(1)
        store.verified_through()
        store.open_day_results()
        day_reports(store, [LAST.day])
        overview(store)
    finally:
        two.connection = recording.connection
    assert len(recording.statements) > 30
    for statement in recording.statements:
        assert_snowflake(statement)
