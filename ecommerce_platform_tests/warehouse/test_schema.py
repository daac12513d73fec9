"""Snowflake's objects follow the contracts and this release, and finding out that they do costs one query."""

from __future__ import annotations

from dataclasses import replace

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform.settings import Settings, SnowflakeSettings
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import (
    PLATFORM,
    ExistingColumn,
    column_changes,
    ensure_current,
    fingerprint,
    initialise,
)
from ecommerce_platform.warehouse.sql.connection import WarehouseError, execute, fetch_all
from ecommerce_platform_tests.warehouse.faults import WatchedConnection

CONTRACTS = load_contracts()
PRICES = ddl.TableDefinition("RAW.PRICES", (Column("price", LogicalType.DECIMAL, precision=12, scale=2),))


def test_the_documents_raw_table_is_rendered_from_the_contract() -> None:
    orders = next(table for table in ddl.table_definitions(CONTRACTS) if table.name == 'RAW."ORDERS"')

    lines = ddl.create_table(orders).splitlines()

    assert lines[0] == 'create table if not exists RAW."ORDERS" ('
    assert '"TOTAL_AMOUNT" NUMBER(10,2),' in [line.strip() for line in lines]
    assert '"__SOURCE_LSN" NUMBER,' in [line.strip() for line in lines]
    assert "cluster by (to_date(created_at), status)" in lines


def test_initialising_again_changes_nothing_and_a_load_then_asks_one_question(
    settings: Settings, connection: SnowflakeConnection
) -> None:
    initialise(connection, settings.snowflake)
    sent: list[str] = []
    with WatchedConnection(settings, lambda number, sql, after: sent.append(sql) if after else None) as watched:
        assert ensure_current(watched) == []  # type: ignore[arg-type]

    assert len(sent) == 1
    version = fetch_all(connection, "select version, fingerprint from RAW.PLATFORM_VERSION")
    assert version == [(PLATFORM.newest, fingerprint(CONTRACTS))]
    locks = fetch_all(connection, "select table_name, count(*) from RAW.LOAD_LOCK group by 1 having count(*) <> 1")
    assert locks == []


def test_what_the_stand_in_skips_is_listed(
    settings: Settings, connection: SnowflakeConnection, embedded_only: None
) -> None:
    lines = initialise(connection, settings.snowflake)

    skipped = [line for line in lines if line.startswith("skipped")]
    assert any(
        "create warehouse" in line and "'SMALL' auto_suspend = 300 auto_resume = true" in line for line in skipped
    )
    assert any('create role if not exists "TRANSFORMER"' in line for line in skipped)
    assert not any(": create table" in line for line in skipped)


def test_a_table_that_is_missing_is_made_when_definitions_changed(
    settings: Settings, connection: SnowflakeConnection
) -> None:
    execute(connection, "drop table STAGING.SPARK_LOADS")
    execute(connection, "update RAW.PLATFORM_VERSION set fingerprint = 'older'")

    assert any("SPARK_LOADS" in line for line in ensure_current(connection))
    assert fetch_all(connection, "select count(*) from STAGING.SPARK_LOADS") == [(0,)]


def test_a_database_of_a_newer_release_is_refused(settings: Settings, connection: SnowflakeConnection) -> None:
    execute(connection, f"update RAW.PLATFORM_VERSION set version = {PLATFORM.newest + 1}, fingerprint = 'newer'")
    try:
        with pytest.raises(WarehouseError, match="made by a newer release"):
            ensure_current(connection)
    finally:
        execute(connection, f"update RAW.PLATFORM_VERSION set version = {PLATFORM.newest}, fingerprint = 'again'")
        ensure_current(connection)


def test_more_digits_are_given_fewer_are_kept_and_anything_else_is_refused_by_name() -> None:
    def changes(existing: ExistingColumn) -> list[str]:
        return column_changes((PRICES,), {"RAW.PRICES": {"PRICE": existing}})

    assert changes(ExistingColumn("NUMBER", 12, 2)) == []
    assert changes(ExistingColumn("NUMBER", 14, 2)) == []
    assert changes(ExistingColumn("NUMBER", 10, 2)) == [
        'alter table RAW.PRICES alter column "PRICE" set data type NUMBER(12,2)'
    ]
    for existing in (ExistingColumn("NUMBER", 12, 4), ExistingColumn("TEXT", None, None)):
        with pytest.raises(WarehouseError, match=r"column price of RAW.PRICES is .*asks for NUMBER\(12,2\)"):
            changes(existing)


def test_widening_a_decimal_keeps_its_rows(settings: Settings, connection: SnowflakeConnection) -> None:
    execute(connection, "create or replace table RAW.PRICES (PRICE number(10, 2))")
    execute(connection, "insert into RAW.PRICES values (99999999.99)")
    existing = {"RAW.PRICES": {"PRICE": ExistingColumn("NUMBER", 10, 2)}}

    for statement in column_changes((PRICES,), existing):
        execute(connection, statement)
    execute(connection, "insert into RAW.PRICES values (9999999999.99)")

    assert len(fetch_all(connection, "select price from RAW.PRICES")) == 2
    execute(connection, "drop table RAW.PRICES")


def test_names_that_are_no_identifiers_never_reach_a_statement() -> None:
    with pytest.raises(WarehouseError, match="not a usable Snowflake name"):
        ddl.grants(SnowflakeSettings.model_construct(role='x"; drop database y'))
    with pytest.raises(WarehouseError, match="not a usable Snowflake name"):
        ddl.raw_table("orders; drop")


def test_a_new_column_of_a_contract_is_the_only_change() -> None:
    orders = CONTRACTS["orders"]
    wider = replace(orders, columns=(*orders.columns, Column("channel", LogicalType.TEXT)))
    existing = {
        definition.name.replace('"', ""): {
            column.name.upper(): ExistingColumn(*_existing(column)) for column in definition.columns
        }
        for definition in ddl.table_definitions(CONTRACTS)
    }

    changes = column_changes(ddl.table_definitions(dict(CONTRACTS) | {"orders": wider}), existing)

    assert changes == [
        'alter table RAW."ORDERS" add column if not exists "CHANNEL" STRING',
        'alter table RAW."SUPERSEDED_ORDERS" add column if not exists "CHANNEL" STRING',
    ]


def _existing(column: Column) -> tuple[str, int | None, int | None]:
    if column.type is LogicalType.DECIMAL:
        return "NUMBER", column.precision, column.scale
    kind = {"STRING": "TEXT"}.get(column.snowflake_type, column.snowflake_type)
    return (kind, 38, 0) if kind == "NUMBER" else (kind, None, None)
