"""The drill: RAW damaged in many ways, models and memory too; one command makes everything again as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import LogicalType, load_contracts, source_tables
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.schema.ddl import names_of, raw_table
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import at
from ecommerce_platform_tests.transformation.tables import read_all
from ecommerce_platform_tests.warehouse.lake import publish

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

CONTRACTS = load_contracts()

DAMAGE = (
    "delete from RAW.ORDERS where date = '2026-01-10' and id < 10",
    "insert into RAW.USERS select * from RAW.USERS where date = '2026-01-11'",
    "update RAW.ORDERS set total_amount = 1.23 where date = '2026-01-12'",
    "drop table RAW.ORDER_ITEMS",
    "drop table RAW.SUPERSEDED_USERS",
    "delete from RAW.LOAD_LEDGER where table_name = 'products'",
)
DAMAGED_MODELS = (
    "delete from STAGING.ORDERS_ENHANCED where id < 5",
    "update STAGING.BASE_ORDERS set status = 'lost'",
    "drop table INTERMEDIATE.INT_ORDER_ANALYTICS",
    "drop table MARTS.CUSTOMER_ANALYTICS",
    "insert into MARTS.PRODUCT_PERFORMANCE select * from MARTS.PRODUCT_PERFORMANCE",
)


@pytest.fixture
def shop(transformation_settings: Settings, connection: SnowflakeConnection, tmp_path: Path) -> Iterator[Settings]:
    """Three days of a shop, published in a lakehouse of its own and loaded."""
    lake = transformation_settings.lakehouse.model_copy(
        update={"catalog_uri": f"sqlite:///{tmp_path / 'catalog.db'}", "warehouse": str(tmp_path / "lake")}
    )
    settings = transformation_settings.model_copy(update={"lakehouse": lake})
    history = RandomShop(seed=23, days=3)
    for table in source_tables():
        publish(settings, table, {date.fromisoformat(day): rows_of(history, table, day) for day in history.days})
    days = [date.fromisoformat(day) for day in history.days]
    load_tables(LoadSource.of(settings), lambda: connect(settings), source_tables(), days, "test")
    yield settings
    for definition in ("RAW.PLATFORM_VERSION",):
        execute(connection, f"update {definition} set fingerprint = 'look again'")


def rows_of(history: RandomShop, table: str, day: str) -> list[dict[str, Any]]:
    columns = [column.name for column in CONTRACTS[table].raw_columns]
    kept = {column.name: column.type for column in CONTRACTS[table].all_event_columns}
    rows = []
    for position, event in enumerate(event for event in history.events(day) if event.table == table):
        row = dict(zip(columns, event.row(date.fromisoformat(day), position, "unused"), strict=True))
        rows.append(
            {name: in_utc(row[name]) if kind is LogicalType.TIMESTAMP else row[name] for name, kind in kept.items()}
        )
    return rows


def in_utc(value: Any) -> Any:
    moment = at(value) if isinstance(value, str) else value  # deletes carry their values as they were written down
    return moment and moment.replace(tzinfo=UTC)


def raw_rows(connection: SnowflakeConnection) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for table, contract in CONTRACTS.items():
        columns = names_of(contract.all_event_columns) + ", batch_id"
        sql = f"select {columns} from {raw_table(table)} order by date, __source_row"
        rows[table] = fetch_all(connection, sql)
    ledger = "select table_name, date, batch_id, row_count, checksum from RAW.LOAD_LEDGER order by 1, 2"
    return rows | {"ledger": fetch_all(connection, ledger)}


@pytest.fixture
def command(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(shop.data_dir))
    monkeypatch.setenv("ECOMMERCE_LAKEHOUSE__CATALOG_URI", str(shop.lakehouse.catalog_uri))
    monkeypatch.setenv("ECOMMERCE_LAKEHOUSE__WAREHOUSE", str(shop.lakehouse.warehouse))
    monkeypatch.setenv("ECOMMERCE_DBT__TARGET_PATH", str(shop.dbt.target_path))
    return lambda *arguments: CliRunner().invoke(app, ["rebuild", *arguments])


@pytest.mark.soak
def test_everything_is_as_before_after_rebuild_all_and_no_figure_was_restated(
    connection: SnowflakeConnection, shop: Settings, transform: Transform, command: Any
) -> None:
    execute(connection, "delete from MARTS.RESTATEMENTS")
    transform()
    raw, models = raw_rows(connection), read_all(connection)
    restated = fetch_all(connection, "select count(*) from MARTS.RESTATEMENTS")
    assert command("raw", "--verify").exit_code == 0
    for statement in (*DAMAGE, *DAMAGED_MODELS):
        execute(connection, statement)

    verified = command("raw", "--verify")
    assert verified.exit_code == 1
    named = {tuple(line.split(":")[0].split()) for line in verified.stdout.splitlines()}
    days = ("2026-01-10", "2026-01-11", "2026-01-12")
    assert named == {
        ("orders", "2026-01-10"),
        ("users", "2026-01-11"),
        ("orders", "2026-01-12"),
        *(("order_items", day) for day in days),
        *(("products", day) for day in days),
    }
    result = command("all")

    assert result.exit_code == 0, result.output
    assert "RAW compared with Iceberg: 12 of 12 days of 4 tables are equal" in result.output
    assert raw_rows(connection) == raw
    assert read_all(connection) == models
    assert fetch_all(connection, "select count(*) from MARTS.RESTATEMENTS") == restated


@pytest.mark.soak
def test_models_that_were_computed_from_damaged_rows_are_right_after_raw_and_a_run(
    connection: SnowflakeConnection, shop: Settings, transform: Transform, command: Any
) -> None:
    transform()
    models = read_all(connection)
    execute(connection, "update RAW.ORDERS set total_amount = 777 where date = '2026-01-10'")
    execute(
        connection,
        "insert into RAW.ORDERS (id, user_id, status, total_amount, created_at, __op, __source_lsn, date) "
        "select 4711, 1, 'shipped', 5, '2026-01-10'::timestamp_ntz, 'INSERT', 9, '2026-01-10'::date",
    )
    transform(full_refresh=True)
    assert read_all(connection) != models

    assert command("raw", "--from", "2026-01-10", "--to", "2026-01-10").exit_code == 0
    transform()

    assert read_all(connection) == models


@pytest.mark.soak
def test_a_range_of_marts_computes_again_what_its_days_touch(
    connection: SnowflakeConnection, shop: Settings, transform: Transform, command: Any
) -> None:
    transform()
    models = read_all(connection)
    touched = fetch_all(connection, "select min(to_date(created_at)) from RAW.ORDERS where date = '2026-01-11'")[0][0]
    execute(connection, f"update MARTS.DAILY_BUSINESS_METRICS set total_orders = 4711 where date = '{touched}'")

    result = command("marts", "--from", "2026-01-11", "--to", "2026-01-11")

    assert result.exit_code == 0, result.output
    assert "landing days to apply again: 1" in result.output
    assert "MARTS.DAILY_BUSINESS_METRICS" in result.output
    assert read_all(connection) == models
    logged = fetch_all(connection, "select old_value from MARTS.RESTATEMENTS where cause like 'rebuild of marts%'")
    assert ("4711",) in logged, "a damaged figure that readers may have seen is a restatement, too"


def test_a_wrong_range_and_a_verification_of_models_are_refused(command: Any) -> None:
    assert command("raw", "--from", "2026-01-12", "--to", "2026-01-11").exit_code == 2
    assert command("marts", "--verify").exit_code == 2
