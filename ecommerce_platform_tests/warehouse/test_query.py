"""`ecommerce-platform sql`: what is printed, in each format."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.warehouse.sql.query import QueryResult, format_result, run_sql

NOON = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC).replace(tzinfo=None)  # as the connector gives TIMESTAMP_NTZ
RESULT = QueryResult(
    ("id", "amount", "note", "at", "on_day", "ok"),
    (
        (1, Decimal("12.50"), 'say "hi", ä', NOON, date(2026, 1, 1), True),
        (20, None, None, None, None, None),
        (3, Decimal("0E-2"), "", datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), date(2026, 1, 2), False),
    ),
)


def test_json_is_an_array_of_objects_with_decimals_as_text_and_times_without_offset() -> None:
    rows = json.loads(format_result(RESULT, "json"))

    assert rows[0] == {
        "id": 1,
        "amount": "12.50",
        "note": 'say "hi", ä',
        "at": "2026-01-01T12:00:00.000005",
        "on_day": "2026-01-01",
        "ok": True,
    }
    assert rows[1] == {"id": 20, "amount": None, "note": None, "at": None, "on_day": None, "ok": None}
    assert (rows[2]["amount"], rows[2]["at"]) == ("0.00", "2026-01-01T00:00:00")


def test_csv_tells_an_empty_text_from_a_null() -> None:
    assert format_result(RESULT, "csv") == (
        "id,amount,note,at,on_day,ok\n"
        '1,12.50,"say ""hi"", ä",2026-01-01T12:00:00.000005,2026-01-01,true\n'
        "20,,,,,\n"
        '3,0.00,"",2026-01-01T00:00:00,2026-01-02,false\n'
    )


def test_a_table_aligns_numbers_to_the_right() -> None:
    result = QueryResult(("id", "note"), ((1, "a"), (20, None)))

    assert format_result(result, "table") == "id  note\n--  ----\n 1  a\n20  NULL\n"


def test_no_rows_are_still_valid_output() -> None:
    empty = QueryResult(("id",), ())

    assert format_result(empty, "json") == "[]\n"
    assert format_result(empty, "csv") == "id\n"
    assert format_result(empty, "table") == "id\n--\n"


def test_numbers_that_json_has_no_word_for_are_text() -> None:
    result = QueryResult(("x", "y"), ((float("nan"), b"\x01\xff"),))

    assert json.loads(format_result(result, "json")) == [{"x": "nan", "y": "01ff"}]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="expected table, json or csv"):
        format_result(RESULT, "xml")


def test_a_query_gives_lower_case_names_exact_decimals_and_parameters(connection: SnowflakeConnection) -> None:
    result = run_sql(
        connection,
        'select 1 as id, 0.10::number(10, 2) as amount, 2 as "Mixed", %s as note, '
        "'2026-01-01 10:00:00.123456'::timestamp_ntz as at, null as nothing",
        ("it's 100 %",),
    )

    assert result.columns == ("id", "amount", "Mixed", "note", "at", "nothing")
    at = datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC).replace(tzinfo=None)
    assert result.rows == ((1, Decimal("0.10"), 2, "it's 100 %", at, None),)


def test_what_a_terminal_would_obey_is_shown_as_its_escape() -> None:
    result = QueryResult(("note",), (("\x1b[2Jgone\u202e\r\n",),))
    assert format_result(result, "table").splitlines()[2] == "\\x1b[2Jgone\\u202e\\r\\n"


def test_for_a_spreadsheet_no_text_is_a_formula_and_numbers_stay() -> None:
    result = QueryResult(("note", "change"), (("=cmd|' /C calc'!A0", -1), ("@sum", 2), ("plain", 3)))
    assert format_result(result, "csv", for_spreadsheets=True).splitlines()[1:] == [
        "'=cmd|' /C calc'!A0,-1",
        "'@sum,2",
        "plain,3",
    ]
    assert format_result(result, "csv").splitlines()[1].startswith("=cmd")


def test_every_column_of_a_name_is_in_every_format() -> None:
    result = QueryResult(("id", "id", "id_2", "id"), ((1, 2, 3, 4),))
    assert json.loads(format_result(result, "json")) == [{"id": 1, "id_3": 2, "id_2": 3, "id_4": 4}]
    assert format_result(result, "csv") == "id,id,id_2,id\n1,2,3,4\n"
    assert format_result(result, "table").splitlines()[0] == "id  id  id_2  id"


def test_heads_are_as_harmless_as_what_is_below_them() -> None:
    result = QueryResult(("a\x1b[2J", "=cmd"), ((1, 2),))
    assert format_result(result, "table").splitlines()[0] == "a\\x1b[2J  =cmd"
    assert format_result(result, "csv", for_spreadsheets=True).splitlines()[0] == "a\x1b[2J,'=cmd"
