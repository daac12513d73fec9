"""The ordinary client against chDB behind ClickHouse's HTTP interface."""

from __future__ import annotations

import gzip
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from ecommerce_platform.stand_ins import servers
from ecommerce_platform_tests.stand_ins.conftest import connect_clickhouse

_DDL = """
create or replace table versions (
    id Int64, name Nullable(String), amount Nullable(Decimal(10, 2)), at DateTime64(6, 'UTC'), lsn UInt64, is_deleted UInt8
) engine = ReplacingMergeTree(lsn, is_deleted) order by id
"""
_AT = datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=UTC)
_COLUMNS = ["id", "name", "amount", "at", "lsn", "is_deleted"]


@pytest.fixture
def versions(clickhouse: Client) -> Client:
    """A client, and an empty table of versions."""
    clickhouse.command(_DDL)
    return clickhouse


def _rows(client: Client, query: str, **options: Any) -> list[Any]:
    return [tuple(row) for row in client.query(query, **options).result_rows]


def test_inserted_rows_come_back_as_they_were(versions: Client) -> None:
    rows = [(1, "naïve 'x' \\ \t\n 🛒", Decimal("-1.10"), _AT, 1, 0), (2, None, None, _AT, 2**64 - 1, 0)]
    assert versions.insert("versions", rows, column_names=_COLUMNS).written_rows == 2
    back = _rows(versions, "select id, name, amount, toString(at), lsn, is_deleted from versions order by id")
    assert back == [(*row[:3], "2026-01-01 01:02:03.456789", *row[4:]) for row in rows]


def test_arrow_goes_in_and_out(versions: Client) -> None:
    table = pa.table(
        {
            "lsn": pa.array([5, 6], pa.uint64()),  # in another order than the table's, and without one column
            "id": pa.array([1, 2], pa.int64()),
            "name": pa.array(["é", None]),
            "amount": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
            "at": pa.array([_AT, _AT], pa.timestamp("us", "UTC")),
        }
    )
    versions.insert_arrow("versions", table)
    back = versions.query_arrow("select id, name, amount, lsn, is_deleted from versions order by id", use_strings=True)
    assert back.to_pylist() == [
        {"id": 1, "name": "é", "amount": Decimal("1.10"), "lsn": 5, "is_deleted": 0},
        {"id": 2, "name": None, "amount": None, "lsn": 6, "is_deleted": 0},
    ]


def test_final_keeps_the_latest_version_and_drops_deleted_keys(versions: Client) -> None:
    versions.insert("versions", [(1, "old", None, _AT, 1, 0), (2, "there", None, _AT, 1, 0)], column_names=_COLUMNS)
    versions.insert("versions", [(1, "new", None, _AT, 2, 0), (2, "gone", None, _AT, 2, 1)], column_names=_COLUMNS)
    assert _rows(versions, "select id, name from versions final") == [(1, "new")]


@pytest.mark.parametrize("codec", ["lz4", "zstd", "gzip", False])
def test_inserts_may_be_compressed(data_dir: Path, versions: Client, codec: str | bool) -> None:
    with connect_clickhouse(data_dir, compress=codec) as client:
        client.insert("versions", [(7, "x" * 10_000, None, _AT, 1, 0)], column_names=_COLUMNS)
    assert _rows(versions, "select length(name) from versions") == [(10_000,)]


def test_parameters_are_values_and_never_sql(clickhouse: Client) -> None:
    text = "'; drop table x; -- \\ é\n\t`"
    parameters = {"text": text, "day": date(2026, 1, 1), "keys": [1, 2], "none": None}
    query = "select {text:String}, {day:Date}, {keys:Array(Int64)}, {none:Nullable(String)}"
    assert _rows(clickhouse, query, parameters=parameters) == [(text, date(2026, 1, 1), [1, 2], None)]


def test_parameters_may_be_longer_than_an_address(clickhouse: Client) -> None:
    keys = list(range(20_000))
    assert _rows(
        clickhouse, "select length({keys:Array(Int64)}), {text:String}", parameters={"keys": keys, "text": "é\r\n'"}
    ) == [(20_000, "é\r\n'")]


def test_settings_hold_for_one_statement(clickhouse: Client) -> None:
    query = "select getSetting('max_threads') as threads, getSetting('log_comment')"
    before = _rows(clickhouse, query)
    assert _rows(clickhouse, query, settings={"max_threads": 3, "log_comment": "run 'x'"}) == [(3, "run 'x'")]
    assert _rows(clickhouse, query) == before


def test_errors_bring_clickhouses_code_and_text(clickhouse: Client) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 47.*nope.*UNKNOWN_IDENTIFIER"):
        clickhouse.query("select nope")
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        clickhouse.insert_arrow("not_there", pa.table({"id": [1]}))


def test_a_failed_statement_leaves_the_settings_as_they_were(clickhouse: Client) -> None:
    with pytest.raises(DatabaseError):
        clickhouse.query("select nope", settings={"max_threads": 3})
    assert _rows(clickhouse, "select getSetting('max_threads') = 3") == [(False,)]


def test_each_request_names_its_database(data_dir: Path, clickhouse: Client) -> None:
    clickhouse.command("create database if not exists other")
    with connect_clickhouse(data_dir, database="other") as client:
        assert client.command("select currentDatabase()") == "other"
    assert clickhouse.command("select currentDatabase()") == "default"


def test_text_formats_and_values_in_the_body_are_inserted(data_dir: Path, versions: Client) -> None:
    for statement in (
        'insert into versions (id, name, at, lsn, is_deleted) format CSV\n1,"a,b",2026-01-01 00:00:00,1,0\n',
        'insert into versions format JSONEachRow {"id": 2, "name": "é", "at": "2026-01-01 00:00:00", "lsn": 1}',
        "insert into versions (id, name, at, lsn, is_deleted) values (3, 'format CSV', '2026-01-01 00:00:00', 1, 0)",
    ):
        _post(data_dir, statement.encode())
    assert _rows(versions, "select id, name from versions order by id") == [(1, "a,b"), (2, "é"), (3, "format CSV")]


def test_the_plain_http_interface_answers_in_the_format_asked_for(data_dir: Path) -> None:
    assert _post(data_dir, b"select 1 as a, 'x' as b format JSONEachRow") == b'{"a":1,"b":"x"}\n'
    assert _post(data_dir, b" + 1", "?query=" + quote("select 1")) == b"2\n"
    assert _post(data_dir, gzip.compress(b"select 3"), headers={"Content-Encoding": "gzip"}) == b"3\n"
    with pytest.raises(urllib.error.HTTPError) as raised:
        _post(data_dir, b"  ")
    assert raised.value.headers["X-ClickHouse-Exception-Code"] == "62"


def test_several_processes_and_threads_use_it_at_once(data_dir: Path, versions: Client) -> None:
    endpoint = servers.ensure_clickhouse(data_dir)
    script = (
        "import sys, clickhouse_connect\n"
        "client = clickhouse_connect.get_client(host='127.0.0.1', port=int(sys.argv[1]), password=sys.argv[2])\n"
        "client.insert('versions', [(int(sys.argv[3]), 'p', 1, 0)], column_names=['id', 'name', 'lsn', 'is_deleted'])\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(endpoint.port), endpoint.password, str(number)])
        for number in range(3)
    ]

    def insert(number: int) -> None:
        with connect_clickhouse(data_dir) as client:
            client.insert(
                "versions", [(number, "t", _AT, 1, 0)], column_names=["id", "name", "at", "lsn", "is_deleted"]
            )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(insert, range(10, 30)))
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert versions.command("select count() from versions") == 23


def _post(data_dir: Path, body: bytes, query: str = "", headers: dict[str, str] | None = None) -> bytes:
    endpoint = servers.ensure_clickhouse(data_dir)
    address = f"http://{endpoint.host}:{endpoint.port}/{query}"
    sent = {"X-ClickHouse-Key": endpoint.password} | (headers or {})
    request = urllib.request.Request(address, data=body, headers=sent)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
        return bytes(response.read())
