"""One pair of stand-ins for all tests of this room, and clients of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import snowflake.connector
from clickhouse_connect.driver.client import Client
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.speed_layer.realtime import create_orders_realtime
from ecommerce_platform.stand_ins import servers
from ecommerce_platform_tests.stand_ins.order_versions import MICROS, MILLIS, TABLE, Write

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory whose stand-ins live as long as the tests."""
    folder = tmp_path_factory.mktemp("stand-ins")
    servers.ensure_all(folder)
    yield folder
    servers.down(folder)


def connect_snowflake(data_dir: Path, **options: Any) -> SnowflakeConnection:
    endpoint = servers.ensure_snowflake(data_dir)
    return snowflake.connector.connect(
        user="tests",
        password=endpoint.password,
        account="embedded",
        host=endpoint.host,
        port=endpoint.port,
        protocol="http",
        database="ECOMMERCE_DW",
        schema="RAW",
        network_timeout=options.pop("network_timeout", 30),
        session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False, **options.pop("session_parameters", {})},
        **options,
    )


def connect_clickhouse(data_dir: Path, **options: Any) -> Client:
    endpoint = servers.ensure_clickhouse(data_dir)
    return clickhouse_connect.get_client(host=endpoint.host, port=endpoint.port, password=endpoint.password, **options)


@pytest.fixture(scope="session")
def open_session(data_dir: Path) -> Callable[..., SnowflakeConnection]:
    """Opens further sessions; options are those of the connector."""
    return lambda **options: connect_snowflake(data_dir, **options)


@pytest.fixture(scope="session")
def session(open_session: Callable[..., SnowflakeConnection]) -> Iterator[SnowflakeConnection]:
    with open_session() as connection:
        yield connection


@pytest.fixture(scope="session")
def sql(session: SnowflakeConnection) -> Callable[..., Rows]:
    """Runs a statement on the shared session and returns its rows."""

    def run(statement: str, parameters: Any = None, on: SnowflakeConnection | None = None) -> Rows:
        with (on or session).cursor() as cursor:
            return list(cursor.execute(statement, parameters).fetchall())

    return run


@pytest.fixture
def clickhouse(data_dir: Path) -> Iterator[Client]:
    with connect_clickhouse(data_dir) as client:
        yield client


@pytest.fixture
def table(clickhouse: Client) -> Client:
    """A client, and the empty table of order versions."""
    clickhouse.command(f"drop table if exists {TABLE}")
    create_orders_realtime(clickhouse, TABLE)
    return clickhouse


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes versions as Debezium leaves them; a row's keys replace those of a plain insert."""

    def write(
        *rows: Mapping[str, Any], name: str = "versions.parquet", types: Mapping[str, pa.DataType] | None = None
    ) -> Path:
        plain = {
            "id": 1,
            "user_id": 7,
            "status": "pending",
            "total_amount": "10.50",
            "shipping_address": "1 High St",
            "created_at": MICROS,
            "updated_at": MICROS,
            "__op": "c",
            "__ts_ms": MILLIS,
            "__source_ts_ms": MILLIS,
            "__source_lsn": 100,
        }
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {column: [{**plain, **row}[column] for row in rows] for column in {**plain, **rows[0]}}
        arrays = {column: pa.array(values, (types or {}).get(column)) for column, values in columns.items()}
        pq.write_table(pa.table(arrays), path)
        return path

    return write
