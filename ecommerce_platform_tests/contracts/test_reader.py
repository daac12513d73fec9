"""The four contracts are read, and what cannot be used is refused by name."""

from pathlib import Path

import pytest

from ecommerce_platform.contracts import (
    Classification,
    ContractError,
    EpochUnit,
    LogicalType,
    load_contract,
    load_contracts,
    source_tables,
)
from ecommerce_platform.contracts.reader import CONTRACTS_DIR

DOCUMENT_COLUMNS = {
    "users": ["id", "email", "first_name", "last_name", "created_at", "updated_at"],
    "products": ["id", "name", "description", "price", "stock_quantity", "category", "created_at", "updated_at"],
    "orders": ["id", "user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at"],
    "order_items": ["id", "order_id", "product_id", "quantity", "unit_price", "created_at"],
}


def test_the_four_tables_have_the_columns_of_the_design_document_and_may_have_more() -> None:
    contracts = load_contracts()
    assert tuple(contracts) == source_tables()
    documented = [table for table in source_tables() if table in DOCUMENT_COLUMNS]
    assert documented == ["users", "orders", "products", "order_items"], "parents before children"
    for table, columns in DOCUMENT_COLUMNS.items():
        assert [name for name in contracts[table].column_names if name in columns] == columns


def test_types_follow_the_contract_in_every_engine() -> None:
    price = load_contracts()["products"].column("price")
    assert price.type is LogicalType.DECIMAL
    assert (price.spark_type, price.snowflake_type, price.duckdb_type) == (
        "decimal(10,2)",
        "NUMBER(10,2)",
        "DECIMAL(10,2)",
    )
    assert price.clickhouse_type == "Nullable(Decimal(10,2))"


def test_clustering_is_the_documents() -> None:
    contracts = load_contracts()
    assert {table: contracts[table].cluster_by for table in DOCUMENT_COLUMNS} == {
        "users": "to_date(created_at)",
        "products": "to_date(created_at), category",
        "orders": "to_date(created_at), status",
        "order_items": "to_date(created_at)",
    }


def test_a_column_added_to_one_file_appears_everywhere(tmp_path: Path) -> None:
    text = (CONTRACTS_DIR / "orders.odcs.yaml").read_text()
    text += "      - name: coupon\n        logicalType: string\n        physicalType: text\n"
    (tmp_path / "orders.odcs.yaml").write_text(text)
    contract = load_contract(tmp_path / "orders.odcs.yaml")
    assert contract.column_names[-1] == "coupon"
    assert "coupon" in [column.name for column in contract.all_event_columns]
    assert "coupon" in [column.name for column in contract.raw_columns]
    assert "coupon" in contract.text_columns


@pytest.mark.parametrize(
    ("original", "replacement", "message"),
    [
        (
            "physicalType: decimal(10,2)",
            "physicalType: float",
            r"orders\.odcs\.yaml: column total_amount has physicalType 'float'",
        ),
        ("primaryKey: true", "primaryKey: false", "expected a column with primaryKey: true, found 0"),
        ("name: user_id", "name: User-Id", "'User-Id' is not a usable name"),
        ('value: ["__*"]', "value: __deleted", r"ignoredColumns is '__deleted'; expected a list of column names"),
        ('value: ["__*"]', "value: [status]", "ignoredColumns lists 'status', which is a column of the contract"),
        ('value: ["__*"]', 'value: ["*"]', r"ignoredColumns lists '\*'; expected a beginning"),
        (
            "classification: personal",
            "customProperties: [{property: epochUnit, value: seconds}]",
            "column shipping_address has an epochUnit, 'seconds', and is text; expected one only on a timestamp or date",
        ),
        (
            "logicalType: timestamp",
            "customProperties: [{property: epochUnit, value: ms}]\n        logicalType: timestamp",
            "column created_at has epochUnit 'ms'; expected one of seconds, milliseconds, microseconds, nanoseconds",
        ),
        (
            "classification: personal",
            "classification: private",
            "column shipping_address has classification 'private'; expected personal, or none",
        ),
        (
            "description: The user who ordered.",
            "classification: personal",
            "column user_id is a key and has classification 'personal'; keys stay when a person is forgotten",
        ),
        ("kind: DataContract", "kindness: DataContract", "is not an Open Data Contract Standard document"),
    ],
)
def test_a_contract_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, original: str, replacement: str, message: str
) -> None:
    text = (CONTRACTS_DIR / "orders.odcs.yaml").read_text()
    assert original in text
    (tmp_path / "orders.odcs.yaml").write_text(text.replace(original, replacement))
    with pytest.raises(ContractError, match=message):
        load_contract(tmp_path / "orders.odcs.yaml")


def test_a_contract_states_the_unit_of_an_epoch_column_and_the_columns_to_drop(tmp_path: Path) -> None:
    text = (CONTRACTS_DIR / "orders.odcs.yaml").read_text()
    text = text.replace('["__*"]', '["__*", Internal_Note]')
    text += "        customProperties: [{property: epochUnit, value: seconds}]\n"
    (tmp_path / "orders.odcs.yaml").write_text(text)
    contract = load_contract(tmp_path / "orders.odcs.yaml")
    assert contract.column("updated_at").epoch_unit is EpochUnit.SECONDS
    assert contract.column("created_at").epoch_unit is None
    ignored = ["__deleted", "__TABLE", "internal_note", "INTERNAL_NOTE"]
    assert [
        name
        for name in [*ignored, "__op", "__source_lsn", "__source_file", "note", "internal_notes"]
        if contract.ignores(name)
    ] == ignored


def test_the_contracts_classify_what_is_personal_and_no_key_or_amount() -> None:
    personal = {
        (table, column.name)
        for table, contract in load_contracts().items()
        for column in contract.columns
        if column.classification is Classification.PERSONAL
    }
    assert personal == {
        ("users", "email"),
        ("users", "first_name"),
        ("users", "last_name"),
        ("orders", "shipping_address"),
    }


def test_a_missing_contract_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"users\.odcs\.yaml: no such contract"):
        load_contract(tmp_path / "users.odcs.yaml")
    with pytest.raises(ContractError, match=r"no contract lies here as <table>\.odcs\.yaml; .*contract init"):
        load_contracts(tmp_path)
