"""Transactions of one session and of several."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

from ecommerce_platform.stand_ins import servers

Sql = Callable[..., Any]


@pytest.fixture
def counts(sql: Sql) -> Callable[[], int]:
    """An empty table raw.counted, and what another session sees in it."""
    sql("create or replace table raw.counted (id number, amount number)")
    return lambda: int(sql("select count(*) from raw.counted")[0][0])


@pytest.fixture
def writer(open_session: Callable[..., SnowflakeConnection]) -> Iterator[SnowflakeConnection]:
    with open_session() as connection:
        yield connection


def test_others_see_nothing_before_the_commit_and_everything_after(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    sql("begin transaction name load_1", on=writer)
    sql("insert into raw.counted values (1, 1), (2, 2)", on=writer)
    assert counts() == 0
    sql("commit work", on=writer)
    assert counts() == 2


def test_a_rollback_undoes_deletes_and_inserts(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    sql("insert into raw.counted values (1, 1)")
    sql("begin", on=writer)
    sql("delete from raw.counted", on=writer)
    sql("insert into raw.counted values (2, 2), (3, 3)", on=writer)
    sql("rollback", on=writer)
    assert sql("select id from raw.counted") == [(1,)]


def test_begin_inside_a_transaction_changes_nothing(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    sql("begin", on=writer)
    sql("insert into raw.counted values (1, 1)", on=writer)
    sql("begin", on=writer)
    sql("rollback", on=writer)
    assert counts() == 0


@pytest.mark.parametrize("comment", ["", '\n/* {"app": "dbt", "node": "a; b"} */', " /* one */ /* two */;"])
def test_ddl_commits_the_open_transaction(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int], comment: str
) -> None:
    sql(f"begin{comment}", on=writer)
    sql("insert into raw.counted values (1, 1)", on=writer)
    sql("create or replace temporary table raw.counted__tmp as select 1 as id", on=writer)
    sql("rollback", on=writer)
    assert counts() == 1


def test_commit_after_a_failed_statement_is_an_error_and_never_silence(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    sql("begin", on=writer)
    sql("insert into raw.counted values (1, 1)", on=writer)
    with pytest.raises(ProgrammingError):
        sql("insert into raw.counted values ('no number', 1)", on=writer)
    with pytest.raises(ProgrammingError, match="rolled the transaction back"):
        sql("commit", on=writer)
    assert counts() == 0
    sql("insert into raw.counted values (1, 1)", on=writer)
    assert counts() == 1


def test_a_statement_that_cannot_be_parsed_leaves_the_transaction_open(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    sql("begin", on=writer)
    sql("insert into raw.counted values (1, 1)", on=writer)
    with pytest.raises(ProgrammingError):
        sql("selec 1", on=writer)
    sql("commit", on=writer)
    assert counts() == 1


def test_without_autocommit_nothing_is_there_before_the_commit(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    writer.autocommit(False)
    sql("insert into raw.counted values (1, 1)", on=writer)
    writer.rollback()
    sql("insert into raw.counted values (2, 2)", on=writer)
    writer.commit()
    assert sql("select id from raw.counted") == [(2,)]


def test_a_statement_waits_for_the_rows_of_another_transaction(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int]
) -> None:
    sql("insert into raw.counted values (1, 0)")
    sql("begin", on=writer)
    sql("update raw.counted set amount = amount + 1", on=writer)
    waiting = threading.Thread(target=sql, args=("update raw.counted set amount = amount + 10",))
    waiting.start()
    waiting.join(timeout=0.3)
    assert waiting.is_alive()
    sql("commit", on=writer)
    waiting.join(timeout=20)
    assert sql("select amount from raw.counted") == [(11,)]


def test_a_conflict_inside_a_transaction_is_reported_at_once(
    sql: Sql, writer: SnowflakeConnection, counts: Callable[[], int], open_session: Callable[..., SnowflakeConnection]
) -> None:
    sql("insert into raw.counted values (1, 0)")
    with open_session() as other:
        for session in (writer, other):
            sql("begin", on=session)
            sql("select count(*) from raw.counted", on=session)
        sql("update raw.counted set amount = 1", on=writer)
        with pytest.raises(ProgrammingError, match="conflict") as raised:
            sql("update raw.counted set amount = 2", on=other)
        assert raised.value.errno == 625
        sql("rollback", on=other)
    sql("commit", on=writer)


def test_many_sessions_write_and_read_at_once(
    sql: Sql, counts: Callable[[], int], open_session: Callable[..., SnowflakeConnection]
) -> None:
    def work(number: int) -> None:
        with open_session() as mine:
            for step in range(5):
                sql("begin", on=mine)
                sql(f"delete from raw.counted where id = {number}", on=mine)
                sql(f"insert into raw.counted values ({number}, {step})", on=mine)
                sql("commit", on=mine)
                sql("select count(*) from raw.counted", on=mine)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sql("select count(*), min(amount), max(amount) from raw.counted") == [(8, 4, 4)]


_CLIENT = """
import sys
import snowflake.connector
cursor = snowflake.connector.connect(
    user="x", password=sys.argv[2], account="x", host="127.0.0.1", port=int(sys.argv[1]), protocol="http",
    database="ECOMMERCE_DW",
).cursor()
cursor.execute("begin")
cursor.execute("update raw.counted set amount = 99")
print("written", flush=True)
sys.stdin.read()
"""


def test_a_client_that_is_killed_leaves_no_lock_behind(sql: Sql, counts: Callable[[], int], data_dir: Path) -> None:
    sql("insert into raw.counted values (1, 0)")
    endpoint = servers.ensure_snowflake(data_dir)
    client = subprocess.Popen(
        [sys.executable, "-c", _CLIENT, str(endpoint.port), endpoint.password],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "written\n"
    client.kill()
    client.wait()
    sql("update raw.counted set amount = amount + 1")
    assert sql("select amount from raw.counted") == [(1,)]
