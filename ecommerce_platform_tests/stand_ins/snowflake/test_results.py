# ruff: noqa: DTZ001 (TIMESTAMP_NTZ has no zone)
"""Values on their way to the client and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.constants import FIELD_ID_TO_NAME
from snowflake.connector.cursor import SnowflakeCursor


def test_a_null_timestamp_stays_null(sql: Callable[..., Any]) -> None:
    assert sql("select null::timestamp_ntz, '2026-01-01'::timestamp_ntz") == [(None, datetime(2026, 1, 1))]


def test_a_timestamp_keeps_its_microseconds_before_and_after_1970(sql: Callable[..., Any]) -> None:
    times = [datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(9999, 12, 31)]
    rows = sql("select column1::timestamp_ntz from values " + ", ".join(f"('{time.isoformat(' ')}')" for time in times))
    assert [row[0] for row in rows] == times


def test_a_column_of_null_timestamps_and_one_without_rows_can_be_read(sql: Callable[..., Any]) -> None:
    assert sql("select null::timestamp_ntz from values (1), (2)") == [(None,), (None,)]
    assert sql("select '2026-01-01'::timestamp_ntz where false") == []


@pytest.mark.parametrize(
    "expression", ["sign(-3)", "1::tinyint", "1::smallint", "length('abc')", "dayofweek('2026-01-01'::date)"]
)
def test_small_whole_numbers_have_a_type_on_the_wire(sql: Callable[..., Any], expression: str) -> None:
    assert isinstance(sql(f"select {expression}")[0][0], int)


def test_values_bound_by_the_server_keep_their_types(open_session: Callable[..., SnowflakeConnection]) -> None:
    values = (7, Decimal("1.50"), 2.5, date(2026, 1, 1), datetime(2026, 1, 1, 1, 2, 3, 456), "é' x", None)
    with open_session(paramstyle="qmark") as connection, connection.cursor() as cursor:
        row = cursor.execute(
            "select cast(? as number), cast(? as number(10,2)), cast(? as float), ?, cast(? as timestamp_ntz), ?, ?",
            values,
        ).fetchone()
    assert row == values


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        (
            "select count(*), sum(a), 7 as b, max(a) + 1 from (select 1 as a)",
            ["COUNT(*)", "SUM(A)", "B", "MAX(A) + 1"],
        ),
        ("select count(*) from values (1) union all select 2", ["COUNT(*)"]),
        ("with one as (select 1 as x) select min(x), 'Text' from one", ["MIN(X)", "'TEXT'"]),
        ("select (select count(*) from values (1)) from values (1)", ["(SELECT COUNT(*) FROM (VALUES (1)))"]),
    ],
)
def test_a_column_without_a_name_is_headed_by_its_text(
    session: SnowflakeConnection, statement: str, names: list[str]
) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)
        assert [column.name for column in cursor.description] == names


def test_only_the_latest_results_are_kept_for_result_scan(
    sql: Callable[..., Any], session: SnowflakeConnection
) -> None:
    with session.cursor() as cursor:
        first = cursor.execute("select 'first'").sfqid
        assert cursor.execute(f"select * from table(result_scan('{first}'))").fetchall() == [("first",)]
        for number in range(80):
            cursor.execute(f"select {number}")
        with pytest.raises(Exception, match="not found"):
            cursor.execute(f"select * from table(result_scan('{first}'))")


_DESCRIBED = (
    "select 1 as A, 2::number(18, 2) as B, 'x' as C, null as D, parse_json('{}') as E, current_timestamp() as G, "
    "'2026-01-01'::timestamp_ntz as H, 1::double as I, '10:00'::time as J, '2026-01-01'::date as K, true as L, 4 as A"
)
_DESCRIPTION = [
    ("A", "FIXED", 38, 0),
    ("B", "FIXED", 18, 2),
    ("C", "TEXT", None, None),
    ("D", "TEXT", None, None),
    ("E", "VARIANT", None, None),
    ("G", "TIMESTAMP_TZ", 0, 9),
    ("H", "TIMESTAMP_NTZ", 0, 9),
    ("I", "REAL", None, None),
    ("J", "TIME", 0, 9),
    ("K", "DATE", None, None),
    ("L", "BOOLEAN", None, None),
    ("A", "FIXED", 38, 0),
]


def _description(cursor: SnowflakeCursor) -> list[tuple[Any, ...]]:
    return [
        (column.name, FIELD_ID_TO_NAME[column.type_code], column.precision, column.scale)
        for column in cursor.description
    ]


def test_a_result_says_its_columns_types_when_it_is_made_without_rows_and_when_it_is_read_again(
    session: SnowflakeConnection,
) -> None:
    with session.cursor() as cursor:
        assert _description(cursor.execute(f"{_DESCRIBED} where false")) == _DESCRIPTION
        query = cursor.execute(_DESCRIBED).sfqid
        assert _description(cursor) == _DESCRIPTION
        cursor.execute("create or replace temporary table DESCRIBED (N number(10, 0))")
        assert _description(cursor) == [("status", "TEXT", None, None)]
        cursor.execute("insert into DESCRIBED select column1 from values (1), (2)")
        assert _description(cursor) == [("number of rows inserted", "FIXED", 38, 0)]
        assert _description(cursor.execute(f"select * from table(result_scan('{query}'))")) == _DESCRIPTION
