"""Statements about warehouses, roles, grants and session parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "statement",
    [
        "grant usage on database ecommerce_dw to role reporter",
        "revoke usage on database ecommerce_dw from role reporter",
        "create warehouse if not exists batch_wh warehouse_size = 'MEDIUM' auto_suspend = 300",
        "alter warehouse batch_wh set warehouse_size = 'SMALL'",
        "create role if not exists transformer",
        "use warehouse batch_wh",
        "use role transformer",
        "alter session set timezone = 'UTC'",
        "alter session set statement_timeout_in_seconds = 60",
        "alter schema raw set data_retention_time_in_days = 1",
        "comment on schema raw is 'landing'",
    ],
)
def test_what_the_stand_in_has_none_of_is_skipped_and_logged(
    sql: Callable[..., Any], data_dir: Path, statement: str
) -> None:
    assert sql(f"-- a line before\n/* a comment before */ {statement} /* and behind */;") == [
        ("Statement executed successfully.",)
    ]
    log = (data_dir / "run" / "snowflake.log").read_text()
    assert f"SKIPPED (the stand-in has no such thing): {statement}" in log


def test_reclustering_of_a_table_is_skipped(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.clustered (id number, moment timestamp_ntz) cluster by (to_date(moment), id)")
    assert sql("alter table raw.clustered cluster by (id)") == [("Statement executed successfully.",)]


def test_a_query_tag_is_kept_in_its_session(sql: Callable[..., Any], open_session: Callable[..., Any]) -> None:
    tag = '{"run": "it\'s"}'
    with open_session() as other:
        sql("alter session set query_tag = '" + tag.replace("'", "''") + "'", on=other)
        assert sql("show parameters like 'query_tag' in session", on=other)[0][:2] == ("QUERY_TAG", tag)
        assert sql("show parameters like 'query_tag' in session")[0][1] == ""
        sql("alter session unset query_tag", on=other)
        assert sql("show parameters like 'query_tag' in session", on=other)[0][1] == ""


def test_a_query_tag_may_come_with_the_login(sql: Callable[..., Any], open_session: Callable[..., Any]) -> None:
    with open_session(session_parameters={"QUERY_TAG": "it's run 7"}) as other:
        assert sql("show parameters like 'QUERY_TAG' in session", on=other)[0][1] == "it's run 7"


def test_there_are_no_grants_to_show(sql: Callable[..., Any]) -> None:
    assert sql("show grants on schema raw") == []


def test_comments_within_a_statement_and_texts_like_comments_stay(sql: Callable[..., Any]) -> None:
    assert sql("select /* a */ 1, '/* b */' /* c */ from values (1) /* d */ where '--' <> '/* e */' /* f */") == [
        (1, "/* b */")
    ]
