"""A contract that `contract init` writes is the table's: nothing differs afterwards, and what was guessed is said."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import Contract, LogicalType, Relationship, load_contract, load_contracts
from ecommerce_platform.contracts.draft import render
from ecommerce_platform.contracts.reader import CONTRACTS_DIR

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CHANGE = {"__op": "c", "__ts_ms": 1767355200000, "__source_ts_ms": 1767355200000, "__source_lsn": 1}


def land(landing: Path, table: str, day: str, rows: Sequence[Mapping[str, object]], **types: pa.DataType) -> None:
    folder = landing / table / f"date={day}"
    folder.mkdir(parents=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows], types.get(name)) for name in names}
    pq.write_table(pa.table(columns), folder / "part-0.parquet")


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("ECOMMERCE_EXTRA_CONTRACTS_DIR", str(own))
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECOMMERCE_LANDING_URI", str(tmp_path / "landing"))
    return tmp_path / "landing"


def invoke(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, ["contract", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def written(landing: Path, table: str) -> Contract:
    return load_contract(landing.parent / "own" / f"{table}.odcs.yaml")


def payments(first: int, day: int) -> list[dict[str, object]]:
    return [
        {
            "id": str(uuid.UUID(int=number, version=4)),
            "order_id": number,
            "amount": Decimal("10.00"),
            "payer_email": "ada@example.com",
            "paid_at": 1767355200000000 + number,
            "settled": date(2026, 1, day),
            **CHANGE,
        }
        for number in range(first, first + 5)
    ]


def test_a_table_of_landing_files_has_its_contract_and_no_difference(landing: Path) -> None:
    land(landing, "payments", "2026-01-02", payments(1, 2))
    land(landing, "payments", "2026-01-03", [{**payments(9, 3)[0], "__op": "u"}])

    output = invoke("init", "payments")

    contract = written(landing, "payments")
    assert {column.name: column.type for column in contract.columns} == {
        "id": LogicalType.UUID,
        "order_id": LogicalType.BIGINT,
        "amount": LogicalType.DECIMAL,
        "payer_email": LogicalType.TEXT,
        "paid_at": LogicalType.TIMESTAMP,
        "settled": LogicalType.DATE,
    }
    assert contract.key_names == ("id",)
    assert contract.relationships == (Relationship(("order_id",), "orders", ("id",)),)
    assert contract.first_day == date(2026, 1, 2)
    assert contract.column("payer_email").personal
    assert not contract.column("id").personal
    for guess in (
        "id is taken for a UUID",
        "the key is id, by its name",
        "paid_at is taken for a time: its numbers count micro",
    ):
        assert guess in output
    assert "the landing files are as the contracts say" in invoke("diff", "--table", "payments")
    assert "5 contracts can be used" in invoke("check")


@pytest.mark.parametrize(
    ("rows", "guess"),
    [
        (
            [{"order_id": 1, "coupon_id": 2}, {"order_id": 1, "coupon_id": 3}, {"order_id": 2, "coupon_id": 2}],
            "a guess",
        ),
        (
            [{"order_id": 1, "coupon_id": 2, "note": "a"}, {"order_id": 1, "coupon_id": 2, "__op": "d"}],
            "all that deletes carry",
        ),
    ],
    ids=["no two rows have the same", "what deletes carry"],
)
def test_a_key_of_two_columns_is_found(landing: Path, rows: list[dict[str, object]], guess: str) -> None:
    land(landing, "order_coupons", "2026-01-02", [{**CHANGE, **row} for row in rows])
    assert f"the key is order_id, coupon_id: {guess}" in invoke("init", "order_coupons").replace(
        "no two inserted rows have the same; ", ""
    )
    contract = written(landing, "order_coupons")
    assert contract.key_names == ("order_id", "coupon_id")
    assert contract.relationships == (Relationship(("order_id",), "orders", ("id",)),)


def test_what_cannot_be_kept_is_ignored_and_reported(landing: Path) -> None:
    rows = [{"code": "a", "rate": 0.5, "Weird Name": 1, "blob": b"xyz", "empty": None, **CHANGE}]
    land(landing, "rates", "2026-01-02", rows)
    output = invoke("init", "rates", "--key", "code")
    contract = written(landing, "rates")
    assert contract.column_names == ("code",)
    assert set(contract.ignored) == {"__*", "rate", "weird name", "blob", "empty"}
    assert "rates.rate is ignored: it is double, which cannot be kept exactly; write it as decimal" in output


def test_no_key_and_no_files_are_errors(landing: Path) -> None:
    land(landing, "events", "2026-01-02", [{"note": "same", **CHANGE}, {"note": "same", **CHANGE}])
    (landing / "orders").mkdir()
    for table, message in (
        ("events", "no column looks like a key; name its columns with --key"),
        ("nothing", "has no files of"),
    ):
        outcome = CliRunner().invoke(app, ["contract", "init", table])
        assert outcome.exit_code == 1
        assert message in outcome.output
    assert not list((landing.parent / "own").iterdir())


def test_an_existing_contract_is_not_replaced_unasked(landing: Path) -> None:
    land(landing, "payments", "2026-01-02", payments(1, 2))
    invoke("init", "payments")
    assert CliRunner().invoke(app, ["contract", "init", "payments"]).exit_code == 1
    invoke("init", "payments", "--overwrite")


@pytest.mark.parametrize("table", ["users", "products", "orders", "order_items"])
def test_what_is_rendered_reads_as_the_contract_that_it_was(table: str, tmp_path: Path) -> None:
    contract = load_contracts(CONTRACTS_DIR)[table]
    path = tmp_path / f"{table}.odcs.yaml"
    path.write_text(render(contract))
    read = load_contract(path)
    assert (read.columns, read.cluster_by, read.ignored, read.relationships) == (
        contract.columns,
        contract.cluster_by,
        contract.ignored,
        contract.relationships,
    )
