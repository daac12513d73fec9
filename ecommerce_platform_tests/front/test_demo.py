"""The demo and the sample leave a shop alone whose days are published."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import load_settings
from ecommerce_platform_tests.warehouse.lake import day, events, publish

ORDERS = load_contracts()["orders"]
ONE, OTHER = ([*("--days", "1", "--orders-per-day", "5", "--seed"), seed] for seed in ("1", "2"))


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The landing folder of an installation with a sample shop in it."""
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "data"))
    assert CliRunner().invoke(app, ["sample", *ONE]).exit_code == 0
    return tmp_path / "data" / "landing"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", ["demo", "sample"])
def test_another_shop_does_not_replace_one_whose_days_are_published(landing: Path, command: str) -> None:
    publish(load_settings(), "orders", {day(1): events(ORDERS, day(1), 2)})
    before = content(landing)
    done = CliRunner().invoke(app, [command, *OTHER])
    message = f"{done.output}{done.exception}"
    assert done.exit_code != 0
    assert "of which 1 are published (2026-01-01 to 2026-01-01)" in message
    assert "ECOMMERCE_DATA_DIR=" in message
    assert content(landing) == before


def test_the_same_shop_is_kept_and_overwrite_replaces_it(landing: Path) -> None:
    publish(load_settings(), "orders", {day(1): events(ORDERS, day(1), 2)})
    before = content(landing)
    assert "already there" in CliRunner().invoke(app, ["sample", *ONE]).output
    assert content(landing) == before
    assert CliRunner().invoke(app, ["sample", *OTHER, "--overwrite"]).exit_code == 0
    assert content(landing) != before


def test_a_shop_of_which_nothing_is_published_is_replaced(landing: Path) -> None:
    before = content(landing)
    assert CliRunner().invoke(app, ["sample", *OTHER]).exit_code == 0
    assert content(landing) != before
