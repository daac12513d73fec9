"""Messages name the commands that are there: make's in a checkout and in a project, the platform's own elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ecommerce_platform import next_commands
from ecommerce_platform.new_project import create_project
from ecommerce_platform.settings import PROJECT_DIR


def named() -> set[str]:
    return {next_commands.demo_command(), next_commands.ui_command(), next_commands.down_command()}


def test_a_project_has_the_targets_that_are_named_as_the_checkout_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_project(tmp_path / "shop")
    for folder in (PROJECT_DIR, tmp_path / "shop"):
        monkeypatch.setattr(next_commands, "PROJECT_DIR", folder)
        targets = (folder / "Makefile").read_text()
        assert named() == {"make demo", "make dev", "make down"}
        for command in named():
            assert f"\n{command.removeprefix('make ')}:" in targets


def test_elsewhere_no_make_target_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Makefile").write_text("demo:\n\techo of somebody else\n")
    monkeypatch.setattr(next_commands, "PROJECT_DIR", tmp_path)
    assert named() == {
        "ecommerce-platform demo",
        "ecommerce-platform local down",
        "python -m ecommerce_platform.operations.web.dev -m ecommerce_platform.definitions",
    }


def test_a_command_that_comes_next_can_be_pasted_where_it_is_printed() -> None:
    """In a checkout nothing of the virtual environment is on the path: `next:` takes its command from there."""
    spelled = {
        f"{file.name}: {line.strip()}"
        for file in (PROJECT_DIR / "ecommerce_platform").rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"next: (?!\{)\w", line)
    }
    assert spelled == set()
