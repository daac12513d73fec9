"""A column of every ClickHouse type beside Snowflake's, compared from a file: equal values agree, others do not."""

from __future__ import annotations

from typing import Any

import pytest

from ecommerce_platform.reconciliation.compare.clickhouse_side import ClickHouseTable
from ecommerce_platform.reconciliation.compare.config import Comparison
from ecommerce_platform.reconciliation.compare.run import Compared, compare
from ecommerce_platform.reconciliation.compare.snowflake_side import SnowflakeTable
from ecommerce_platform.reconciliation.compare.verdicts import RowReason
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.warehouse.sql.connection import execute
from ecommerce_platform_tests.reconciliation.two_layers import TwoLayers

_UUID = "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"
_ENUM = "'new' = 1, 'paid' = 2, 'it''s back' = -3"
_WIDEST = "9" * 37
#: Type in the file, type in ClickHouse, the value there, type in Snowflake, the value there, and one that differs from it.
CASES = [
    ("text", "String", "'Köln 😀'", "string", "'Köln 😀'", "'Koln 😀'"),
    ("text", "String", "'Caf\u00e9'", "string", "'Caf\u00e9'", "'Cafe\u0301'"),
    ("text", "String", "'Paid'", "string", "'Paid'", "'paid'"),
    ("text", "String", "''", "string", "''", "' '"),
    ("text", "Nullable(String)", "'a'", "string", "'a'", "null"),
    ("text", "LowCardinality(String)", "'paid'", "string", "'paid'", "'new'"),
    ("text", "LowCardinality(Nullable(String))", "'paid'", "string", "'paid'", "null"),
    ("text", "LowCardinality(FixedString(8))", "'paid'", "string", "'paid'", "'paid '"),
    ("text", "FixedString(8)", "'paid'", "string", "'paid'", "'pai'"),
    ("text", "Nullable(FixedString(3))", "'é'", "string", "'é'", "'e'"),
    ("text", f"Enum8({_ENUM})", "'it''s back'", "string", "'it''s back'", "'paid'"),
    ("text", f"Enum16({_ENUM})", "'paid'", "string", "'paid'", "'2'"),
    ("text", f"Nullable(Enum8({_ENUM}))", "'paid'", "string", "'paid'", "null"),
    ("text", "UUID", _UUID, "string", _UUID, _UUID.replace("a0", "b0")),
    ("text", "UUID", _UUID, "string", _UUID.upper(), _UUID.upper().replace("A0", "B0")),
    ("text", "Nullable(UUID)", _UUID, "string", _UUID, "null"),
    ("text", "String", _UUID, "string", _UUID, _UUID.upper()),
    ("text", "IPv4", "'10.0.0.7'", "string", "'10.0.0.7'", "'10.0.0.70'"),
    ("text", "IPv6", "'2001:db8::1'", "string", "'2001:db8::1'", "'2001:db8::2'"),
    ("text", "UInt64", "18446744073709551615", "string", "'18446744073709551615'", "'18446744073709551614'"),
    ("text", "SimpleAggregateFunction(anyLast, Nullable(String))", "'a'", "string", "'a'", "'b'"),
    *(("integer", f"Int{bits}", f"-{2**bits // 2}", "number(37, 0)", f"-{2**bits // 2}", "0") for bits in (8, 16, 32, 64)),
    *(("integer", f"UInt{bits}", f"{2**bits - 1}", "number(37, 0)", f"{2**bits - 1}", "0") for bits in (8, 16, 32, 64)),
    *(
        ("integer", kind, f"'{_WIDEST}'", "number(37, 0)", _WIDEST, _WIDEST[:-1] + "8")
        for kind in ("Int128", "UInt128", "Int256", "UInt256", "Nullable(Int256)", "String")
    ),
    ("integer", "LowCardinality(UInt32)", "7", "number", "7", "8"),
    ("integer", "Nullable(Decimal(38, 2))", "-700", "number", "-700", "-7"),
    ("integer", "Decimal(20, 0)", "18446744073709551615", "number(37, 0)", "18446744073709551615", "0"),
    ("integer", "Int32", "7", "number(10, 2)", "7.00", "7.01"),
    ("decimal", "Decimal(9, 2)", "-0.50", "number(9, 2)", "-0.50", "0.50"),
    ("decimal", "Decimal(9, 0)", "100", "number(9, 2)", "100", "10"),
    ("decimal", "Decimal(18, 4)", "100", "number(9, 0)", "100", "101"),
    ("decimal", "Decimal(38, 10)", "'1.0000000001'", "number(37, 10)", "1.0000000001", "1.0000000002"),
    ("decimal", "Decimal(76, 38)", "'12345678901234567890.5'", "number(37, 2)", "12345678901234567890.50", "1"),
    ("decimal", "Decimal128(20)", "'-1.00000000000000000001'", "number(37, 20)", "-1.00000000000000000001", "-1"),
    ("decimal", "Decimal256(2)", f"'{_WIDEST}'", "number(37, 0)", _WIDEST, "1"),
    ("decimal", "Nullable(Decimal(9, 2))", "0", "number(9, 2)", "0", "null"),
    ("decimal", "UInt256", f"'{_WIDEST}'", "number(37, 0)", _WIDEST, "1"),
    ("decimal", "Float64", "10.1", "number(9, 2)", "10.10", "10.11"),
    ("decimal", "Float32", "10.1", "number(9, 2)", "10.10", "10.11"),
    ("decimal", "Nullable(Float64)", "1e-7", "number(9, 7)", "0.0000001", "0"),
    ("decimal", "Float64", "nan", "number(9, 2)", None, "1"),
    ("decimal", "Float64", "-inf", "number(9, 2)", None, "null"),
    ("decimal", "String", "'10.10'", "number(9, 2)", "10.1", "10.2"),
    ("boolean", "Bool", "true", "boolean", "true", "false"),
    ("boolean", "UInt8", "2", "boolean", "true", "false"),
    ("boolean", "Nullable(Bool)", "false", "boolean", "false", "null"),
    ("date", "Date", "'2026-01-05'", "date", "'2026-01-05'", "'2026-01-06'"),
    ("date", "Date32", "'1950-02-28'", "date", "'1950-02-28'", "'1950-03-01'"),
    ("date", "DateTime64(3)", "toDateTime64('2026-01-05 23:30:00', 3, 'UTC')", "date", "'2026-01-05'", "'2026-01-06'"),
    ("date", "String", "'2026-01-05'", "date", "'2026-01-05'", "'2026-01-06'"),
    *(
        ("timestamp", kind, "toDateTime64('2026-01-05 23:30:00.25', 9, 'UTC')", "timestamp_ntz", value, other)
        for kind, value, other in (
            ("DateTime", "'2026-01-05 23:30:00'", "'2026-01-06 00:30:00'"),
            ("DateTime('America/New_York')", "'2026-01-05 23:30:00'", "'2026-01-05 18:30:00'"),
            ("Nullable(DateTime('UTC'))", "'2026-01-05 23:30:00'", "null"),
            ("DateTime64(3)", "'2026-01-05 23:30:00.250'", "'2026-01-05 23:30:00'"),
            ("DateTime64(6, 'Asia/Kathmandu')", "'2026-01-05 23:30:00.250'", "'2026-01-05 23:30:00.250001'"),
            ("DateTime64(9, 'Europe/Berlin')", "'2026-01-05 23:30:00.250'", "'2026-01-06 00:30:00.250'"),
            ("LowCardinality(DateTime)", "'2026-01-05 23:30:00'", "'2026-01-05 23:30:01'"),
            ("Date32", "'2026-01-05 00:00:00'", "'2026-01-05 23:30:00'"),
        )
    ),
    ("timestamp", "String", "'2026-01-06T01:30:00.250+02:00'", "timestamp_ntz", "'2026-01-05 23:30:00.250'", "null"),
    ("timestamp", "String", "'2026-01-05 23:30:00'", "timestamp_ntz", "'2026-01-05 23:30:00'", "null"),
    ("timestamp", "DateTime64(6)", "toDateTime64('1969-12-31 23:59:59.999999', 6, 'UTC')", "timestamp_ntz",
     "'1969-12-31 23:59:59.999999'", "'1970-01-01 00:00:00'"),
]  # fmt: skip


def compared(two: TwoLayers, kind: str, key: tuple[str, ...] = ("id",), **changes: Any) -> Compared:
    content: dict[str, Any] = {
        "name": "typed",
        "key": key,
        "columns": {"id": {"type": "integer"}, "v": {"type": kind}},
        "clickhouse": {"table": "typed"},
        "snowflake": {"table": "RECONCILIATION.TYPED"},
    }
    comparison = Comparison.model_validate(content | changes)
    return compare(ClickHouseTable(comparison, two.client), SnowflakeTable(comparison, two.connection), "run-1")


def put(two: TwoLayers, declared: str, value: str, snowflake: str, values: list[str]) -> None:
    """As many rows on both sides: in ClickHouse all with `value`, in Snowflake with `values`."""
    two.client.command("drop table if exists typed")
    two.client.command(
        f"create table typed (id Int64, v {declared}) engine = MergeTree order by id "
        "settings allow_suspicious_indices = 1",
        settings={"allow_suspicious_low_cardinality_types": 1},
    )
    rows = ", ".join(f"({number}, {value})" for number in range(len(values)))
    two.client.command(f"insert into typed values {rows}")
    execute(two.connection, "create schema if not exists RECONCILIATION")
    execute(two.connection, f"create or replace table RECONCILIATION.TYPED (ID number, V {snowflake})")
    picked = ", ".join(f"({number}, {text})" for number, text in enumerate(values))
    execute(two.connection, f"insert into RECONCILIATION.TYPED values {picked}")


@pytest.mark.parametrize(("kind", "declared", "value", "snowflake", "equal", "other"), CASES)
def test_equal_values_agree_and_others_do_not(
    two: TwoLayers, kind: str, declared: str, value: str, snowflake: str, equal: str | None, other: str
) -> None:
    put(two, declared, value, snowflake, [equal or "null", other])
    comparison = compared(two, kind)
    differing = (1,) if equal is not None else (0, 1)
    # By their checksums as well as by the values that are fetched.
    assert comparison.located.keys == differing
    assert tuple(item.key[0] for item in comparison.findings) == differing


@pytest.mark.parametrize(
    ("kind", "declared", "value", "snowflake", "equal", "other"),
    [
        case
        for case in CASES
        if case[4] and not case[5].startswith("null") and case[0] in ("text", "integer", "timestamp", "date")
    ],
)
def test_values_of_every_type_are_keys(
    two: TwoLayers, kind: str, declared: str, value: str, snowflake: str, equal: str, other: str
) -> None:
    put(two, declared, value, snowflake, [equal])
    assert compared(two, kind, key=("v",)).equal
    put(two, declared, value, snowflake, [other])
    comparison = compared(two, kind, key=("v",))
    assert sorted(item.reason for item in comparison.findings) == [
        RowReason.MISSING_IN_CLICKHOUSE, RowReason.MISSING_IN_SNOWFLAKE,
    ]  # fmt: skip


EXTREMES = {
    "Int64": [-(2**63), -1, 0, 1, 2**63 - 1],
    "UInt64": [0, 1, 2**63, 2**64 - 1],
    "Int256": [-(10**36), -(2**64), -1, 0, 2**64, 10**36],
}


@pytest.mark.parametrize("declared", EXTREMES)
def test_integer_keys_from_one_end_of_their_type_to_the_other(two: TwoLayers, declared: str) -> None:
    keys = [*EXTREMES[declared], *range(10, 40)]
    two.client.command("drop table if exists typed")
    two.client.command(f"create table typed (id {declared}, v String) engine = MergeTree order by id")
    stored = ", ".join(f"('{key}', 'a')" for key in keys)
    two.client.command(f"insert into typed values {stored}")
    execute(two.connection, "create schema if not exists RECONCILIATION")
    execute(two.connection, "create or replace table RECONCILIATION.TYPED (ID number(37, 0), V string)")
    rows = ", ".join(f"({key}, '{'b' if key in EXTREMES[declared] else 'a'}')" for key in keys)
    execute(two.connection, f"insert into RECONCILIATION.TYPED values {rows}")
    comparison = compared(two, "text")
    assert {item.key[0]: item.reason for item in comparison.findings} == dict.fromkeys(
        EXTREMES[declared], RowReason.VALUE
    )
    execute(two.connection, "update RECONCILIATION.TYPED set V = 'a'")
    assert compared(two, "text").located.keys == ()


def test_text_keys_of_either_case_and_form_are_other_keys(two: TwoLayers) -> None:
    keys = [
        "elm",
        "Elm",
        "Caf\u00e9",
        "Cafe\u0301",
        "ß",
        "ss",
        "a\u0000b",
        "z",
        "Z",
        "ä",
        _UUID.strip("'"),
        _UUID.strip("'").upper(),
    ]
    two.client.command("drop table if exists typed")
    two.client.command("create table typed (id Int64, v String) engine = MergeTree order by id")
    two.client.insert("typed", [[1, key] for key in keys], column_names=["id", "v"])
    execute(two.connection, "create schema if not exists RECONCILIATION")
    execute(two.connection, "create or replace table RECONCILIATION.TYPED (ID number, V string)")
    for key in keys:
        if "\u0000" not in key:
            execute(two.connection, "insert into RECONCILIATION.TYPED values (1, %s)", (key,))
    comparison = compared(two, "text", key=("v",))
    assert [(item.key, item.reason) for item in comparison.findings] == [
        (("a\u0000b",), RowReason.MISSING_IN_SNOWFLAKE)
    ]


@pytest.mark.parametrize(
    ("kind", "declared", "value"),
    [
        ("text", "Array(String)", "['a']"),
        ("timestamp", "Int64", "1"),
        ("boolean", "String", "'true'"),
        ("text", "Bool", "true"),
    ],
)
def test_a_type_that_is_not_compared_is_refused_by_name(two: TwoLayers, kind: str, declared: str, value: str) -> None:
    put(two, declared, value, "string", ["null"])
    with pytest.raises(ReconciliationError) as refused:
        compared(two, kind)
    for part in (
        f"ClickHouse table typed: column v has the type {declared}, which is not compared as {kind}",
        "expected one of",
    ):
        assert part in str(refused.value)


def test_a_number_that_text_does_not_hold_is_named(two: TwoLayers) -> None:
    put(two, "String", "'ten'", "number", ["10"])
    with pytest.raises(ReconciliationError, match=r"ClickHouse table typed could not be read: .*'ten'"):
        compared(two, "integer")
