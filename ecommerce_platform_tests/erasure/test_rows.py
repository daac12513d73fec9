"""Which rows are about a person, in whatever form files have them, and what is left of such rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.contracts import Classification, Column, Contract, LogicalType, Relationship, load_contracts
from ecommerce_platform.erasure.errors import ErasureError
from ecommerce_platform.erasure.parquet import count_rows, rewrite
from ecommerce_platform.erasure.subject import Subject, resolve
from ecommerce_platform.landing.persons import as_key, rows_of, tables_of

CONTRACTS = load_contracts()
ANN = Subject(
    CONTRACTS,
    "users",
    7,
    {"users": frozenset({7}), "orders": frozenset({70, 71})},
    {"users": {"email": frozenset({"ann@x.org"})}, "orders": {"shipping_address": frozenset({"1 Main St"})}},
)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (7, 7), ("7", 7), (" 7 ", 7), (b"7", 7), (Decimal("7.00"), 7), ("7.0", 7), (7.0, 7), ("-7", -7), ("+7", 7),
        (None, None), ("", None), ("seven", None), (Decimal("7.5"), None), (float("nan"), None), (True, None), ("7x", None),
    ],
)  # fmt: skip
def test_a_key_is_known_in_every_form_that_files_have(value: Any, key: int | None) -> None:
    assert as_key(value) == key


def users(**columns: list[Any]) -> pa.Table:
    return pa.table(columns)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([7, 8, None], pa.int64()),
        pa.array([7, 8, None], pa.int32()),
        pa.array(["7", "8", None]),
        pa.array([b"7", b"8", None]),
        pa.array([Decimal("7.00"), Decimal("8.00"), None], pa.decimal128(38, 2)),
        pa.array(["7", "8", None]).dictionary_encode(),
    ],
    ids=str,
)
def test_the_persons_rows_lose_what_is_personal_and_nothing_else(ids: pa.Array) -> None:
    rows = pa.table({"id": ids, "email": ["ann@x.org", "bob@x.org", "eve@x.org"], "created_at": [1, 2, 3]})
    change = ANN.change("users", strays=False)
    after = change.apply(rows)
    assert change.count(rows) == 1
    assert after.column("email").to_pylist() == [None, "bob@x.org", "eve@x.org"]
    assert after.column("created_at").to_pylist() == [1, 2, 3]
    assert after.column("id") == rows.column("id")
    assert change.count(after) == 0


def test_rows_of_other_tables_are_known_by_their_relationships() -> None:
    rows = pa.table(
        {
            "id": [70, 71, 72, 90],
            # An order that was hers and is somebody else's now; one whose user cannot be read; one of another user.
            "user_id": ["8", "nobody", "7", None],
            "shipping_address": ["a", "b", "c", "d"],
        }
    )
    after = ANN.change("orders", strays=False).apply(rows)
    assert after.column("shipping_address").to_pylist() == ["a", None, None, "d"]


def test_a_row_whose_keys_nobody_can_read_is_hers_when_all_its_personal_values_are() -> None:
    rows = users(id=[None, None, "x", None], email=["ann@x.org", "bob@x.org", "ann@x.org", None])
    assert ANN.change("users", strays=True).apply(rows).column("email").to_pylist() == [None, "bob@x.org", None, None]
    assert ANN.change("users", strays=False).apply(rows).column("email").to_pylist()[0] == "ann@x.org"


def quarantined(row: str, column: str = "id", detail: str = "found nothing, expected bigint") -> dict[str, Any]:
    return {"original_values": row, "column_name": column, "detail": detail, "content_id": "old", "source_row": 3}


def test_quarantine_keeps_the_row_without_what_is_personal_in_it() -> None:
    hers = '{"id":7,"email":"ann@x.org","price":10.00,"big":12345678901234567890}'
    table = pa.Table.from_pylist(
        [
            quarantined(hers, "email", "found ann@x.org, expected string"),
            quarantined('{"id":null,"email":"ann@x.org"}'),
            quarantined('{"id":8,"email":"bob@x.org"}'),
        ]
    )
    change = ANN.quarantine_change("users", {"old": "new"})
    after = change.apply(table)
    assert change.count(table) == 2
    texts = after.column("original_values").to_pylist()
    assert texts[0] == '{"id":7,"email":null,"price":10.00,"big":12345678901234567890}'
    assert [json.loads(text)["email"] for text in texts] == [None, None, "bob@x.org"]
    assert after.column("detail").to_pylist()[0] == "found (personal), expected string"
    assert set(after.column("content_id").to_pylist()) == {"new"}
    assert change.count(after) == 0


def with_table(table: str, *columns: Column) -> Mapping[str, Contract]:
    return {**CONTRACTS, table: Contract(table, "", columns, "id", source=f"{table}.yaml")}


def test_a_table_of_ones_own_is_reached_over_any_number_of_relationships() -> None:
    contracts = with_table(
        "deliveries",
        Column("id", LogicalType.BIGINT, primary_key=True),
        Column("order_id", LogicalType.BIGINT, references="orders.id"),
        Column("door", LogicalType.TEXT, classification=Classification.PERSONAL, required=True),
    )
    assert list(tables_of(contracts, "users")) == ["users", "orders", "deliveries"]
    assert "order_items" not in tables_of(contracts, "users")
    conditions = rows_of(contracts, "users", {"users": [7], "orders": [70], "deliveries": [700]})
    assert conditions["deliveries"].references == {"order_id": frozenset({70})}
    subject = Subject(contracts, "users", 7, {"orders": frozenset({70}), "deliveries": frozenset({700})})
    rows = pa.table({"id": [700, 701], "order_id": [70, 80], "door": ["left", "right"]})
    # A required text becomes empty: null would be no event any more.
    assert subject.change("deliveries", strays=False).apply(rows).column("door").to_pylist() == ["", "right"]


@pytest.mark.parametrize(
    ("word", "table"), [("user", "users"), ("users", "users"), ("Orders", "orders"), ("order", "orders")]
)
def test_a_table_may_be_named_in_the_singular(word: str, table: str) -> None:
    assert resolve(CONTRACTS, word, "123") == (table, 123)


@pytest.mark.parametrize(
    ("word", "number", "message"),
    [
        ("person", "1", "'person' is not a table with people in it; expected one of users, orders"),
        ("products", "1", "'products' is not a table with people"),
        ("users", "ann", "'ann' is not a key of users; expected a whole number"),
    ],
)
def test_who_cannot_be_found_is_refused_by_name(word: str, number: str, message: str) -> None:
    with pytest.raises(ErasureError, match=message):
        resolve(CONTRACTS, word, number)


@pytest.mark.parametrize("codec", ["snappy", "gzip", "zstd", "none", "lz4"])
def test_a_file_is_as_it_was_but_for_the_persons_values(tmp_path: Path, codec: str) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("email", pa.string(), nullable=False),
            pa.field("created_at", pa.timestamp("us", "UTC")),
            pa.field("price", pa.decimal128(10, 2)),
            pa.field("__op", pa.dictionary(pa.int32(), pa.string())),
        ],
        metadata={"org.apache.spark.version": "3.5.1"},
    )
    rows = [
        {"id": key, "email": f"{key}@x.org", "created_at": 10**15 + key, "price": Decimal(key), "__op": "c"}
        for key in range(1, 11)
    ]
    source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(
        pa.Table.from_pylist(rows, schema), source, compression=codec, row_group_size=4, store_decimal_as_integer=True
    )
    change = ANN.change("users", strays=False)
    assert count_rows(source, change) == 1
    rewrite(source, target, change)

    before, after = pq.ParquetFile(source), pq.ParquetFile(target)
    expected = [{**row, "email": None} if row["id"] == 7 else row for row in before.read().to_pylist()]
    assert after.read().to_pylist() == expected
    assert after.num_row_groups == before.num_row_groups == 3
    for name in range(before.metadata.num_columns):
        old, new = before.metadata.schema.column(name), after.metadata.schema.column(name)
        assert (new.name, new.physical_type, str(new.logical_type)) == (
            old.name,
            old.physical_type,
            str(old.logical_type),
        )
    chunks = [file.metadata.row_group(0).column(0).compression for file in (before, after)]
    assert chunks[0] == chunks[1]
    assert after.metadata.metadata[b"org.apache.spark.version"] == b"3.5.1"
    assert b"7@x.org" not in b"".join(str(item).encode() for item in after.read().to_pylist())


def test_contracts_change_without_a_change_of_code() -> None:
    products = CONTRACTS["products"]
    columns = tuple(
        replace(column, classification=Classification.PERSONAL) if column.name == "description" else column
        for column in products.columns
    )
    contracts = {**CONTRACTS, "products": replace(products, columns=columns)}
    assert resolve(contracts, "product", "5") == ("products", 5)


def beside_orders(
    *relationships: Relationship, kinds: tuple[LogicalType, ...], personal: bool
) -> Mapping[str, Contract]:
    """The shop's contracts and one of `receipts`, with a key of these kinds and a note, which is personal or not."""
    keys = (Column(f"key_{number}", kind, primary_key=True) for number, kind in enumerate(kinds))
    note = Column("note", LogicalType.TEXT, classification=Classification.PERSONAL if personal else None)
    order = Column("order_id", LogicalType.BIGINT, references="orders.id")
    receipts = Contract("receipts", "", (*keys, order, note), relationships=relationships)
    return {**CONTRACTS, "receipts": receipts}


TO_ORDERS = Relationship(("order_id",), "orders", ("id",))


@pytest.mark.parametrize("kinds", [(LogicalType.UUID,), (LogicalType.BIGINT, LogicalType.INT), (LogicalType.TEXT,)])
def test_people_in_a_table_whose_key_is_no_number_are_an_error_and_not_left_behind(
    kinds: tuple[LogicalType, ...],
) -> None:
    contracts = beside_orders(TO_ORDERS, kinds=kinds, personal=True)
    with pytest.raises(ErasureError, match="receipts holds rows about people of users, with the key key_0"):
        resolve(contracts, "users", "123")
    unclassified = beside_orders(TO_ORDERS, kinds=kinds, personal=False)
    assert resolve(unclassified, "users", "123") == ("users", 123)
    assert "receipts" not in rows_of(unclassified, "users", {})


def test_people_behind_a_relationship_of_several_columns_are_an_error_too() -> None:
    contracts = beside_orders(TO_ORDERS, kinds=(LogicalType.BIGINT, LogicalType.INT), personal=False)
    signatures = Contract(
        "signatures",
        "",
        (
            Column("id", LogicalType.BIGINT, primary_key=True),
            Column("first", LogicalType.BIGINT),
            Column("second", LogicalType.INT),
            Column("signed_by", LogicalType.TEXT, classification=Classification.PERSONAL),
        ),
        relationships=(Relationship(("first", "second"), "receipts", ("key_0", "key_1")),),
    )
    with pytest.raises(ErasureError, match="signatures holds rows about people of users"):
        resolve({**contracts, "signatures": signatures}, "users", "123")
