"""CREATE, ALTER, COMMENT and MERGE, as dbt and the warehouse room write them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import IntegrityError, ProgrammingError


def test_a_temporary_table_can_be_made_in_a_named_schema(sql: Callable[..., Any]) -> None:
    sql("create or replace temporary table ecommerce_dw.staging.scratch__dbt_tmp as (select 1 as id)")
    sql("create or replace temporary table ecommerce_dw.staging.scratch__dbt_tmp (id number)")
    sql("insert into staging.scratch__dbt_tmp values (2)")
    assert sql("select id from ecommerce_dw.staging.scratch__dbt_tmp") == [(2,)]
    sql("drop table if exists ecommerce_dw.staging.scratch__dbt_tmp cascade")


def test_a_table_with_columns_and_constraints_is_made_of_a_query(sql: Callable[..., Any]) -> None:
    sql(
        "create or replace transient table raw.contracted (id number not null, amount number(10,2), name varchar(20), "
        "constraint pk primary key (id)) as (select 1.0 as anything, 2.456 as amount, 'x' as name)"
    )
    assert sql("select id, amount, name from raw.contracted") == [(1, Decimal("2.46"), "x")]
    with pytest.raises(IntegrityError, match="NOT NULL"):
        sql("insert into raw.contracted (amount) values (1)")


def test_a_table_of_a_query_that_breaks_its_contract_leaves_the_table_as_it_was(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.kept (id number not null) as (select 1 as id)")
    with pytest.raises(IntegrityError, match="NOT NULL"):
        sql("create or replace table raw.kept (id number not null) as (select null as id)")
    assert sql("select id from raw.kept") == [(1,)]


def test_keys_are_declared_and_not_enforced(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.keyed (id number primary key, other number unique, unique (other))")
    sql("insert into raw.keyed values (1, 1), (1, 1)")
    assert sql("select count(*) from raw.keyed") == [(2,)]


def test_several_columns_are_added_and_dropped_at_once(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.wide (id number)")
    sql("alter table raw.wide add column a number, b string, c number(4,2)")
    sql("alter table raw.wide drop column a, b")
    assert [row[0] for row in sql("describe table raw.wide")] == ["ID", "C"]


def test_truncate_if_exists_needs_no_table(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.full as select 1 as id")
    sql("truncate table if exists raw.full")
    assert sql("select count(*) from raw.full") == [(0,)]
    sql("truncate table if exists raw.not_there")
    with pytest.raises(ProgrammingError, match="does not exist"):
        sql("truncate table raw.not_there")


def test_descriptions_may_hold_apostrophes_and_many_columns(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.described (id number, name string)")
    sql("comment on table raw.described is 'the shop''s'")
    sql('alter table raw.described alter "ID" COMMENT $$it\'s the key$$, name comment \'and, "more"\'')
    sql("comment on column raw.described.name is 'the user''s' /* dbt's comment */;")
    comments = sql(
        "select column_name, comment from information_schema.columns where table_name = 'DESCRIBED' order by 1"
    )
    assert comments == [("ID", "it's the key"), ("NAME", "the user's")]
    assert sql("select comment from information_schema.tables where table_name = 'DESCRIBED'") == [("the shop's",)]


def test_a_table_is_described_while_a_transaction_of_dml_is_open(
    sql: Callable[..., Any], open_session: Callable[..., SnowflakeConnection]
) -> None:
    with open_session() as other:
        sql("create or replace table raw.busy (id number)", on=other)
        sql("begin", on=other)
        sql("insert into raw.busy values (1)", on=other)
        sql(
            "create or replace table raw.beside (name varchar(10)) comment = 'made beside' as select 'x' as name",
            on=other,
        )
        assert sql("select count(*) from raw.busy") == [(1,)]


def test_merge_inserts_updates_and_deletes_and_counts(sql: Callable[..., Any], session: SnowflakeConnection) -> None:
    sql(
        "create or replace table raw.target as select column1 as id, column2 as amount from values (1, 1.00), (2, 2.00)"
    )
    sql(
        "create or replace table raw.source as "
        "select column1 as id, column2 as amount from values (1, 5.00), (2, null), (3, 3.00)"
    )
    with session.cursor() as cursor:
        counts = cursor.execute(
            "merge into raw.target as DBT_INTERNAL_DEST using raw.source as DBT_INTERNAL_SOURCE "
            "on (DBT_INTERNAL_SOURCE.id = DBT_INTERNAL_DEST.id) "
            "when matched and DBT_INTERNAL_SOURCE.amount is null then delete "
            'when matched then update set "AMOUNT" = DBT_INTERNAL_SOURCE."AMOUNT" '
            'when not matched then insert ("ID", "AMOUNT") values ("ID", "AMOUNT")'
        ).fetchall()
        assert (counts, cursor.rowcount) == ([(1, 1, 1)], 3)
    assert sql("select id, amount from raw.target order by id") == [(1, Decimal("5.00")), (3, Decimal("3.00"))]


def test_merge_of_two_source_rows_for_one_target_row_is_an_error(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.target as select 1 as id, 1 as amount")
    with pytest.raises(ProgrammingError, match="more than once"):
        sql(
            "merge into raw.target t using (select column1 as id, column2 as amount from values (1, 2), (1, 3)) s "
            "on t.id = s.id when matched then update set amount = s.amount"
        )


def test_a_table_whose_default_is_the_time_of_loading_survives_new_sessions(
    sql: Callable[..., Any], open_session: Callable[..., SnowflakeConnection]
) -> None:
    sql("create or replace table raw.stamped (id number, loaded_at timestamp_ntz default current_timestamp())")
    with open_session() as other:
        sql("insert into raw.stamped (id) values (1)", on=other)
    assert sql("select loaded_at is not null from raw.stamped") == [(True,)]
