"""Columns that files bring and the contract does not name: added without loss, or refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from dagster import AssetCheckSeverity
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import Classification, Column, LogicalType, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.assets import day_metadata
from ecommerce_platform.lakehouse.by_hand.inspection import contract_differences
from ecommerce_platform.lakehouse.checks import columns_are_classified
from ecommerce_platform.lakehouse.decode.evolution import extra_column, extra_columns, merged, unknown_problem, widest
from ecommerce_platform.lakehouse.decode.physical import Footer, PhysicalColumn, PhysicalKind
from ecommerce_platform.lakehouse.errors import DayRefusedError, TableEvolutionError
from ecommerce_platform.operations.doctor import _catalog
from ecommerce_platform.settings import Profile
from ecommerce_platform_tests.lakehouse.lake import FIRST, ORDER_SCHEMA, SECOND, THIRD, SmallLake, counts, order

ORDERS = load_contracts()["orders"]
FORTH = THIRD.replace(day=4)


def footer(*columns: PhysicalColumn) -> Footer:
    return Footer(columns, 1)


def physical_column(
    name: str, kind: PhysicalKind = PhysicalKind.TEXT, precision: int = 0, scale: int = 0
) -> PhysicalColumn:
    return PhysicalColumn(name, kind, precision, scale, "nested" if kind is PhysicalKind.OTHER else "")


@pytest.mark.parametrize(
    ("physical", "kept"),
    [
        (physical_column("a", PhysicalKind.INT), "int"),
        (physical_column("a", PhysicalKind.BIGINT), "bigint"),
        (physical_column("a", PhysicalKind.UNSIGNED_BIGINT), "decimal(20,0)"),
        (physical_column("a", PhysicalKind.DECIMAL, 38, 10), "decimal(38,10)"),
        (physical_column("A", PhysicalKind.TEXT), "string"),
        (physical_column("a", PhysicalKind.TIMESTAMP_UTC), "timestamp"),
        (physical_column("a", PhysicalKind.INT96), "timestamp"),
        (physical_column("a", PhysicalKind.DATE), "date"),
        (physical_column("a", PhysicalKind.BOOLEAN), "boolean"),
        (physical_column("a", PhysicalKind.DECIMAL, 40, 2), None),
        (physical_column("a", PhysicalKind.DECIMAL, 5, -2), None),
        (physical_column("a", PhysicalKind.DOUBLE), None),
        (physical_column("a", PhysicalKind.BINARY), None),
        (physical_column("a", PhysicalKind.OTHER), None),
    ],
    ids=str,
)
def test_an_unknown_column_is_kept_in_the_type_that_the_file_has_or_not_at_all(
    physical: PhysicalColumn, kept: str | None
) -> None:
    column = extra_column(physical)
    assert (column.spark_type if column else None) == kept
    assert column is None or (column.name, column.required, column.late) == ("a", False, True)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (
            [physical_column('"; drop table x')],
            "column '\"; drop table x' is not in the contract and its name cannot be used",
        ),
        ([physical_column("größe")], "column 'größe' is not in the contract and its name cannot be used"),
        ([physical_column("a b")], "its name cannot be used"),
        ([physical_column("1st")], "its name cannot be used"),
        ([physical_column("x" * 129)], "its name cannot be used"),
        ([physical_column("")], "its name cannot be used"),
        ([physical_column("batch_id")], "column 'batch_id' has a name that the platform uses itself"),
        ([physical_column("__Source_File")], "has a name that the platform uses itself"),
        ([physical_column("_raw_id")], "has a name that the platform uses itself"),
        ([physical_column("coupon"), physical_column("Coupon")], "column 'coupon' is present more than once"),
        ([physical_column("address", PhysicalKind.OTHER)], "column 'address' is nested and not in the contract"),
        (
            [physical_column("weight", PhysicalKind.DOUBLE)],
            "column 'weight' is double and not in the contract; expected int, bigint",
        ),
        ([physical_column("Coupon"), physical_column("date"), physical_column("nothing", PhysicalKind.NULL)], None),
    ],
)
def test_a_name_or_type_that_cannot_be_kept_safely_is_refused_by_name(
    columns: list[PhysicalColumn], problem: str | None
) -> None:
    reason = unknown_problem(ORDERS, footer(*columns), "add")
    assert reason is None if problem is None else problem in str(reason)
    assert unknown_problem(ORDERS, footer(*columns), "ignore") is None


def test_a_stricter_setting_refuses_every_unknown_column() -> None:
    reason = unknown_problem(ORDERS, footer(physical_column("coupon")), "refuse")
    assert "column 'coupon' is not in the contract; expected its columns alone" in str(reason)


INT, BIGINT, TEXT = (Column("a", kind) for kind in (LogicalType.INT, LogicalType.BIGINT, LogicalType.TEXT))
NARROW, WIDE, FINE = (Column("a", LogicalType.DECIMAL, precision=p, scale=s) for p, s in ((8, 2), (12, 2), (12, 4)))


@pytest.mark.parametrize(
    ("first", "second", "wider"),
    [
        (INT, BIGINT, BIGINT),
        (BIGINT, INT, BIGINT),
        (NARROW, WIDE, WIDE),
        (WIDE, NARROW, WIDE),
        (WIDE, FINE, None),
        (INT, TEXT, None),
        (NARROW, BIGINT, None),
        (TEXT, TEXT, TEXT),
    ],
)
def test_of_two_types_the_one_that_holds_the_other_wins(first: Column, second: Column, wider: Column | None) -> None:
    assert widest(first, second) == wider


def test_two_files_whose_types_disagree_refuse_the_day_by_name() -> None:
    files = [
        ("orders/a", footer(physical_column("coupon"))),
        ("orders/b", footer(physical_column("coupon", PhysicalKind.INT))),
    ]
    with pytest.raises(DayRefusedError, match=r"'coupon', which .* is string in orders/a and int in orders/b"):
        extra_columns(ORDERS, files)
    with pytest.raises(DayRefusedError, match=r"'a', which .* is string in the files; the table has it as int"):
        merged([INT], [TEXT])


def land(
    lake: SmallLake, day: Any, rows: list[dict[str, Any]], file: str = "part-0.parquet", **extra: pa.Array
) -> None:
    content = pa.Table.from_pylist(rows, ORDER_SCHEMA)
    for name, values in extra.items():
        content = content.append_column(name, values)
    lake.land_table(day, content, file)


@pytest.mark.slow
def test_a_column_that_files_bring_appears_in_the_table_and_history_stays_readable(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    first = lake.ingest(FIRST).records[FIRST]
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    rows = [order(2, 2), order(3, 3), order(3, 3)]
    land(
        lake,
        SECOND,
        rows,
        Coupon=pa.array(["ä", None, "x"]),
        points=pa.array([1, 2, 3], pa.int32()),
        discount=pa.array([Decimal("1.50"), None, None], pa.decimal128(8, 2)),
        seen=pa.array([at] * 3, pa.timestamp("us", "UTC")),
        nothing=pa.array([None] * 3, pa.null()),
    )
    # In the same day a file that has the number wider, and one that lacks the columns.
    land(lake, SECOND, [order(4, 4)], "b.parquet", points=pa.array([2**40]), coupon=pa.array(["y"]))
    lake.land(SECOND, order(5, 5), file="c.parquet")

    result = lake.ingest(SECOND)

    # Two rows that differ only in the new column are two events.
    assert (result.refused, counts(result, SECOND)) == ({}, (5, 5, 0, 0))
    assert lake.rows("id", "coupon", "points", "discount", "seen") == [
        (1, None, None, None, None),
        (4, "y", 2**40, None, None),
        (5, None, None, None, None),
        (2, "ä", 1, Decimal("1.50"), at),
        (3, None, 2, None, at),
        (3, "x", 3, None, at),
    ]
    names = Lake.of(lake.settings).load("ecommerce.orders").schema().column_names
    assert names == [column.name for column in ORDERS.all_event_columns] + ["coupon", "discount", "points", "seen"]
    # Days without the column are what they were: nothing is written again.
    assert lake.ingest(FIRST).unchanged == {FIRST: first}


@pytest.mark.slow
def test_a_type_that_the_table_cannot_follow_refuses_its_day_only(lake: SmallLake) -> None:
    land(
        lake,
        FIRST,
        [order(1, 1)],
        points=pa.array([1], pa.int32()),
        price=pa.array([Decimal("1.00")], pa.decimal128(8, 2)),
    )
    land(lake, SECOND, [order(2, 2)], points=pa.array(["many"]))
    land(
        lake,
        THIRD,
        [order(3, 3)],
        points=pa.array([2**40]),
        price=pa.array([Decimal("99999999.00")], pa.decimal128(10, 2)),
    )
    lake.ingest(FIRST)

    result = lake.ingest(SECOND, THIRD)

    assert sorted(result.published) == [THIRD]
    assert "column 'points', which the contract does not name, is string in the files" in result.refused[SECOND].reason
    assert lake.rows("points", "price") == [(1, Decimal("1.00")), (2**40, Decimal("99999999.00"))]
    differences = {
        (item.kind, item.column): item.found
        for item in contract_differences(Lake.of(lake.settings), Intake.of(lake.settings), ORDERS, (FIRST, THIRD))
    }
    assert differences[("unknown column", "price")] in (
        "decimal(8,2); added as decimal(8,2)",
        "decimal(10,2); added as decimal(10,2)",
    )
    assert "the table has it as bigint" in differences[("refused", "")]


def test_the_command_line_shows_what_files_have_that_the_contract_has_not(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(lake.settings.data_dir))
    run = CliRunner().invoke
    land(lake, FIRST, [order(1, 1)])
    same = run(app, ["contract", "diff", "--table", "orders"])
    assert (same.exit_code, "the landing files are as the contracts say" in same.output) == (0, True)

    land(lake, FIRST, [order(1, 1)], coupon=pa.array(["x"]))
    one_more = run(app, ["contract", "diff", "--table", "orders", "--format", "json"])
    assert one_more.exit_code == 0, one_more.output
    assert [(row["kind"], row["column"]) for row in json.loads(one_more.stdout)] == [("unknown column", "coupon")]

    land(lake, SECOND, [order(2, 2)], **{'"; drop table x': pa.array([1])})
    refused = run(app, ["contract", "diff", "--table", "orders", "--date", SECOND.isoformat()])
    assert (refused.exit_code, "its name cannot be used" in refused.stdout.replace("\n", " ")) == (1, True)


def test_production_adds_no_column_until_a_contract_names_it_and_says_so(lake: SmallLake) -> None:
    production = replace(lake, settings=lake.settings.model_copy(update={"profile": Profile.PRODUCTION}))
    secret = {"iban": pa.array(["DE99"]), "größe": pa.array([1.5])}
    land(lake, FIRST, [order(1, 1)], **secret)
    land(lake, SECOND, [order(2, 2)])

    result = production.ingest(FIRST, SECOND)

    assert (result.refused, day_metadata(result, FIRST)["state"]) == ({}, "published")
    assert "iban" not in Lake.of(lake.settings).load("ecommerce.orders").schema().column_names
    assert day_metadata(result, FIRST)["columns_withheld"].startswith("größe, iban: no contract names it")
    assert "columns_withheld" not in day_metadata(result, SECOND)
    check = columns_are_classified(Lake.of(production.settings), "orders", [FIRST])
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.WARN)
    assert columns_are_classified(Lake.of(production.settings), "orders", [SECOND]).passed
    assert f"column iban of orders, {FIRST} to {FIRST}, is left out: no contract names it" in _catalog(
        Lake.of(production.settings)
    )

    named = replace(
        ORDERS, columns=(*ORDERS.columns, Column("iban", LogicalType.TEXT, classification=Classification.PERSONAL))
    )
    assert production.ingest(FIRST, contract=named).published
    assert lake.rows("id", "iban") == [(1, "DE99"), (2, None)]


def test_the_contract_can_name_the_column_later_and_settings_can_leave_it_out(lake: SmallLake) -> None:
    land(lake, FIRST, [order(1, 1)], coupon=pa.array(["x"]))
    lake.ingest(FIRST)
    ignoring = replace(
        lake,
        settings=lake.settings.model_copy(
            update={"lakehouse": lake.settings.lakehouse.model_copy(update={"unknown_columns": "ignore"})}
        ),
    )
    land(lake, SECOND, [order(2, 2)], coupon=pa.array(["y"]), **{'"; drop table x': pa.array([1])})
    assert "its name cannot be used" in lake.ingest(SECOND).refused[SECOND].reason
    assert ignoring.ingest(SECOND).refused == {}
    assert lake.rows("id", "coupon") == [(1, "x"), (2, None)]

    named = replace(ORDERS, columns=(*ORDERS.columns, Column("coupon", LogicalType.TEXT, "Code of a coupon.")))
    land(lake, THIRD, [order(3, 3)], coupon=pa.array(["z"]))
    assert lake.ingest(THIRD, contract=named).unknown_columns == {}
    assert lake.rows("id", "coupon") == [(1, "x"), (2, None), (3, "z")]
    field = Lake.of(lake.settings).load("ecommerce.orders").schema().find_field("coupon")
    assert field.doc == "Code of a coupon."
    # From now on it is a column of the contract: it cannot be taken out again.
    with pytest.raises(TableEvolutionError, match="has the column coupon, which"):
        lake.ingest(FORTH)
    retyped = replace(ORDERS, columns=(*ORDERS.columns, Column("coupon", LogicalType.BIGINT)))
    with pytest.raises(TableEvolutionError, match=r"column coupon of table ecommerce.orders is string"):
        lake.ingest(FORTH, contract=retyped)
