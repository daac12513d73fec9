"""Nothing that comes from settings or data can become SQL of its own: names are refused or quoted, values are parameters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.landing.files import LandingZone, list_table
from ecommerce_platform.operations.notifications.message import Kind, Notification, as_json
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.layers.clickhouse import connect as connect_clickhouse
from ecommerce_platform.reconciliation.layers.clickhouse import quoted as clickhouse_name
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.settings import Settings, SettingsError, load_settings
from ecommerce_platform.speed_layer.realtime import RealtimeLoadError, create_orders_realtime
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.load.days import load_table
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.schema.ddl import raw_table
from ecommerce_platform.warehouse.schema.upgrade import initialise_account
from ecommerce_platform.warehouse.sql.connection import WarehouseError, connect, execute, fetch_all
from ecommerce_platform.warehouse.sql.connection import quoted as snowflake_name
from ecommerce_platform_tests.warehouse.lake import day, events, publish

HOSTILE = (
    'orders"; drop table raw.orders; --',
    "orders'; drop table raw.orders; --",
    "orders`; drop table orders; --",
    "orders; select 1",
    "orders -- nothing",
    "orders/* */",
    "aufträge",
    "订单",
    "orders\n",
    "orders\u202e",
    "or ders",
    "1orders",
    "",
)
#: Every setting that becomes a name in SQL.
NAMES = (
    ("lakehouse", "catalog_name"),
    ("lakehouse", "namespace"),
    ("lakehouse", "quarantine_namespace"),
    ("lakehouse", "analytics_namespace"),
    ("snowflake", "role"),
    ("snowflake", "admin_role"),
    ("snowflake", "warehouse"),
    ("snowflake", "database"),
    ("clickhouse", "database"),
    ("clickhouse", "orders_table"),
)


@pytest.mark.parametrize(("section", "name"), NAMES)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_setting_that_is_no_plain_name_is_refused_and_named(section: str, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"ECOMMERCE_{section.upper()}__{name.upper()}"):
        load_settings(**{section: {name: value}})


@pytest.mark.parametrize("value", HOSTILE)
def test_a_column_of_the_speed_layer_that_is_no_plain_name_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="ECOMMERCE_CLICKHOUSE__COLUMNS"):
        load_settings(clickhouse={"columns": {"status": value}})


@pytest.mark.parametrize("value", HOSTILE)
def test_the_rooms_refuse_such_names_by_themselves_too(value: str) -> None:
    with pytest.raises(WarehouseError):
        snowflake_name(value)
    with pytest.raises(WarehouseError):
        raw_table(value)
    with pytest.raises(ReconciliationError):
        clickhouse_name(value)
    with pytest.raises(ReconciliationError):
        _ = SpeedTable(None, value).name  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = load_settings(data_dir=tmp_path_factory.mktemp("names"))
    initialise_account(settings)
    yield settings
    down(settings.data_dir)


def test_words_that_sql_knows_are_names_when_they_are_quoted(servers: Settings) -> None:
    with connect(servers) as connection:
        execute(connection, f"create table raw.{snowflake_name('select')} ({snowflake_name('from')} number)")
        execute(connection, f"insert into raw.{snowflake_name('select')} values (1)")
        assert fetch_all(connection, f"select {snowflake_name('from')} from raw.{snowflake_name('select')}") == [(1,)]


def test_a_hostile_table_name_reaches_no_statement_of_clickhouse(servers: Settings) -> None:
    client = connect_clickhouse(servers)
    create_orders_realtime(client, "orders_realtime")
    for value in HOSTILE:
        with pytest.raises(RealtimeLoadError):
            create_orders_realtime(client, value)
    assert [row[0] for row in client.query("show tables").result_rows] == ["orders_realtime"]
    client.close()


def test_hostile_text_in_data_is_only_text(servers: Settings) -> None:
    contract = load_contracts()["users"]
    rows = [
        row | {"first_name": value, "__source_file": f"date={day(1)}/{value}.parquet"}
        for row, value in zip(events(contract, day(1), len(HOSTILE)), HOSTILE, strict=True)
    ]
    publish(servers, "users", {day(1): rows})
    load_table(LoadSource.of(servers), lambda: connect(servers), contract, [day(1)], run_id="it's; a run")
    with connect(servers) as connection:
        stored = fetch_all(connection, "select first_name, __source_file from raw.users order by id")
        runs = fetch_all(connection, "select distinct run_id from raw.load_ledger where table_name = %s", ("users",))
    assert stored == [(value, f"date={day(1)}/{value}.parquet") for value in HOSTILE]
    assert runs == [("it's; a run",)]


def test_hostile_names_of_files_and_folders_are_only_names(tmp_path: Path) -> None:
    root = tmp_path / 'landing\'; drop table "x"; -- ü'
    names = ["part'; --.parquet", 'part"0.parquet', "teil-ü.parquet", "a;b.parquet"]
    folder = root / "orders" / "date=2026-01-01"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    listed = list_table(LandingZone(str(root)), "orders").days[date(2026, 1, 1)]
    assert [file.path.partition("/")[2] for file in listed] == sorted(names)


def test_hostile_text_stays_text_in_a_notification() -> None:
    text = 'order "7"\'; drop table x; -- ü \u202e'
    body = as_json(Notification("key", Kind.RUN_FAILED, "scope", text, text, (), 0.0))
    assert (body["title"], body["text"]) == (text, text)
