"""One lake fills a database; another's loads are refused by name, and a lake that was registered again is known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg import installation
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.ingest.tables import open_catalog
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.rebuild import Range, rebuild_raw
from ecommerce_platform.warehouse.load.spark_tables import load_spark_tables
from ecommerce_platform.warehouse.schema import owner
from ecommerce_platform.warehouse.schema.owner import ForeignLakeError, refuse_foreign_lake
from ecommerce_platform.warehouse.sql.connection import WarehouseError, connect, execute, fetch_all
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.lake import day, events, publish

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ORDERS = load_contracts()["orders"]


def lake_in(settings: Settings, folder: Path, rows: int) -> Settings:
    """An installation with a lake of its own on the same database, with a day of orders."""
    lake = settings.lakehouse.model_copy(
        update={"catalog_uri": f"sqlite:///{folder / 'catalog.db'}", "warehouse": str(folder / "lake")}
    )
    folder.mkdir()
    configured = settings.model_copy(update={"lakehouse": lake})
    open_catalog(Lake.of(configured))
    publish(configured, "orders", {day(1): events(ORDERS, day(1), rows)})
    return configured


def load(settings: Settings) -> None:
    load_tables(LoadSource.of(settings), partial(connect, settings, RUN), ["orders"], [day(1)], RUN)


def loaded(connection: SnowflakeConnection) -> int:
    return int(fetch_all(connection, "select count(*) from RAW.ORDERS")[0][0])


def test_a_second_lake_on_one_database_is_refused_until_it_is_given_the_database(
    settings: Settings, connection: SnowflakeConnection, tmp_path: Path
) -> None:
    first, second = lake_in(settings, tmp_path / "first", 1), lake_in(settings, tmp_path / "second", 2)
    load(first)
    load(first)
    opener = partial(connect, settings, RUN)

    for attempt in (
        lambda: load(second),
        lambda: rebuild_raw(LoadSource.of(second), opener, ["orders"], Range(None, None), RUN, print),
        lambda: load_spark_tables(LoadSource.of(second), opener, ["customer_metrics"], RUN),
        lambda: refuse_foreign_lake(connection, installation.read_marker(Lake.of(second)), settings.snowflake.database),
    ):
        with pytest.raises(ForeignLakeError, match=r"first/catalog.db.*second/catalog.db.*warehouse init --take-over"):
            attempt()
    assert loaded(connection) == 1
    refuse_foreign_lake(connection, installation.read_marker(Lake.of(first)), settings.snowflake.database)

    assert "second/catalog.db" in owner.take_over(
        connection, installation.read_marker(Lake.of(second)), settings.snowflake.database
    )
    load(second)
    assert loaded(connection) == 2
    with pytest.raises(ForeignLakeError, match=r"filled by the lake of the catalog .*second/catalog.db"):
        load(first)


def test_a_lake_that_was_registered_again_is_known(
    settings: Settings, connection: SnowflakeConnection, tmp_path: Path
) -> None:
    first = lake_in(settings, tmp_path / "first", 1)
    load(first)
    before = installation.read_marker(Lake.of(first))
    assert before is not None

    for _ in range(2):
        after = installation.take_over(Lake.of(first), open_catalog(Lake.of(first)))
    refuse_foreign_lake(connection, installation.read_marker(Lake.of(first)), settings.snowflake.database)
    load(first)

    assert before.id in after.previous
    assert fetch_all(connection, "select installation_id from RAW.INSTALLATION") == [(after.id,)]


def test_a_lake_without_an_id_gets_no_database(settings: Settings, connection: SnowflakeConnection) -> None:
    refuse_foreign_lake(connection, installation.read_marker(Lake.of(settings)), settings.snowflake.database)
    with pytest.raises(WarehouseError, match="has no id yet"):
        owner.take_over(connection, installation.read_marker(Lake.of(settings)), settings.snowflake.database)
    assert fetch_all(connection, "select count(*) from RAW.INSTALLATION") == [(0,)]


def test_giving_a_database_away_waits_for_the_session_of_a_killed_process(
    settings: Settings, connection: SnowflakeConnection, tmp_path: Path
) -> None:
    first, second = lake_in(settings, tmp_path / "first", 1), lake_in(settings, tmp_path / "second", 2)
    load(first)
    marker = installation.read_marker(Lake.of(second))
    assert marker is not None
    with connect(settings) as other:
        execute(other, "begin")
        execute(other, "delete from RAW.INSTALLATION")
        ended = Timer(1, lambda: execute(other, "rollback"))
        ended.start()
        owner.take_over(connection, marker, settings.snowflake.database)
        ended.join()
    assert fetch_all(connection, "select installation_id from RAW.INSTALLATION") == [(marker.id,)]
