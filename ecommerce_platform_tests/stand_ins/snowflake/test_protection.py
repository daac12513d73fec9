"""Masking policies and tables granted to roles: what a role sees that was granted no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

TEXT = "case when val is null or current_role() in ('OWNER') then val else '(hidden)' end"


@pytest.fixture
def reader(sql: Callable[..., Any], open_session: Callable[..., SnowflakeConnection]) -> Iterator[SnowflakeConnection]:
    """A session of a role that may use the database and read one table, of which one column is masked."""
    sql("create or replace table raw.people (id number, name string, age number)")
    sql("insert into raw.people values (1, 'Ada', 36), (2, null, 41)")
    sql("create masking policy if not exists raw.hide as (val string) returns string -> val")
    sql(f"alter masking policy raw.hide set body -> {TEXT}")
    sql('grant usage on database "ECOMMERCE_DW" to role "READER"')
    sql('alter table if exists raw.people modify column "NAME" set masking policy raw.hide force')
    sql('grant select on table raw.people to role "READER"')
    with open_session(role="READER") as session:
        yield session


@pytest.mark.parametrize(
    "query",
    [
        "select id, name from raw.people order by id",
        "with named as (select * from people) select named.id, named.name from named order by 1",
        "select p.id, p.name from ecommerce_dw.raw.people as p join raw.people as q on p.id = q.id order by 1",
        "select id, (select max(name) from raw.people as q where q.id = people.id) as name from people order by 1",
    ],
)
def test_a_masked_column_is_hidden_wherever_it_is_read_from(
    sql: Callable[..., Any], reader: SnowflakeConnection, query: str
) -> None:
    assert sql(query, on=reader) == [(1, "(hidden)"), (2, None)]
    assert sql(query) == [(1, "Ada"), (2, None)]


def test_a_filter_compares_what_is_shown(sql: Callable[..., Any], reader: SnowflakeConnection) -> None:
    assert sql("select count(*) from raw.people where name = 'Ada'", on=reader) == [(0,)]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("select * from raw.load_ledger", 2003),
        ("select * from raw.never_made", 2003),
        ("delete from raw.people", 3001),
        ("create or replace table raw.people as select 1 as one", 3001),
        ("alter table raw.people modify column name unset masking policy", 3001),
        ("grant select on table raw.load_ledger to role reader", 3001),
    ],
)
def test_what_was_not_granted_is_refused(
    sql: Callable[..., Any], reader: SnowflakeConnection, statement: str, number: int
) -> None:
    sql("create table if not exists raw.load_ledger (id number)")
    with pytest.raises(ProgrammingError) as refused:
        sql(statement, on=reader)
    assert refused.value.errno == number


def test_a_table_that_is_made_again_has_neither_policy_nor_grant(
    sql: Callable[..., Any], reader: SnowflakeConnection
) -> None:
    sql("create or replace table raw.people (id number, name string)")
    with pytest.raises(ProgrammingError, match="not authorized"):
        sql("select * from raw.people", on=reader)
    sql("insert into raw.people values (3, 'Eve')")
    sql('grant select on table raw.people to role "READER"')
    assert sql("select name from raw.people", on=reader) == [("Eve",)]


def test_a_role_can_be_taken_and_a_grant_taken_back(
    sql: Callable[..., Any], reader: SnowflakeConnection, open_session: Callable[..., SnowflakeConnection]
) -> None:
    with open_session() as session:
        sql("use role reader", on=session)
        assert sql("select name from raw.people where id = 1", on=session) == [("(hidden)",)]
        sql("revoke select on table raw.people from role reader")
        with pytest.raises(ProgrammingError, match="not authorized"):
            sql("select name from raw.people", on=session)


def test_what_snowflake_refuses_is_refused(sql: Callable[..., Any], reader: SnowflakeConnection) -> None:
    for statement, message in (
        ("alter table raw.people modify column name set masking policy raw.hide", "already attached"),
        ("alter table raw.people modify column name set masking policy raw.never_made force", "does not exist"),
        ("alter table raw.people modify column nothing set masking policy raw.hide force", "invalid identifier"),
        ("grant select on table raw.never_made to role reader", "does not exist"),
        ("create masking policy raw.hide as (val string) returns string -> val", "already exists"),
    ):
        with pytest.raises(ProgrammingError, match=message):
            sql(statement)
    sql("alter table if exists raw.never_made modify column name set masking policy raw.hide force")
