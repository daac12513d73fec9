"""Every wait for something outside has an end, also when its answer drips: each client against a server that never ends one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError

from ecommerce_platform.iceberg.catalog import jdbc_uri, spark_catalog_options, sqlalchemy_uri
from ecommerce_platform.iceberg.s3_options import hadoop_s3_options
from ecommerce_platform.object_store import arrow_s3
from ecommerce_platform.reconciliation.layers import clickhouse
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.settings import S3Settings, Settings, load_settings
from ecommerce_platform.settings.sections import ClickHouseSettings, LakehouseSettings, SnowflakeSettings
from ecommerce_platform.spark import jars
from ecommerce_platform.spark.jars import Jar, JarError
from ecommerce_platform.stand_ins import servers
from ecommerce_platform.time_limits import TimeLimitError, within
from ecommerce_platform.warehouse.resource import WarehouseResource
from ecommerce_platform.warehouse.sql import connection
from ecommerce_platform.warehouse.sql.connection import StatementUnanswered, WarehouseUnreachable, connection_arguments
from ecommerce_platform_tests.dripping_server import dripping, dripping_in_front_of


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def test_an_action_has_so_long_in_all_and_its_result_or_error_is_the_callers() -> None:
    assert within(5, lambda: 7, "t") == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0, "t")
    with at_most(20), pytest.raises(TimeLimitError, match=r"no whole answer within 0\.2 s"):
        within(0.2, lambda: time.sleep(25), "t")


def test_snowflakes_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_LOGIN_GRACE_SECONDS", 1)
    with dripping() as port:
        given = SnowflakeSettings.model_validate(
            {"account": "a", "user": "u", "password": "p", "host": "127.0.0.1", "port": port, "protocol": "http"}
            | {"login_timeout_seconds": 2}
        )
        with at_most(20), pytest.raises(WarehouseUnreachable, match=r"no whole answer|no login"):
            connection.connect(load_settings(snowflake=given))


def test_snowflakes_statements_end_on_its_side(tmp_path: Path) -> None:
    chosen = SnowflakeSettings.model_validate({"account": "a", "user": "u", "password": "p"})
    parameters = connection_arguments(load_settings(snowflake=chosen))["session_parameters"]
    assert parameters["STATEMENT_TIMEOUT_IN_SECONDS"] == 4 * 3600
    assert parameters["STATEMENT_QUEUED_TIMEOUT_IN_SECONDS"] == 3600


def test_clickhouse() -> None:
    with dripping() as port:
        given = ClickHouseSettings(host="127.0.0.1", port=port, login_seconds=2)
        with at_most(15), pytest.raises(ReconciliationError, match="no whole answer within 2 s"):
            clickhouse.connect(load_settings(clickhouse=given))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[servers.ServerKind, servers.Endpoint]]:
    data = tmp_path_factory.mktemp("stand-ins") / "data"
    try:
        yield servers.ensure_all(data)
    finally:
        servers.down(data)


def in_a_transaction(session: SnowflakeConnection) -> None:
    with connection.transaction(session):
        connection.execute(session, "select 2")


@pytest.mark.parametrize("through_dagster", [False, True])
def test_a_statement_of_snowflake_is_given_up_with_its_session(
    stand_ins: dict[servers.ServerKind, servers.Endpoint], through_dagster: bool
) -> None:
    real = stand_ins[servers.ServerKind.SNOWFLAKE]
    with dripping_in_front_of(real.port) as (port, slow):
        chosen = {"account": "fakesnow", "user": "u", "password": real.password, "host": "127.0.0.1", "port": port}
        given = load_settings(
            snowflake=SnowflakeSettings.model_validate({**chosen, "protocol": "http", "answer_seconds": 5})
        )
        opened = WarehouseResource.of(given).connection() if through_dagster else connection.connect(given)
        with opened as session:
            assert connection.fetch_all(session, "select 1") == [(1,)]
            slow.set()
            # The rollback does not wait behind the statement that has no end.
            with (
                at_most(20),
                pytest.raises(StatementUnanswered, match="no whole answer to a statement within 5 s") as raised,
            ):
                in_a_transaction(session)
            assert not connection.is_transient(raised.value)
            with pytest.raises(DatabaseError, match="Connection is closed"):
                connection.execute(session, "select 3")


@pytest.mark.parametrize("read", ["rows", "blocks"])
def test_a_statement_of_clickhouse(stand_ins: dict[servers.ServerKind, servers.Endpoint], read: str) -> None:
    real = stand_ins[servers.ServerKind.CLICKHOUSE]
    with dripping_in_front_of(real.port) as (port, slow):
        given = load_settings(
            clickhouse={"host": "127.0.0.1", "port": port, "user": "u", "password": real.password, "secure": False}
        )
        client = clickhouse.limit_answers(clickhouse.connect(given), 3)
        table = clickhouse.SpeedTable(client, "orders", seconds=3)
        assert list(getattr(table, read)("select 1"))
        slow.set()
        with at_most(20), pytest.raises(ReconciliationError, match="no whole answer within 3 s"):
            list(getattr(table, read)("select number from system.numbers limit 1000"))
        with at_most(20), pytest.raises(clickhouse.NoWholeAnswer, match="ECOMMERCE_RECONCILIATION__QUERY_SECONDS"):
            client.command("select 1")


def catalog(port: int) -> Settings:
    lake = LakehouseSettings(catalog_uri=f"postgresql://me@127.0.0.1:{port}/lake", catalog_connect_seconds=2)
    return load_settings(lakehouse=lake)


@pytest.mark.parametrize("first", [b"", b"R"])
def test_the_catalogs_postgresql(first: bytes) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    with dripping(first) as port, at_most(20), pytest.raises(OperationalError):
        create_engine(sqlalchemy_uri(catalog(port).lakehouse)).connect()


def test_the_catalogs_limits_are_known_to_both_drivers() -> None:
    lake = catalog(5432).lakehouse
    assert "connectTimeout=2&loginTimeout=2&socketTimeout=120" in jdbc_uri(lake)
    assert "connect_timeout=2" in sqlalchemy_uri(lake)
    assert "statement_timeout%3D120000" in sqlalchemy_uri(lake)


def test_s3_through_arrow() -> None:
    with dripping(b"") as port:
        store = S3Settings.model_validate(
            {"endpoint": f"http://127.0.0.1:{port}", "access_key_id": "a", "secret_access_key": "b"}
            | {"answer_seconds": 1, "connect_seconds": 1}
        )
        with at_most(40), pytest.raises(OSError, match=r"(?i)timeout|timed out|network"):
            arrow_s3(store).get_file_info("bucket/key")


def test_s3_through_spark_has_the_same_limits() -> None:
    chosen = load_settings(
        s3=S3Settings(connect_seconds=3, answer_seconds=4), lakehouse=LakehouseSettings(warehouse="s3://lake/w")
    )
    options = spark_catalog_options(chosen.lakehouse, chosen.s3)
    assert options["spark.sql.catalog.iceberg.http-client.apache.socket-timeout-ms"] == "4000"
    assert options["spark.sql.catalog.iceberg.http-client.apache.connection-timeout-ms"] == "3000"
    assert hadoop_s3_options(chosen.s3)["fs.s3a.connection.timeout"] == "4000ms"


def test_the_download_of_a_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "FETCH_SECONDS", 3)
    with dripping() as port:
        proxies = [
            f"-D{scheme}.proxy{part}" for scheme in ("http", "https") for part in ("Host=127.0.0.1", f"Port={port}")
        ]
        monkeypatch.setenv("JAVA_TOOL_OPTIONS", " ".join([*proxies, "-Dhttp.nonProxyHosts="]))
        jar = Jar("core", "org.example", "nothing", "1", "0" * 64)
        with at_most(30), pytest.raises(JarError, match=r"was not fetched into .* within 3 s"):
            jars.fetch(tmp_path, jar)
