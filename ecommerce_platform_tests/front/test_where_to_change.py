"""The pages that say where something is changed lead somewhere: each file, name in it, and setting that they state is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HOW_TO = PROJECT / "docs" / "how-to"
TESTS = "ecommerce_platform_tests"
_CODE = re.compile(r"`([^`]+)`")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the section's table, without its head."""
    section = (HOW_TO / page).read_text(encoding="utf-8").split(f"# {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_of(path: Path) -> set[str]:
    """What a file declares: names of a Python module, and words of any other file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"\w+", text))
    return set(_bound(ast.parse(text).body))


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def missing(stated: str, root: Path, settings: str) -> str | None:
    """Why a code word of a cell leads nowhere; None when it leads somewhere, or is neither a path nor a setting."""
    if stated.startswith("ECOMMERCE_"):
        return None if f"| `{stated}` |" in settings else f"{stated} is not a setting"
    if "/" not in stated:
        return None
    path, _, name = stated.partition(":")
    files = sorted(root.glob(re.sub(r"<\w+>", "*", path).rstrip("/")))
    if not files:
        return f"there is not a {path}"
    return None if not name or name in names_of(files[0]) else f"{path} has no {name}"


@pytest.mark.parametrize(
    ("page", "heading", "columns"),
    [
        ("index.md", "Where to change what", {1: PROJECT, 3: PROJECT / TESTS}),
        ("order-status.md", "Change what an order's status counts as", {1: PROJECT}),
    ],
)
def test_each_file_name_and_setting_that_a_page_states_is_there(
    page: str, heading: str, columns: dict[int, Path]
) -> None:
    settings = (PROJECT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    table = rows(page, heading)
    assert len(table) >= 6
    stated = [
        (root, word) for cells in table for place, root in columns.items() for word in _CODE.findall(cells[place])
    ]
    assert len(stated) > len(table)
    assert [reason for root, word in stated if (reason := missing(word, root, settings))] == []


def test_each_change_has_its_place_its_page_and_its_test() -> None:
    for cells in rows("index.md", "Where to change what"):
        assert len(cells) == 4, cells
        assert all(cells), cells
        assert "](" in cells[2], cells


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("ecommerce_platform/metrics.py:REVENUE_STATUSES", None),
        ("ecommerce_platform/settings/figures.py:BusinessSettings", None),
        ("ecommerce_platform/contracts/sources/<table>.odcs.yaml", None),
        ("dbt_project/models/marts/", None),
        ("ECOMMERCE_BUSINESS__TIER_PLATINUM", None),
        ("vars", None),
        ("ecommerce_platform/metric.py", "there is not a ecommerce_platform/metric.py"),
        ("ecommerce_platform/metrics.py:REVENUE", "ecommerce_platform/metrics.py has no REVENUE"),
        ("dbt_project/dbt_project.yml:tier_tin", "dbt_project/dbt_project.yml has no tier_tin"),
        ("ECOMMERCE_BUSINESS__TIER", "ECOMMERCE_BUSINESS__TIER is not a setting"),
    ],
)
def test_what_is_not_there_is_named(stated: str, reason: str | None) -> None:
    settings = (PROJECT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert missing(stated, PROJECT, settings) == reason
