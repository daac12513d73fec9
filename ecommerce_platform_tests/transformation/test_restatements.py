"""Which published figures changed, from what to what and why: the log says it, once, and misses nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import OperationalError
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRunError
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all
from ecommerce_platform_tests.snowflake_dialect import assert_snowflake
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.tables import Row, read, read_all
from ecommerce_platform_tests.transformation.test_assets import DAILY, materialize

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


@pytest.fixture
def fresh(connection: SnowflakeConnection) -> None:
    """No mart and no log: what a run publishes now is published for the first time."""
    for model in PUBLISHED:
        execute(connection, f"drop table if exists MARTS.{model}")
    execute(connection, "delete from MARTS.RESTATEMENTS")


@pytest.mark.slow
def test_what_was_first_published_and_the_log_give_what_is_published_now(
    connection: SnowflakeConnection, transform: Transform, fresh: None
) -> None:
    shop = RandomShop(seed=17)
    first: dict[str, Figures] = {model: {} for model in PUBLISHED}
    loads = [(day, shop.events(day)) for day in shop.days]
    loads += [(shop.days[1], shop.with_late_file(shop.days[1])), (shop.days[0], shop.events(shop.days[0])[::2])]
    loads += [(shop.days[0], shop.events(shop.days[0]))]
    for day, events in loads:
        load_day(connection, day, events)
        transform()
        for model in PUBLISHED:
            for key, row in published(connection, model).items():
                first[model].setdefault(key, row)
    entries = log(connection)
    assert {entry["change"] for entry in entries} == {"changed", "withdrawn", "restored"}
    for model in PUBLISHED:
        now = published(connection, model)
        columns = list(next(iter(now.values())))
        assert replay(first[model], entries, model, columns) == now, model
    before, written = len(entries), last_written(connection)
    transform(full_refresh=True)
    assert len(log(connection)) == before, "a full refresh on unchanged data restates nothing"
    assert last_written(connection) == written, "rows that are as they were are not written again"


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


@pytest.mark.slow
def test_a_changed_figure_is_logged_exactly_with_its_cause_and_only_after_the_month_closed_as_late(
    connection: SnowflakeConnection, transform: Transform, fresh: None
) -> None:
    small_history(connection)
    transform()
    assert log(connection) == []
    load_day(
        connection,
        "2026-02-05",
        [order(1, 9, "2026-02-05", "UPDATE", total_amount=Decimal("30.50"), created_at="2026-01-30")],
    )
    transform()
    entries = {entry["column_name"]: entry for entry in log(connection, "model = 'daily_business_metrics'")}
    assert {name: (entry["old_value"], entry["new_value"]) for name, entry in entries.items()} == {
        "avg_order_value": ("20.00", "30.50"),
        "total_revenue": ("20.00", "30.50"),
        "revenue_from_returning_customers": ("20.00", "30.50"),
    }
    entry = entries["total_revenue"]
    assert (str(entry["date"]), entry["change"], entry["closed_month"]) == ("2026-01-30", "changed", False)
    assert str(entry["as_of_day"]) == "2026-02-05"
    assert "orders-2026-02-05-" in entry["cause"]
    assert "2026-01-30" not in entry["cause"]
    assert entry["run_id"] == "test"
    load_day(
        connection, "2026-02-06", [order(1, 10, "2026-02-06", "UPDATE", status="cancelled", created_at="2026-01-30")]
    )
    transform()
    late = log(connection, "as_of_day = '2026-02-06'")
    assert {entry["model"] for entry in late if entry["closed_month"]} == set(PUBLISHED)
    gone = [entry for entry in late if entry["model"] == "product_performance"]
    assert {entry["change"] for entry in gone} == {"withdrawn"}
    assert all(entry["new_value"] is None for entry in gone)


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


@pytest.mark.slow
def test_a_run_that_restates_a_closed_month_says_so_on_the_mart_and_on_the_command_line(
    transformation_settings: Settings, connection: SnowflakeConnection, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_history(connection)
    assert materialize(transformation_settings, partition_range=("2026-01-30", "2026-01-30")).success
    load_day(
        connection, "2026-02-10", [order(1, 9, "2026-02-10", "UPDATE", status="cancelled", created_at="2026-01-30")]
    )
    result = materialize(transformation_settings, partition_range=("2026-02-10", "2026-02-10"))
    assert result.success
    checks = [item for item in result.get_asset_check_evaluations() if item.check_name == "closed_months_stand"]
    assert [check.passed for check in checks] == [False]
    assert "2026-01-30: total_revenue 20.00 → 0.00" in str(checks[0].description)
    metadata = next(
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == DAILY
    )
    entries = log(connection, f"model = 'daily_business_metrics' and run_id = '{result.run_id}'")
    assert metadata["figures_restated"].value == len(entries) > 3
    assert metadata["figures_restated_in_closed_months"].value == len(entries)

    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(transformation_settings.data_dir))
    shown = CliRunner().invoke(app, ["restatements", "--month", "2026-01", "--closed-only", "--format", "json"])
    assert shown.exit_code == 0, shown.output
    assert len(json.loads(shown.stdout)) == len(log(connection))
    none = CliRunner().invoke(app, ["restatements", "--month", "2025-12"])
    assert (none.exit_code, none.stdout) == (0, "")
