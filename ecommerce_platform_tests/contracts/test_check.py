"""`contract check` says everything that is wrong, at once, by file, line and remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import ContractError, load_contracts, source_tables
from ecommerce_platform.contracts.reader import CONTRACTS_DIR, in_order, read_contracts
from ecommerce_platform.transformation.project.needs import require_needed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of an installation's own with the shop's four contracts."""
    own = tmp_path / "contracts"
    own.mkdir()
    for path in CONTRACTS_DIR.glob("*.odcs.yaml"):
        shutil.copy(path, own)
    monkeypatch.setenv("ECOMMERCE_CONTRACTS_DIR", str(own))
    return own


def edit(path: Path, *changes: tuple[str, str]) -> Path:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{path.name} has no {old!r}"
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    return path


def line_of(path: Path, text: str) -> int:
    return next(
        number
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.strip().removeprefix("- ") == text
    )


def check() -> tuple[int, list[str]]:
    outcome = CliRunner().invoke(app, ["contract", "check"])
    return outcome.exit_code, outcome.output.splitlines()


def test_good_contracts_are_named(folder: Path) -> None:
    assert check() == (0, ["4 contracts can be used: users, orders, products, order_items"])


def test_everything_wrong_is_reported_at_once_by_file_line_and_remedy(folder: Path) -> None:
    orders = edit(
        folder / "orders.odcs.yaml",
        ("physicalType: decimal(10,2)", "physicalType: money"),
        ("to: users.id", "to: customers.id"),
        ("primaryKeyPosition: 1", "primaryKeyPostion: 1"),
        ("name: status", "name: order"),
        ("implementation: not_blank", "implementation: not_empty"),
    )
    users = edit(folder / "users.odcs.yaml", ("kind: DataContract", "kindred: DataContract"))
    broken = folder / "products.odcs.yaml"
    broken.write_text("schema:\n  - name: [products\n")

    code, lines = check()

    assert code == 1
    for path, text, message in (
        (orders, "physicalType: money", "column total_amount has physicalType 'money'; expected one of bigint, int,"),
        (orders, "primaryKeyPostion: 1", "'primaryKeyPostion' has no effect: .*; did you mean primaryKeyPosition?"),
        (orders, "name: order", "column order is a reserved word of Snowflake; take it out and list it"),
        (
            orders,
            "implementation: not_empty",
            "quality rule .* has implementation 'not_empty'; expected one of valid_email",
        ),
        (orders, "relationships:", "user_id relates to customers.id: there is no contract of customers; take"),
        (users, "kindred: DataContract", "kindred: Extra inputs are not permitted; take it out"),
        (broken, "", "it is not YAML"),
    ):
        number = line_of(path, text) if text else 3
        reported = [line for line in lines if line.startswith(f"{path}:{number}: ")]
        assert any(all(part in line for part in message.split(".*")) for line in reported), (message, lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("to: users.id", "to: customers.id"), "user_id relates to customers.id: there is no contract of customers"),
        (("to: users.id", "to: users.key"), "user_id relates to users.key: users has no column key; it has id, email"),
        (("to: users.id", "to: users.email"), "user_id relates to users.email: the two have different types"),
        (
            ("to: users.id", "to: users"),
            "a relationship goes from ['user_id'] to 'users'; expected columns of this table",
        ),
        (("physicalName: orders", "physicalName: order_log"), "the table is order_log; rename the file to order_log"),
        (
            ("physicalName: orders", "physicalName: load_ledger"),
            "a table cannot be called 'load_ledger': the platform has",
        ),
        (("name: status", "name: date"), "column date has a name that the platform uses itself"),
        (
            ("physicalType: bigint", "physicalType: timestamp"),
            "column id belongs to the key and is timestamp; expected",
        ),
        (("physicalType: decimal(10,2)", "physicalType: decimal(40,2)"), "expected at most 38 digits"),
    ],
)
def test_what_cannot_work_is_named(folder: Path, change: tuple[str, str], message: str) -> None:
    edit(folder / "orders.odcs.yaml", change)
    code, lines = check()
    assert code == 1
    assert message in "\n".join(lines)


def test_what_the_marts_need_is_named_where_it_is_missing(folder: Path) -> None:
    (folder / "order_items.odcs.yaml").unlink()
    edit(
        folder / "orders.odcs.yaml",
        ("        relationships:\n          - type: foreignKey\n            to: users.id\n", ""),
    )
    edit(folder / "users.odcs.yaml", ("name: email\n", "name: mail\n"))

    code, lines = check()

    assert code == 1
    assert [line.partition("built: ")[2] for line in lines] == [
        "users.odcs.yaml has no column email; expected one of type text",
        "table order_items has no contract; expected order_items.odcs.yaml with id, order_id, product_id, quantity, unit_price, "
        "created_at",
        "orders.odcs.yaml: column user_id has no relationship; expected one to users.id",
    ]
    with pytest.raises(
        ContractError, match=r"the marts cannot be built: .* has no column email; .*; table order_items has"
    ):
        require_needed(load_contracts())


def test_a_folder_beside_the_packages_own_adds_tables_and_replaces_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(
        Path(shutil.copy(CONTRACTS_DIR / "users.odcs.yaml", tmp_path)),
        ("physicalName: users", "physicalName: visitors"),
    )
    (tmp_path / "users.odcs.yaml").rename(tmp_path / "visitors.odcs.yaml")
    edit(Path(shutil.copy(CONTRACTS_DIR / "orders.odcs.yaml", tmp_path)), ("version: 1.0.0", "version: 2.0.0"))
    monkeypatch.setenv("ECOMMERCE_EXTRA_CONTRACTS_DIR", str(tmp_path))
    assert source_tables() == ("users", "orders", "products", "order_items", "visitors")
    assert load_contracts()["orders"].version == "2.0.0"


def test_tables_that_refer_to_each_other_have_an_order(folder: Path) -> None:
    edit(
        folder / "users.odcs.yaml",
        (
            "      - name: email\n",
            "      - name: last_order_id\n        physicalType: bigint\n"
            "        relationships: [{to: orders.id}]\n      - name: email\n",
        ),
    )
    contracts, problems = read_contracts([folder])
    assert not problems
    assert sorted(in_order(contracts)) == sorted(contracts)
