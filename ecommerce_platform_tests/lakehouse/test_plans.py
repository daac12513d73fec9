"""How many Spark plans read files of many forms: the cost of a day follows its rows and files, not their forms."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from ecommerce_platform.contracts import Contract, EpochUnit, load_contracts
from ecommerce_platform.lakehouse.decode.physical import Footer, PhysicalColumn, PhysicalKind
from ecommerce_platform.lakehouse.decode.plans import MOST_PLANS, FileGroup, plan, relevant_columns

ORDERS = load_contracts()["orders"]
FORM = (
    PhysicalColumn("id", PhysicalKind.BIGINT, detail="INT64"),
    PhysicalColumn("user_id", PhysicalKind.BIGINT, detail="INT64"),
    PhysicalColumn("status", PhysicalKind.TEXT, detail="BYTE_ARRAY (String)"),
    PhysicalColumn("total_amount", PhysicalKind.DECIMAL, 10, 2),
    PhysicalColumn("shipping_address", PhysicalKind.TEXT, detail="BYTE_ARRAY (String)"),
    PhysicalColumn("created_at", PhysicalKind.BIGINT, detail="INT64", unit=EpochUnit.MICROSECONDS),
    PhysicalColumn("updated_at", PhysicalKind.BIGINT, detail="INT64", unit=EpochUnit.MICROSECONDS),
    PhysicalColumn("__op", PhysicalKind.TEXT),
    PhysicalColumn("__source_lsn", PhysicalKind.BIGINT),
)
NULLABLE = ("user_id", "status", "total_amount", "shipping_address", "updated_at", "__source_lsn")


def with_columns(*changed: PhysicalColumn) -> tuple[PhysicalColumn, ...]:
    by_name = {column.name: column for column in changed}
    return tuple(by_name.get(column.name, column) for column in FORM)


def planned(*files: tuple[PhysicalColumn, ...], contract: Contract = ORDERS) -> list[FileGroup]:
    forms: dict[tuple[PhysicalColumn, ...], list[str]] = {}
    for number, columns in enumerate(files):
        forms.setdefault(relevant_columns(contract, Footer(columns, 1)), []).append(f"/orders/{number}")
    groups = plan(contract, forms, "/orders/")
    uris = [uri for group in groups for uri in group.uris]
    assert sorted(uris) == sorted(f"/orders/{number}" for number in range(len(files)))
    return groups


def subsets() -> list[tuple[str, ...]]:
    return [absent for size in range(len(NULLABLE) + 1) for absent in combinations(NULLABLE, size)]


def test_files_with_all_different_columns_are_one_scan() -> None:
    files = [tuple(column for column in FORM if column.name not in absent) for absent in subsets()]
    assert len(files) == 64
    (group,) = planned(*files)
    assert (len(group.scans), group.differing) == (1, frozenset())
    assert [column.name for column in group.columns] == [column.name for column in FORM]


def test_columns_of_null_type_are_read_with_whole_numbers_and_else_left_out_of_the_scan() -> None:
    """Three of the nullable columns are whole numbers: what is left are a scan for each set of the other three, in one plan."""
    files = [with_columns(*(PhysicalColumn(name, PhysicalKind.NULL) for name in absent)) for absent in subsets()]
    (group,) = planned(*files)
    assert (len(group.scans), group.differing) == (8, frozenset())
    assert [column.name for column in group.columns] == [column.name for column in FORM]
    assert all(column.kind is not PhysicalKind.NULL for scan in group.scans for column in scan.columns)


def test_any_decimals_are_one_plan_and_a_few_scans() -> None:
    kinds = [(precision, scale) for precision in range(1, 37) for scale in range(min(precision, 3) + 1)]
    (group,) = planned(*(with_columns(PhysicalColumn("total_amount", PhysicalKind.DECIMAL, *kind)) for kind in kinds))
    assert group.differing == {"total_amount"}
    assert len(group.scans) <= 7


def test_forms_of_several_columns_that_vary_independently_are_one_plan() -> None:
    units = [replace(FORM[5], unit=unit) for unit in EpochUnit if unit is not EpochUnit.DAYS]
    times = [*units, *(PhysicalColumn("created_at", kind) for kind in (PhysicalKind.TIMESTAMP_UTC, PhysicalKind.INT96))]
    amounts = [
        FORM[3],
        PhysicalColumn("total_amount", PhysicalKind.TEXT),
        PhysicalColumn("total_amount", PhysicalKind.BINARY),
    ]
    (group,) = planned(*(with_columns(time, amount) for time in times for amount in amounts))
    assert group.differing == {"created_at", "total_amount"}
    assert [column.name for column in group.columns] == [
        column.name for column in FORM if column.name not in group.differing
    ]


@pytest.mark.parametrize("forms", [1, 2, MOST_PLANS])
def test_a_few_forms_are_a_plan_each_whose_original_values_stay_as_they_lie_in_the_file(forms: int) -> None:
    kinds = [PhysicalKind.BIGINT, PhysicalKind.TEXT, PhysicalKind.TIMESTAMP_UTC][:forms]
    groups = planned(*(with_columns(PhysicalColumn("updated_at", kind)) for kind in kinds))
    assert [(len(group.scans), group.differing) for group in groups] == [(1, frozenset())] * forms


def test_an_int_is_read_with_bigints_and_an_annotation_makes_no_form() -> None:
    narrow = with_columns(
        PhysicalColumn("id", PhysicalKind.INT, detail="INT32"),
        PhysicalColumn("status", PhysicalKind.TEXT, detail="BYTE_ARRAY (Enum)"),
    )
    (group,) = planned(FORM, narrow)
    assert len(group.scans) == 1
