"""Tables as the design document has them, following the contract where Iceberg can. No Spark."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyiceberg.catalog import Catalog

from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.errors import TableEvolutionError
from ecommerce_platform.lakehouse.ingest.tables import TABLE_PROPERTIES, ensure_event_table, open_catalog
from ecommerce_platform.settings import Settings

ITEMS = load_contracts()["order_items"]


@pytest.fixture
def catalog(local_settings: Settings) -> Catalog:
    return open_catalog(Lake.of(local_settings))


def changed(column: str, **changes: object) -> Contract:
    columns = tuple(
        replace(item, **changes) if item.name == column else item  # type: ignore[arg-type]
        for item in ITEMS.columns
    )
    return replace(ITEMS, columns=columns)


@pytest.mark.parametrize("contract", load_contracts().values(), ids=lambda contract: contract.table)
def test_a_table_has_the_contracts_columns_in_order_and_the_documents_partitioning_and_properties(
    catalog: Catalog, local_settings: Settings, contract: Contract
) -> None:
    table = ensure_event_table(catalog, Lake.of(local_settings), contract)
    columns = [(field.name, str(field.field_type)) for field in table.schema().fields]
    names = {"bigint": "long", "timestamp": "timestamptz"}
    expected = [
        (column.name, names.get(column.spark_type, column.spark_type.replace(",", ", ")))
        for column in contract.all_event_columns
    ]
    assert columns == expected
    assert [(field.name, str(field.transform)) for field in table.spec().fields] == [("date", "identity")]
    stored = {name: value for name, value in TABLE_PROPERTIES.items() if name != "format-version"}
    assert stored.items() <= table.properties.items()
    assert table.format_version == 2


def test_making_a_table_again_changes_nothing(catalog: Catalog, local_settings: Settings) -> None:
    first = ensure_event_table(catalog, Lake.of(local_settings), ITEMS)
    again = ensure_event_table(catalog, Lake.of(local_settings), ITEMS)
    assert again.metadata_location == first.metadata_location


def test_a_nullable_column_is_added_where_the_contract_has_it(catalog: Catalog, local_settings: Settings) -> None:
    ensure_event_table(catalog, Lake.of(local_settings), ITEMS)
    columns = (*ITEMS.columns[:2], Column("colour", LogicalType.TEXT), *ITEMS.columns[2:])
    contract = replace(ITEMS, columns=(*columns, Column("weight", LogicalType.DECIMAL, precision=6, scale=3)))
    table = ensure_event_table(catalog, Lake.of(local_settings), contract)
    assert table.schema().column_names == [column.name for column in contract.all_event_columns]


def test_integers_and_decimals_are_widened(catalog: Catalog, local_settings: Settings) -> None:
    ensure_event_table(catalog, Lake.of(local_settings), ITEMS)
    ensure_event_table(catalog, Lake.of(local_settings), changed("quantity", type=LogicalType.BIGINT))
    wider = replace(
        changed("quantity", type=LogicalType.BIGINT),
        columns=tuple(
            replace(item, precision=18) if item.name == "unit_price" else item
            for item in changed("quantity", type=LogicalType.BIGINT).columns
        ),
    )
    schema = ensure_event_table(catalog, Lake.of(local_settings), wider).schema()
    assert str(schema.find_type("quantity")) == "long"
    assert str(schema.find_type("unit_price")) == "decimal(18, 2)"


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (changed("quantity", type=LogicalType.TEXT), "column quantity of table ecommerce.order_items is int"),
        (changed("order_id", type=LogicalType.INT), "column order_id of table ecommerce.order_items is long"),
        (changed("unit_price", precision=8), "column unit_price of table ecommerce.order_items is decimal(10, 2)"),
        (changed("unit_price", scale=3), "column unit_price of table ecommerce.order_items is decimal(10, 2)"),
        (changed("quantity", name="amount"), "table ecommerce.order_items has the column quantity, which"),
        (replace(ITEMS, columns=ITEMS.columns[:-1]), "table ecommerce.order_items has the column created_at, which"),
        (
            replace(ITEMS, columns=(*ITEMS.columns, Column("colour", LogicalType.TEXT, required=True))),
            "adds the column colour as required",
        ),
    ],
)
def test_any_other_change_is_refused_by_name(
    catalog: Catalog, local_settings: Settings, contract: Contract, message: str
) -> None:
    before = ensure_event_table(catalog, Lake.of(local_settings), ITEMS)
    with pytest.raises(TableEvolutionError) as caught:
        ensure_event_table(catalog, Lake.of(local_settings), contract)
    assert message in str(caught.value)
    assert catalog.load_table(before.name()).schema() == before.schema()
