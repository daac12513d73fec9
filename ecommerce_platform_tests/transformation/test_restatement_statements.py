"""The statements of a published mart: Snowflake's own and few, and a session lost between any two does no harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import OperationalError

from ecommerce_platform.transformation.builds.runner import DbtRunError
from ecommerce_platform.warehouse.sql.connection import execute
from ecommerce_platform_tests.snowflake_dialect import assert_snowflake
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import load_day, order
from ecommerce_platform_tests.transformation.restatement_log import (
    log,
    small_history,
)
from ecommerce_platform_tests.transformation.tables import read, read_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def watch(monkeypatch: pytest.MonkeyPatch, after: Callable[[str], None]) -> None:
    """Calls `after` with each statement that any session has run, dbt's included."""
    real = SnowflakeCursor.execute

    def execute(cursor: SnowflakeCursor, command: str, *arguments: Any, **options: Any) -> Any:
        result = real(cursor, command, *arguments, **options)
        try:
            after(command)
        except OperationalError:
            # Whose session is lost has lost its transaction: the server rolls it back.
            real(cursor, "rollback")
            raise
        return result

    monkeypatch.setattr(SnowflakeCursor, "execute", execute)


def sql_of(statement: str) -> str:
    """Without dbt's comment, which names the model."""
    return re.sub(r"/\*.*?\*/", " ", statement, flags=re.DOTALL).strip().rstrip(";")


def plain(statement: str) -> str:
    """In lower case, without quotes and line breaks."""
    return " ".join(sql_of(statement).replace('"', "").lower().split())


@pytest.mark.soak
def test_a_session_lost_between_any_two_statements_of_a_mart_logs_nothing_twice_and_changes_nothing_else(
    connection: SnowflakeConnection, transform: Transform, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_history(connection)
    transform()
    before = read_all(connection)
    load_day(
        connection, "2026-02-05", [order(1, 9, "2026-02-05", "UPDATE", status="cancelled", created_at="2026-01-30")]
    )
    for word in (
        "create or replace temporary table computed_daily_business_metrics",
        "insert into ecommerce_dw.marts.restatements",
        "delete from ecommerce_dw.marts.daily_business_metrics",
        "insert into ecommerce_dw.marts.daily_business_metrics",
    ):
        reached: list[str] = []

        def lose(statement: str, word: str = word, reached: list[str] = reached) -> None:
            ours = plain(statement).startswith(word) and "daily_business_metrics" in plain(statement)
            if ours and not reached:
                reached.append(statement)
                raise OperationalError(msg="the connection was lost", errno=250003)

        with monkeypatch.context() as patched:
            watch(patched, lose)
            with pytest.raises(DbtRunError, match="the connection was lost"):
                transform()
        assert reached, word
        assert read(connection, "MARTS.DAILY_BUSINESS_METRICS") == before["MARTS.DAILY_BUSINESS_METRICS"], word
        assert log(connection, "model = 'daily_business_metrics'") == [], word
    transform()
    names = [entry["column_name"] for entry in log(connection, "model = 'daily_business_metrics'")]
    assert len(names) == len(set(names)) > 3
    transform()
    assert len(log(connection, "model = 'daily_business_metrics'")) == len(names)


@pytest.mark.slow
def test_all_statements_of_a_run_are_snowflakes_and_a_mart_without_changes_takes_few(
    connection: SnowflakeConnection, transform: Transform, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_history(connection)
    transform()
    sent: list[str] = []
    with monkeypatch.context() as patched:
        watch(patched, sent.append)
        transform()
    for statement in sent:
        if plain(statement).startswith(("create", "insert", "delete")):
            assert_snowflake(sql_of(statement))
    of_mart = [plain(statement)[:60] for statement in sent if "computed_daily_business_metrics" in plain(statement)]
    assert [text.split()[0] for text in of_mart] == ["create", "insert", "delete", "insert"], of_mart
    assert log(connection) == []


@pytest.mark.soak
def test_a_mart_with_other_columns_is_recreated_and_its_changed_figures_are_logged_once(
    connection: SnowflakeConnection, transform: Transform, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_history(connection)
    transform()
    before = read(connection, "MARTS.DAILY_BUSINESS_METRICS")
    # As an older release had it: a column less, and an order too many.
    execute(connection, "alter table MARTS.DAILY_BUSINESS_METRICS drop column average_items_per_order")
    execute(connection, "update MARTS.DAILY_BUSINESS_METRICS set total_orders = 2")

    def lose(statement: str) -> None:
        if plain(statement).startswith("insert into ecommerce_dw.marts.restatements"):
            raise OperationalError(msg="the connection was lost", errno=250003)

    with monkeypatch.context() as patched:
        watch(patched, lose)
        with pytest.raises(DbtRunError):
            transform(full_refresh=True, mark=False, select=("mart_daily_business_metrics",))
    transform(full_refresh=True, mark=False, select=("mart_daily_business_metrics",))
    assert read(connection, "MARTS.DAILY_BUSINESS_METRICS") == before
    entries = log(connection)
    assert [(entry["column_name"], entry["old_value"], entry["new_value"]) for entry in entries] == [
        ("total_orders", "2", "1")
    ]
