"""Conditions as text and rows as one parameter: what the engine makes of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.warehouse.sql.conditions import as_parameter, date_condition, key_condition, rows_of
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.snowflake_dialect import assert_snowflake


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], "1 = 0"),
        ([date(2026, 3, 1)], "(d between to_date('2026-03-01') and to_date('2026-03-01'))"),
        (
            [date(2026, 3, 1), date(2026, 2, 28), date(2026, 3, 3), date(2026, 3, 1)],
            "(d between to_date('2026-02-28') and to_date('2026-03-01')"
            " or d between to_date('2026-03-03') and to_date('2026-03-03'))",
        ),
    ],
)
def test_neighbouring_dates_are_one_range(days: list[date], expected: str) -> None:
    assert date_condition("d", days) == expected


def test_a_year_of_dates_is_a_short_condition() -> None:
    year = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    assert len(date_condition("d", year)) < 100


def test_only_the_dates_themselves_meet_the_condition(connection: SnowflakeConnection) -> None:
    days = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 5)]
    every = as_parameter({"day": date(2025, 12, 31) + timedelta(days=number)} for number in range(9))
    rows = rows_of({"day": "date"})
    selected = fetch_all(connection, f"select day from ({rows}) as days where {date_condition('day', days)}", [every])
    assert sorted(day for (day,) in selected) == days


@pytest.mark.parametrize("keys", [[], [0], [-(2**63), -1, 2**63, 2**64 - 1], range(1, 60_000, 2)])
def test_keys_of_any_number_and_size_are_met_exactly(connection: SnowflakeConnection, keys: list[int]) -> None:
    all_keys = [*keys, 2, 2**53 + 1, 2**64 - 2]
    rows = rows_of({"id": "number(37, 0)"})
    condition = key_condition("id", keys)
    selected = fetch_all(
        connection,
        f"select id from ({rows}) as there where {condition}",
        [as_parameter({"id": key} for key in all_keys)],
    )
    assert sorted(int(key) for (key,) in selected) == sorted(keys)
    assert_snowflake(f"select id from t where {condition}")


def test_rows_arrive_as_they_were_sent(connection: SnowflakeConnection) -> None:
    sent = [
        {
            "day": date(2026, 1, 31),
            "name": 'it\'s \\ a "name"; -- %s',
            "snapshot": 9_007_199_254_740_993,
            "sum": "1" * 37,
        },
        {"day": date(1969, 12, 31), "name": "", "snapshot": -1, "sum": "0"},
    ]
    query = rows_of({"day": "date", "name": "varchar", "snapshot": "number(37, 0)", "sum": "number(37, 0)"})
    received = fetch_all(connection, f"select day, name, snapshot, sum from ({query}) as sent", [as_parameter(sent)])
    assert sorted((day, name, int(snapshot), str(total)) for day, name, snapshot, total in received) == sorted(
        tuple(row.values()) for row in sent
    )
    assert fetch_all(connection, f"select count(*) from ({query}) as sent", [as_parameter([])]) == [(0,)]
    assert_snowflake(query.replace("%s", "'[]'"))
