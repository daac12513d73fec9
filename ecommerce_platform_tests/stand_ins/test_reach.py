"""The stand-ins open no file and reach no server beside their own, whatever a statement names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from snowflake.connector.errors import Error as SnowflakeError

from ecommerce_platform_tests.stand_ins.conftest import connect_snowflake

SECRET = "somebody's secret"


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file that only its owner may read."""
    path = tmp_path / "private.csv"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture
def bystander() -> Iterator[tuple[str, list[str]]]:
    """A server of somebody else on this machine, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"1\n")

        do_GET = do_HEAD = answer  # noqa: N815 (the library's names)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "statement",
    [
        "select * from file('{private}', 'LineAsString')",
        "select file('{private}')",
        "select * from `file`('{private}', 'LineAsString')",
        "select * from FILE /* */ ('{private}', 'LineAsString')",
        "select * from '{private}'",
        "select * from default.`{private}`",
        "select (select any(a) from (select * from file('{private}', 'LineAsString', 'a String')))",
        "with leak as (select * from file('{private}', 'LineAsString')) select * from leak",
        "create view peek as select * from file('{private}', 'LineAsString')",
        "create table peek (a String) engine = File(LineAsString, '{private}')",
        "create dictionary peek (a String) primary key a source(file(path '{private}' format 'CSV')) layout(flat())",
        "insert into function file('{written}', 'CSV') select 1",
        "insert into table function file('{written}', 'CSV') values (1)",
        "select 1 into outfile '{written}'",
        "select 1; select 1 into outfile '{written}'",
        "select * from url('http://{bystander}/leak', 'CSV')",
        "select * from s3('http://{bystander}/bucket/key.csv', 'CSV')",
        "select * from remote('{bystander}', 'default', 'x')",
        "select * from mysql('{bystander}', 'a', 'b', 'c', 'd')",
        "create table far (a String) engine = URL('http://{bystander}/leak', 'CSV')",
        "create database far engine = MySQL('{bystander}', 'a', 'b', 'c')",
        "select * from executable('leak', 'CSV', 'a String')",
        "select * from python('x')",
        "backup table versions to File('{written}')",
        "attach table far from '{written}' (a Int64) engine = MergeTree order by a",
        "create user intruder",
        "system shutdown",
        "system stop merges versions; system shutdown",
    ],
)
def test_clickhouse_reaches_nothing_beside_its_own_tables(
    clickhouse: Client, private: Path, bystander: tuple[str, list[str]], statement: str, tmp_path: Path
) -> None:
    address, asked = bystander
    written = tmp_path / "written.csv"
    with pytest.raises(DatabaseError) as refused:
        clickhouse.command(statement.format(private=private, written=written, bystander=address))
    assert SECRET not in str(refused.value)
    assert not written.exists()
    assert asked == []


def test_what_a_parameter_names_is_judged_like_what_a_statement_names(clickhouse: Client, private: Path) -> None:
    with pytest.raises(DatabaseError, match="ACCESS_DENIED"):
        clickhouse.query("select * from {leak:Identifier}", parameters={"leak": str(private)})


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('{private}')",
        "select * from read_csv('{private}')",
        "select * from '{private}'",
        "copy into raw.peek from '{private}' file_format = (type = csv)",
        "copy into raw.peek from 'file://{private}' file_format = (type = csv)",
        "copy into raw.peek from @raw.load_stage/../../../../../../../..{private} file_format = (type = csv)",
        "create table raw.leak as select * from glob('{folder}/*')",
        "attach '{written}' as written",
        "copy raw.peek to '{written}'",
        "export database '{written}'",
        "install httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
    ],
)
def test_snowflakes_duckdb_opens_no_file_beside_its_own(data_dir: Path, private: Path, statement: str) -> None:
    written = private.with_name("written")
    with connect_snowflake(data_dir) as session:
        cursor = session.cursor()
        cursor.execute("create or replace table raw.peek (line string)")
        try:
            answer = str(
                cursor.execute(statement.format(private=private, folder=private.parent, written=written)).fetchall()
            )
        except SnowflakeError as error:
            answer = str(error).replace(str(private), "")
        assert SECRET not in answer
        assert private.name not in answer
        assert cursor.execute("select count(*) from raw.peek").fetchall() == [(0,)]
        settings = cursor.execute("select current_setting('enable_external_access')").fetchall()
    assert str(settings[0][0]).lower() == "false"
    assert not written.exists()


def test_a_stage_that_is_named_to_lie_elsewhere_shows_nothing(data_dir: Path) -> None:
    with connect_snowflake(data_dir) as session:
        cursor = session.cursor()
        try:
            cursor.execute('create stage "../../../snowflake"')
            rows = cursor.execute('list @"../../../snowflake"').fetchall()
        except SnowflakeError:
            rows = []
    assert rows == []
