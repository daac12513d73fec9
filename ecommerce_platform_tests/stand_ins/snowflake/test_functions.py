# ruff: noqa: DTZ001 (TIMESTAMP_NTZ has no zone)
"""Functions and clauses that the platform's SQL uses, with Snowflake's meaning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError


@pytest.fixture(scope="module", autouse=True)
def events(sql: Callable[..., Any]) -> None:
    sql(
        "create or replace table raw.events (id number, grp string, word string, moment timestamp_ntz, amount number(10,2))"
    )
    sql(
        "insert into raw.events values (1, 'p', 'x', '2026-01-01 10:11:12.123456', 1.10), (2, 'p', null, null, 2.25), "
        "(3, 'q', 'y', '2026-01-03', -2.30)"
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("md5_number_lower64('Snowflake')", 9203306159527282910),  # Snowflake's documented example
        ("md5_number_upper64('Snowflake')", 17145559544104499780),
        ("md5_number_lower64(null)", None),
        (
            "to_varchar('2026-01-02 03:04:05.678901'::timestamp_ntz, 'YYYY-MM-DD HH24:MI:SS.FF6')",
            "2026-01-02 03:04:05.678901",
        ),
        ("to_varchar('2026-01-02'::timestamp_ntz, 'YYYY-MM-DD\"T\"HH24:MI:SS.FF3')", "2026-01-02T00:00:00.000"),
        ("to_char('2026-01-02'::date, 'YYYYMMDD')", "20260102"),
        ("concat_ws(';', 'a', null, 'b')", None),
        ("concat_ws(null, 'a', 'b')", None),
        ("concat_ws(';', coalesce(null, 'a'), coalesce(null, null), 'b')", None),
        ("concat_ws(';', coalesce(null, 'a'), coalesce('b', '-'), '')", "a;b;"),
        ("trim('\u00a0 a\t ')", "\u00a0 a\t"),
        ("trim('  a  ') || '|' || ltrim(' a ') || '|' || rtrim(' a ')", "a|a | a"),
        ("trim('xxaxx', 'x') || trim(trim(' ya y', 'y'))", "aya"),
        ("to_char('2026-01-02'::date, 'DY, DD MON YYYY')", "Fri, 02 Jan 2026"),
        ("to_varchar(1.10::number(10,2))", "1.10"),
        ("to_varchar(-2.5::number(18,4))", "-2.5000"),
        ("to_varchar(7::number)", "7"),
        ("regexp_like('xabc', 'abc')", False),  # the whole text must match
        ("regexp_like('a@b.cd', '^[^@]+@[^@]+[.][a-z]+$')", True),
        ("datediff('day', '2026-01-01 23:59'::timestamp_ntz, '2026-01-02 00:01'::timestamp_ntz)", 1),
        ("dateadd('day', -30, '2026-01-31'::date)", date(2026, 1, 1)),
        ("'2026-01-05'::date - '2026-01-01'::date", 4),
        ("iff(null, 1, 2)", 2),
        ("nvl(null, 3)", 3),
        ("zeroifnull(null::number)", 0),
        ("greatest(1, null)", None),
        ("equal_null(null, null)", True),
        ("split_part('a@b.c', '@', 2)", "b.c"),
        ("'a' || null", None),
        ("object_construct('a', 1.5, 'b', 'x', 'c', null):b::varchar", "x"),
        ('parse_json(\'{"a": {"b": [1, 2]}}\'):a.b[1]::int', 2),
        ("date_trunc('month', '2026-01-20'::date)::date", date(2026, 1, 1)),
        ("to_timestamp_ntz(1767262272123456, 6)", datetime(2026, 1, 1, 10, 11, 12, 123456)),
        ("date_part('epoch_millisecond', '2026-01-01 10:11:12.123456'::timestamp_ntz)", 1767262272123),
        ("current_warehouse()", "STAND_IN"),
    ],
)
def test_a_scalar_function_means_what_it_means_in_snowflake(
    sql: Callable[..., Any], expression: str, expected: Any
) -> None:
    assert sql(f"select {expression}") == [(expected,)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select sum(md5_number_lower64(grp)) > 0 from raw.events", [(True,)]),
        ("select count_if(amount > 0) from raw.events", [(2,)]),
        ("select listagg(grp, ',') within group (order by id desc) from raw.events", [("q,p,p",)]),
        ("select max_by(word, id), min_by(word, id) from raw.events", [("y", "x")]),
        (
            "select id from raw.events qualify row_number() over (partition by grp order by id desc) = 1 order by 1",
            [(2,), (3,)],
        ),
        (
            "select last_value(word) ignore nulls over (order by id rows between unbounded preceding and current row) "
            "from raw.events order by id",
            [("x",), ("x",), ("y",)],
        ),
        (
            "select first_value(word ignore nulls) over (partition by grp order by id desc "
            "rows between unbounded preceding and current row) from raw.events order by id",
            [("x",), (None,), ("y",)],
        ),
        ("select lag(word) ignore nulls over (order by id) from raw.events order by id", [(None,), ("x",), ("x",)]),
        (
            "select dateadd('day', row_number() over (order by seq4()) - 1, '2026-01-01'::date) "
            "from table(generator(rowcount => 3)) order by 1",
            [(date(2026, 1, 1),), (date(2026, 1, 2),), (date(2026, 1, 3),)],
        ),
        (
            "with recursive days as (select '2026-01-01'::date as day union all "
            "select dateadd('day', 1, day)::date from days where day < '2026-01-02') select day from days order by 1",
            [(date(2026, 1, 1),), (date(2026, 1, 2),)],
        ),
        ("select id from raw.events minus select 1 order by 1", [(2,), (3,)]),
        ("select id * 2 as twice, twice + 1 as more from raw.events where twice = 4", [(4, 5)]),
        (
            "select grp, sum(amount) as total from raw.events group by all order by grp",
            [("p", Decimal("3.35")), ("q", Decimal("-2.30"))],
        ),
        (
            "select id, count(*) over (order by moment range between interval '30 days' preceding and current row) "
            "from raw.events where moment is not null order by id",
            [(1, 1), (3, 2)],
        ),
        ("select column1, column2 from values (1, 'a'), (2, 'b') order by 1", [(1, "a"), (2, "b")]),
    ],
)
def test_a_clause_means_what_it_means_in_snowflake(sql: Callable[..., Any], query: str, expected: Any) -> None:
    assert sql(query) == expected


@pytest.mark.parametrize("right", ["raw.prices", "raw.prices p"])
def test_an_asof_join_takes_the_latest_earlier_row_and_keeps_rows_without_one(
    sql: Callable[..., Any], right: str
) -> None:
    sql("create or replace table raw.prices (product number, since number, price number(10,2))")
    sql("insert into raw.prices values (1, 3, 1.00), (1, 5, 2.00), (2, 1, 9.00)")
    alias = right.split()[-1].split(".")[-1]
    rows = sql(
        "with sold as (select column1 as product, column2 as at from values (1, 2), (1, 3), (1, 6), (3, 6)) "
        f"select sold.product, sold.at, {alias}.price from sold asof join {right} "
        f"match_condition (sold.at >= {alias}.since) on sold.product = {alias}.product order by 1, 2"
    )
    assert rows == [(1, 2, None), (1, 3, Decimal("1.00")), (1, 6, Decimal("2.00")), (3, 6, None)]


def test_last_query_id_is_that_of_the_session(
    sql: Callable[..., Any], open_session: Callable[..., SnowflakeConnection]
) -> None:
    with open_session() as other, other.cursor() as cursor:
        query_id = cursor.execute("select 42").sfqid
        sql("select 'another session'")
        assert cursor.execute("select last_query_id()").fetchall() == [(query_id,)]


def test_a_number_format_is_refused_and_not_ignored(sql: Callable[..., Any]) -> None:
    with pytest.raises(ProgrammingError, match="date or time format"):
        sql("select to_varchar(1234.5, '9,999.00')")
