"""A Snowflake that answers with errors or not at all: waited for as long as the settings say, then named; nothing is doubled."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.stand_ins.servers import ensure_snowflake
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.resource import WarehouseResource
from ecommerce_platform.warehouse.sql.connection import (
    WarehouseError,
    WarehouseUnreachable,
    connect,
    connection_arguments,
    fetch_all,
)
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.faults import WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, events, publish
from ecommerce_platform_tests.warehouse.proxy import Mode, Proxy, proxy_to

ORDERS = load_contracts()["orders"]


@pytest.fixture
def proxy(settings: Settings, embedded_only: None) -> Iterator[Proxy]:
    endpoint = ensure_snowflake(settings.data_dir)
    with proxy_to(endpoint.host, endpoint.port) as proxy:
        yield proxy


def through(proxy: Proxy, settings: Settings, seconds: int = 3) -> Settings:
    """The settings of a client that reaches Snowflake by the proxy and waits a few seconds."""
    snowflake = settings.snowflake.model_copy(
        update={
            "account": "fakesnow",
            "host": "127.0.0.1",
            "port": proxy.port,
            "protocol": "http",
            "user": "loader",
            "password": SecretStr(ensure_snowflake(settings.data_dir).password),
            "login_timeout_seconds": seconds,
            "network_timeout_seconds": seconds,
        }
    )
    return settings.model_copy(update={"snowflake": snowflake})


@pytest.mark.parametrize("mode", [Mode.SILENT, Mode.ERRORS])
def test_a_login_without_an_answer_ends_in_time_and_says_what_was_tried(
    mode: Mode, proxy: Proxy, settings: Settings
) -> None:
    proxy.mode = mode
    started = time.monotonic()
    with pytest.raises(WarehouseUnreachable) as raised:
        connect(through(proxy, settings))
    assert time.monotonic() - started < 30
    message = str(raised.value)
    assert f"http://127.0.0.1:{proxy.port}) as user loader within 3 s" in message
    assert "ECOMMERCE_SNOWFLAKE__LOGIN_TIMEOUT_SECONDS" in message
    assert ensure_snowflake(settings.data_dir).password not in message
    assert proxy.refused > 0


def test_errors_that_pass_are_not_seen_by_a_load(
    proxy: Proxy, settings: Settings, connection: SnowflakeConnection
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})
    client = through(proxy, settings, seconds=30)

    def fail_twice_at_the_commit(number: int, sql: str, after: bool) -> None:
        if sql == "commit" and not after:
            proxy.errors_left, proxy.mode = 2, Mode.ERRORS

    loads = load_tables(
        LoadSource.of(client),
        lambda: WatchedConnection(client, fail_twice_at_the_commit),  # type: ignore[arg-type]
        ["orders"],
        [day(1)],
        RUN,
    )

    assert [loaded.day for loaded in loads["orders"].loaded] == [day(1)]
    assert proxy.refused >= 2
    assert fetch_all(connection, "select id from RAW.ORDERS order by id") == [(1,), (2,)]


def test_a_server_that_falls_silent_in_a_load_fails_it_by_name_and_the_next_load_is_whole(
    proxy: Proxy, settings: Settings, connection: SnowflakeConnection
) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2)})
    client = through(proxy, settings)

    def fall_silent(number: int, sql: str, after: bool) -> None:
        if sql.startswith("delete from RAW") and not after:
            proxy.mode = Mode.SILENT

    with pytest.raises(
        WarehouseError, match=r"raw load failed for orders: WarehouseUnreachable: no login at Snowflake"
    ):
        load_tables(
            LoadSource.of(client),
            lambda: WatchedConnection(client, fall_silent),  # type: ignore[arg-type]
            ["orders"],
            [day(1)],
            RUN,
        )
    assert fetch_all(connection, "select count(*) from RAW.ORDERS") == [(0,)]
    proxy.mode = Mode.FORWARD
    load_tables(LoadSource.of(client), lambda: connect(client), ["orders"], [day(1)], RUN)
    assert fetch_all(connection, "select id from RAW.ORDERS order by id") == [(1,), (2,)]


def test_the_resource_says_it_too(proxy: Proxy, settings: Settings) -> None:
    proxy.mode = Mode.SILENT
    resource = WarehouseResource.of(through(proxy, settings, seconds=2))
    with pytest.raises(WarehouseUnreachable, match="within 2 s"), resource.connection("run"):
        pass


def test_the_times_of_the_settings_reach_the_connector(settings: Settings, proxy: Proxy) -> None:
    snowflake = through(proxy, settings).snowflake.model_copy(update={"lock_timeout_seconds": 7})
    arguments = connection_arguments(settings.model_copy(update={"snowflake": snowflake}))
    assert (arguments["login_timeout"], arguments["network_timeout"]) == (3, 3)
    assert arguments["session_parameters"]["LOCK_TIMEOUT"] == 7
