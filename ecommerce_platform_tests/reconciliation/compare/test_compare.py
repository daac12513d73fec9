"""Two tables on the real stand-ins, compared from a file: everything that differs is found, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.reconciliation.command import compare_tables
from ecommerce_platform.reconciliation.compare.clickhouse_side import ClickHouseTable
from ecommerce_platform.reconciliation.compare.config import Comparison
from ecommerce_platform.reconciliation.compare.results import as_json, result_rows
from ecommerce_platform.reconciliation.compare.run import Compared, compare
from ecommerce_platform.reconciliation.compare.snowflake_side import SnowflakeTable
from ecommerce_platform.reconciliation.compare.verdicts import RowReason
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all
from ecommerce_platform_tests.reconciliation.two_layers import TwoLayers
from ecommerce_platform_tests.snowflake_dialect import assert_snowflake

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
_CLICKHOUSE = """create or replace table payments (shop String, number Int64, amount Nullable(Decimal(18, 4)),
    paid_at Nullable(DateTime64(6, 'UTC')), paid_on Nullable(Date32), open Nullable(Bool), note Nullable(String))
    engine = MergeTree order by (shop, number)"""
_SNOWFLAKE = """create or replace table RECONCILIATION.PAYMENTS (SHOP string, ID number, AMOUNT number(18, 4),
    PAID_AT timestamp_ntz, PAID_ON date, OPEN boolean, NOTE string)"""
_NAMES = ("shop", "id", "amount", "paid_at", "paid_on", "open", "note")
Row = tuple[Any, ...]


def row(number: int, shop: str = "Köln 😀", **changes: Any) -> Row:
    values: dict[str, Any] = {
        "shop": shop,
        "id": number,
        "amount": Decimal(number % 10_000) / 4,
        "paid_at": NOON + timedelta(seconds=number % 10**6, microseconds=number % 7),
        "paid_on": date(1969, 12, 30) + timedelta(days=number % 40),
        "open": [True, False, None][number % 3],
        "note": None if number % 5 == 0 else f"ünïcode; 'n' \\ {number}",
    }
    return tuple((values | changes).values())


def put(two: TwoLayers, clickhouse: list[Row], snowflake: list[Row]) -> None:
    two.client.command(_CLICKHOUSE)
    execute(two.connection, "create schema if not exists RECONCILIATION")
    execute(two.connection, _SNOWFLAKE)
    if clickhouse:
        names = ["shop", "number", *_NAMES[2:]]
        two.client.insert("payments", [list(values) for values in clickhouse], column_names=names)
    picked = ", ".join(f"entry.value[{place}]::string" for place in range(len(_NAMES)))
    for start in range(0, len(snowflake), 1000):
        plain = [
            [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in values]
            for values in snowflake[start : start + 1000]
        ]
        execute(
            two.connection,
            f"insert into RECONCILIATION.PAYMENTS select {picked} from table(flatten(input => parse_json(%s))) as entry",
            (json.dumps(plain, default=str),),
        )


def described(key: tuple[str, ...] = ("shop", "id"), **changes: Any) -> Comparison:
    content: dict[str, Any] = {
        "name": "payments",
        "key": key,
        "columns": {
            "shop": {"type": "text"},
            "id": {"type": "integer"},
            "amount": {"type": "decimal"},
            "paid_at": {"type": "timestamp"},
            "paid_on": {"type": "date"},
            "open": {"type": "boolean"},
            "note": {"type": "text"},
        },
        "clickhouse": {"table": "payments", "columns": {"id": "number"}},
        "snowflake": {"table": "RECONCILIATION.PAYMENTS"},
        "labels": {"team": "data", "env": "test"},
    }
    return Comparison.model_validate(content | changes)


def compared(two: TwoLayers, comparison: Comparison) -> Compared:
    return compare(ClickHouseTable(comparison, two.client), SnowflakeTable(comparison, two.connection), "run-1")


def reasons(comparison: Compared) -> dict[tuple[Any, ...], RowReason]:
    return {item.key: item.reason for item in comparison.findings}


KEYS = [("shop", "id"), ("id",), ("note", "id", "paid_at", "open")]
NUMBERS = [*range(1, 300), 10**12, -(10**12), -1, 0]


@pytest.mark.parametrize("key", KEYS)
def test_equal_tables_are_equal_without_fetching_a_row(two: TwoLayers, key: tuple[str, ...]) -> None:
    # A key without nulls: whole keys alone can be compared.
    rows = [row(number, note=f"n{number}", open=number % 2 == 0) for number in NUMBERS]
    put(two, rows, rows)
    comparison = compared(two, described(key))
    assert comparison.equal
    assert comparison.located.rows_fetched == 0
    assert comparison.verdict == f"payments: no key differs; {len(rows)} rows in ClickHouse, {len(rows)} in Snowflake"
    assert {item.status for item in result_rows(comparison)} == {"success"}


def test_nulls_unicode_dates_and_booleans_have_one_checksum_in_both_engines(two: TwoLayers) -> None:
    rows = [row(number) for number in NUMBERS]
    rows += [row(10**6, amount=None, paid_at=None, paid_on=None, open=None, note=None), row(10**6 + 1, note="")]
    put(two, rows, rows)
    assert compared(two, described()).located.keys == ()


@pytest.mark.parametrize("key", KEYS[:2])
def test_every_difference_is_found_with_its_reason_and_nothing_else(two: TwoLayers, key: tuple[str, ...]) -> None:
    rows = {number: row(number) for number in NUMBERS}
    other = dict(rows)
    changes = {
        7: {"amount": Decimal("1.7600")},
        8: {"amount": Decimal("99.0000")},
        9: {"note": None},
        10**12: {"paid_at": rows[10**12][3] + timedelta(hours=-5)},
        -(10**12): {"open": False},
        1: {"open": True},
        0: {"paid_on": date(2026, 1, 1)},
    }
    for number, changed in changes.items():
        other[number] = row(number, **changed)
    del other[11], other[-1]
    extra = row(5 * 10**9)
    put(two, [*other.values(), extra, rows[20]], [*rows.values(), rows[21]])
    comparison = compared(two, described(key))
    assert {item.key[-1]: item.reason for item in comparison.findings} == {
        7: RowReason.ROUNDING,
        8: RowReason.VALUE,
        9: RowReason.NULL_ON_ONE_SIDE,
        10**12: RowReason.TIME_SHIFT_WHOLE_HOURS,
        -(10**12): RowReason.NULL_ON_ONE_SIDE,
        1: RowReason.VALUE,
        0: RowReason.VALUE,
        11: RowReason.MISSING_IN_CLICKHOUSE,
        -1: RowReason.MISSING_IN_CLICKHOUSE,
        5 * 10**9: RowReason.MISSING_IN_SNOWFLAKE,
        20: RowReason.DUPLICATE_IN_CLICKHOUSE,
        21: RowReason.DUPLICATE_IN_SNOWFLAKE,
    }
    (value,) = [item for item in comparison.findings if item.key[-1] == 8]
    assert (value.columns, value.clickhouse, value.snowflake) == (
        ("amount",),
        {"amount": Decimal("99.0000")},
        {"amount": Decimal("2.0000")},
    )
    assert not comparison.equal


def test_filters_and_tolerances_decide_what_counts(two: TwoLayers) -> None:
    put(
        two,
        [row(1), row(2, amount=Decimal("0.5100")), row(3), row(4, shop="other")],
        [row(1), row(2), row(3, amount=Decimal("9.0000"))],
    )
    columns = described().model_dump()["columns"]
    columns["amount"] = {"type": "decimal", "tolerance": "0.01", "threshold": "0.01"}
    sides = {
        "clickhouse": {"table": "payments", "columns": {"id": "number"}, "where": "shop != 'other' and number < 3"},
        "snowflake": {"table": "RECONCILIATION.PAYMENTS", "where": "ID < 3"},
    }
    comparison = compared(two, described(columns=columns, **sides))
    assert comparison.equal
    assert [item.status for item in result_rows(comparison)] == ["success", "fail", "success"]


def test_tables_without_rows(two: TwoLayers) -> None:
    put(two, [], [])
    assert compared(two, described()).equal
    assert compared(two, described(("id",))).equal
    put(two, [], [row(1)])
    for key in (("shop", "id"), ("id",)):
        assert list(reasons(compared(two, described(key))).values()) == [RowReason.MISSING_IN_CLICKHOUSE]


@pytest.mark.parametrize("limit", [{"findings": 3}, {"candidates": 3}, {"rows": 5}, {"seconds": 1e-9}])
def test_a_limit_gives_a_partial_verdict_that_is_true(two: TwoLayers, limit: dict[str, float]) -> None:
    put(two, [row(number) for number in range(50)], [row(number, note="other") for number in range(50)])
    comparison = compared(two, described(limits=limit))
    assert not comparison.equal
    assert len(comparison.findings) <= 50
    if len(comparison.findings) < 50:
        assert "at least" in comparison.verdict
        assert "not examined (limit of" in comparison.verdict
        assert result_rows(comparison)[-1].status == "fail"


def test_rows_without_a_key_are_refused(two: TwoLayers) -> None:
    put(two, [row(1)], [row(1), row(2, shop=None)])
    with pytest.raises(ReconciliationError, match=r"payments: 1 rows of the Snowflake table have a null in their key"):
        compared(two, described())


def test_a_column_that_is_not_there_is_a_clear_error(two: TwoLayers) -> None:
    put(two, [row(1)], [row(1)])
    wrong = described(snowflake={"table": "RECONCILIATION.PAYMENTS", "columns": {"note": "REMARK"}})
    with pytest.raises(ReconciliationError, match=r"Snowflake table RECONCILIATION\.PAYMENTS could not be read"):
        compared(two, wrong)
    with pytest.raises(ReconciliationError, match="ClickHouse table nowhere could not be read"):
        compared(two, described(clickhouse={"table": "nowhere"}))


FILE = """
name: payments
key: [shop, id]
columns:
  shop: {type: text}
  id: {type: integer}
  amount: {type: decimal}
clickhouse: {table: payments, columns: {id: number}}
snowflake: {table: RECONCILIATION.PAYMENTS}
results_table: RECONCILIATION.COMPARISONS
labels: {team: data}
"""


def test_the_command_prints_json_ends_with_1_and_writes_its_figures_once(
    two: TwoLayers, servers_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(two, [row(1), row(2)], [row(1), row(2, amount=Decimal("9.0000")), row(3)])
    file = tmp_path / "payments.yaml"
    file.write_text(FILE)
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(servers_settings.data_dir))
    for _ in range(2):
        result = CliRunner().invoke(app, ["compare", str(file), "--format", "json", "--run-id", "r1"])
        assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["reasons"] == {"missing_in_clickhouse": 1, "value": 1}
    assert answer["findings"][0]["key"] == {"shop": "Köln 😀", "id": "2"}
    written = fetch_all(
        two.connection,
        "select validation_type, column_name, source_value, target_value, difference, pct_difference, status, labels "
        "from RECONCILIATION.COMPARISONS where run_id = 'r1' order by validation_type",
    )
    one, third = Decimal(1), Decimal("0.333333")
    assert [values[:2] for values in written] == [("count", None), ("rows", None), ("sum", "amount")]
    assert written[0][2:] == (Decimal(2), Decimal(3), one, third, "fail", "team=data")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x")
    failed = CliRunner().invoke(app, ["compare", str(wrong)])
    assert failed.exit_code == 2
    assert "key: is missing" in failed.output
    equal = tmp_path / "equal.yaml"
    equal.write_text(FILE.replace("results_table: RECONCILIATION.COMPARISONS\n", ""))
    put(two, [row(1)], [row(1)])
    assert CliRunner().invoke(app, ["compare", str(equal)]).exit_code == 0


def test_json_holds_the_columns_of_data_validators(two: TwoLayers, servers_settings: Settings, tmp_path: Path) -> None:
    put(two, [row(1)], [row(1)])
    file = tmp_path / "payments.yaml"
    file.write_text(FILE.replace("results_table: RECONCILIATION.COMPARISONS\n", ""))
    content = as_json(compare_tables(servers_settings, file, "r2"))
    names = {"run_id", "start_time", "end_time", "source_value", "target_value", "difference", "pct_difference"}
    assert all(names | {"pct_threshold", "status", "labels"} <= item.keys() for item in content["results"])


def test_each_statement_that_goes_to_snowflake_is_snowflakes(two: TwoLayers, monkeypatch: pytest.MonkeyPatch) -> None:
    put(two, [row(1)], [row(2)])
    sent: list[str] = []
    rows = SnowflakeTable.rows
    monkeypatch.setattr(SnowflakeTable, "rows", lambda side, sql: sent.append(sql) or rows(side, sql))
    for key in (("shop", "id"), ("id",)):
        compared(two, described(key))
    assert len(sent) >= 7
    for statement in sent:
        assert_snowflake(statement)
