"""The command line: help with examples, clear errors, and results alone on stdout."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app

COMMANDS = [
    ["demo"], ["sample"], ["realtime", "load"], ["warehouse", "init"], ["sql"], ["local", "up"], ["local", "down"],
    ["local", "status"],
    ["metrics"],
    ["quarantine", "list"],
    ["quarantine", "show"],
    ["quarantine", "replay"],
    ["refused", "list"],
    ["lakehouse", "check-analytics"],
    ["lakehouse", "register"],
    ["contract", "diff"],
    ["reconcile"],
    ["reconcile", "plan"],
    ["explain", "order"], ["doctor"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    "command", [["demo"], ["sample"], ["realtime", "load"], ["warehouse", "init"], ["sql"], ["doctor"]]
)
def test_help_shows_an_example(command: list[str]) -> None:
    assert "Example" in CliRunner().invoke(app, [*command, "--help"]).output


def test_a_setting_that_cannot_be_used_is_named_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_START_DATE", "soon")
    result = CliRunner().invoke(app, ["sql", "select 1"])
    assert result.exit_code == 2
    assert "ECOMMERCE_START_DATE" in result.stderr
    assert result.stdout == ""


def test_a_table_that_does_not_exist_is_named_with_those_that_do() -> None:
    result = CliRunner().invoke(app, ["quarantine", "list", "--table", "customers"])
    assert result.exit_code == 2
    assert "no table customers; there are users, orders, products, order_items" in result.stderr


def test_the_help_names_the_command_also_where_the_module_is_run_as_in_the_image() -> None:
    command = [sys.executable, "-m", "ecommerce_platform.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage: ecommerce-platform [OPTIONS] COMMAND" in done.stdout


def test_a_command_that_was_renamed_still_works_by_its_former_name_and_is_not_listed() -> None:
    former, present = (CliRunner().invoke(app, [name, "--help"]) for name in ("upkeep", "maintenance"))
    assert (former.exit_code, present.exit_code) == (0, 0)
    assert "--dry-run" in former.output
    listed = CliRunner().invoke(app, ["--help"]).output
    assert "maintenance" in listed
    assert "upkeep" not in listed


def test_the_command_line_starts_without_what_a_command_needs() -> None:
    """A signal in the first second must find the handlers, and `--help` must not wait for libraries."""
    heavy = ("pyarrow", "numpy", "pyspark", "dagster", "pyiceberg", "duckdb")
    program = f"import sys, ecommerce_platform.cli; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
