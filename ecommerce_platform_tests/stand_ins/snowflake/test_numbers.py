"""Arithmetic on NUMBER, with the scales that Snowflake documents."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError


@pytest.fixture(scope="module", autouse=True)
def amounts(sql: Callable[..., Any]) -> None:
    sql("create or replace table raw.amounts (id number, grp string, amount number(18,2))")
    sql("insert into raw.amounts values (1, 'a', 0.10), (2, 'a', 0.20), (3, 'b', 2.01), (4, 'b', null)")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1.00::number(10,2) / 3::number", Decimal("0.33333333")),  # scale 2 + 6
        ("2::number / 3::number", Decimal("0.666667")),  # scale 0 + 6
        ("1::number(38,10) / 3", Decimal("0.333333333333")),  # at most 12
        ("2.01::number(18,2) / 2", Decimal("1.00500000")),
        ("round(2.01::number(18,2) / 2, 2)", Decimal("1.01")),  # half away from zero; as DOUBLE it is 1.00
        ("round(-2.01::number(18,2) / 2, 2)", Decimal("-1.01")),
        ("(24690.01::number(18,2) / 2)::number(18,2)", Decimal("12345.01")),
        ("round(31525.795::number(38,12) / 7, 2)", Decimal("4503.69")),  # 4503.685 has no DOUBLE of twelve decimals
        ("round((100::number(38,12)) / 3 / 7, 4)", Decimal("4.7619")),
        # More digits than a DOUBLE keeps, of both signs, and of a divisor with digits after the point.
        ("42949672929999999991::number(37,0) / 3", Decimal("14316557643333333330.333333")),
        ("-42949672929999999991::number(37,0) / 3", Decimal("-14316557643333333330.333333")),
        ("214748364599999999.99::number(38,2) / -7", Decimal("-30678337799999999.99857143")),
        ("214748364599999999.99::number(38,2) / 0.03::number(3,2)", Decimal("7158278819999999999.66666667")),
        ("1 / null", None),
        ("null / 0", None),
        ("div0(5, 0)", Decimal(0)),
        ("div0null(5, null)", Decimal(0)),
        ("div0(2.01::number(18,2), 2)", Decimal("1.005")),
        ("case when 1 = 1 then 0 else 1 / 0 end", Decimal(0)),
        ("round(2.345::number(10,3), 2)", Decimal("2.35")),
        ("round(-2.345::number(10,3), 2)", Decimal("-2.35")),
        ("2.345::number(10,3)::number(10,2)", Decimal("2.35")),
    ],
)
def test_a_quotient_has_the_scale_and_the_rounding_of_snowflake(
    sql: Callable[..., Any], expression: str, expected: Decimal | None
) -> None:
    assert sql(f"select {expression}") == [(expected,)]


def test_a_quotient_is_a_number_also_in_a_table(sql: Callable[..., Any]) -> None:
    sql(
        "create or replace table raw.quotients as select amount / 2 as half, avg(amount) over () as mean from raw.amounts"
    )
    types = sql(
        "select data_type, numeric_scale from information_schema.columns where table_name = 'QUOTIENTS' order by column_name"
    )
    assert types == [("NUMBER", 8), ("NUMBER", 8)]


def test_a_quotient_of_floats_stays_a_float(sql: Callable[..., Any]) -> None:
    (row,) = sql("select 1::float / 3, sqrt(2) / 2")
    assert row == (pytest.approx(1 / 3), pytest.approx(2**0.5 / 2))
    assert all(isinstance(value, float) for value in row)


def test_division_by_zero_is_an_error(sql: Callable[..., Any]) -> None:
    with pytest.raises(ProgrammingError, match="Division by zero"):
        sql("select amount / (id - 1) from raw.amounts")


def test_sums_and_averages_of_money_are_exact(sql: Callable[..., Any]) -> None:
    rows = sql("select grp, sum(amount), avg(amount), avg(distinct amount) from raw.amounts group by grp order by grp")
    assert rows == [
        ("a", Decimal("0.30"), Decimal("0.15"), Decimal("0.15")),
        ("b", Decimal("2.01"), Decimal("2.01"), Decimal("2.01")),
    ]
    assert all(isinstance(value, Decimal) for row in rows for value in row[1:])


def test_an_average_over_a_window_and_of_no_rows(sql: Callable[..., Any]) -> None:
    windows = sql("select id, avg(amount) over (partition by grp order by id) from raw.amounts order by id")
    assert windows == [(1, Decimal("0.10")), (2, Decimal("0.15")), (3, Decimal("2.01")), (4, Decimal("2.01"))]
    assert sql("select avg(amount), sum(amount) from raw.amounts where id > 9") == [(None, None)]


def test_columns_without_alias_keep_snowflakes_names(sql: Callable[..., Any], session: Any) -> None:
    with session.cursor() as cursor:
        cursor.execute("select amount / 2, avg(amount), sum(amount) from raw.amounts group by amount")
        assert [column.name for column in cursor.description] == ["AMOUNT / 2", "AVG(AMOUNT)", "SUM(AMOUNT)"]
