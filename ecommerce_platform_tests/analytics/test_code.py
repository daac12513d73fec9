from __future__ import annotations

import gc
import importlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ecommerce_platform.analytics import code, declared, published
from ecommerce_platform.analytics.code import _tree, code_digest, tree_of
from ecommerce_platform.contracts import Classification, Contract, LogicalType, load_contracts

FUNCTION = 'def a(b: int) -> int:\n    """Twice."""\n    return b * 2\n'
SAME = {
    "a comment": FUNCTION.replace("    return", "    # why\n    return"),
    "another docstring": FUNCTION.replace("Twice.", "Two times."),
    "no docstring": FUNCTION.replace('    """Twice."""\n', ""),
    "layout": FUNCTION.replace("b * 2", "(b\n        * 2)"),
}
OTHER = {
    "a number": FUNCTION.replace("2", "3"),
    "a comment mark in a text": FUNCTION.replace("b * 2", 'b * "# 2"'),
    "a text that is not a docstring": FUNCTION.replace("return b * 2", 'return "Twice."'),
}


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_what_python_does_not_run_is_no_change(changed: str) -> None:
    assert tree_of(changed) == tree_of(FUNCTION)


@pytest.mark.parametrize("changed", OTHER.values(), ids=OTHER)
def test_what_python_runs_is_a_change(changed: str) -> None:
    assert tree_of(changed) != tree_of(FUNCTION)


def test_a_modules_digest_is_kept_by_a_remark_and_changed_by_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for name, remark in (("first", ""), ("second", "# a remark\n"), ("third", "c = 1\n")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "one_of_the_modules.py").write_text(remark + FUNCTION)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        module: ModuleType = importlib.reload(importlib.import_module("one_of_the_modules"))
        digests.append(code_digest((module,)))
        monkeypatch.delitem(__import__("sys").modules, "one_of_the_modules")
    assert digests[0] == digests[1] != digests[2]


def test_steps_beside_each_other_get_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection of garbage, whose finalizers let another thread go on, in the middle of a tree."""
    modules = tuple(importlib.import_module(f"ecommerce_platform.{name}") for name in published._CODE)
    expected = code_digest(modules)
    monkeypatch.setattr(code, "_tree", code._tree.__wrapped__)
    gc.callbacks.append(let_others_go_on)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(code_digest, [modules] * 8)) == {expected}
    finally:
        gc.callbacks.remove(let_others_go_on)


def let_others_go_on(phase: str, info: dict[str, int]) -> None:
    time.sleep(0.0005)


def with_column(name: str, **changes: object) -> dict[str, Contract]:
    """The contracts, with one column of the orders changed."""
    contracts = load_contracts()
    orders = contracts["orders"]
    columns = tuple(replace(item, **changes) if item.name == name else item for item in orders.columns)
    return {**contracts, "orders": replace(orders, columns=columns)}


CONTRACTS: dict[str, tuple[Callable[[], dict[str, Contract]], bool]] = {
    "the type of a column that is read": (lambda: with_column("total_amount", scale=4), True),
    "another type of a column that is read": (lambda: with_column("status", type=LogicalType.INT), True),
    "that a column joined later": (lambda: with_column("status", late=True), True),
    "the description of a column": (lambda: with_column("status", description="Where it is."), False),
    "whether a column is personal": (lambda: with_column("status", classification=Classification.PERSONAL), False),
    "the type of a column that nothing here reads": (
        lambda: with_column("shipping_address", type=LogicalType.INT),
        False,
    ),
    "the description of the table": (
        lambda: {**load_contracts(), "orders": replace(load_contracts()["orders"], description="All orders.")},
        False,
    ),
}


@pytest.mark.parametrize(("contracts", "changes"), CONTRACTS.values(), ids=CONTRACTS)
def test_the_analytics_definition_follows_the_types_that_are_read(
    contracts: Callable[[], dict[str, Contract]], changes: bool
) -> None:
    before = published.definition_digest(load_contracts())
    assert (published.definition_digest(contracts()) != before) is changes


@pytest.mark.parametrize(("change", "changes"), [({"type": LogicalType.TEXT}, True), ({"description": "Sold."}, False)])
def test_the_analytics_definition_follows_the_types_that_are_written(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], changes: bool
) -> None:
    before = published.definition_digest(load_contracts())
    table = declared.TABLES[declared.PRODUCT_ANALYTICS]
    columns = (*table.columns[:-1], replace(table.columns[-1], **change))
    monkeypatch.setitem(declared.TABLES, table.name, replace(table, columns=columns))
    assert (published.definition_digest(load_contracts()) != before) is changes


@pytest.mark.parametrize(
    ("line", "other", "changes"),
    [
        ('("user_id", "status", "total_amount", "created_at")', '("user_id", "status", "created_at")', True),
        ("version as of", "VERSION AS OF", True),
        ("    # The snapshot is a number", "    # It is a number", False),
        ('"""What the lakehouse has published', '"""What the lake has published', False),
    ],
)
def test_the_analytics_definition_follows_what_is_read_and_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, other: str, changes: bool
) -> None:
    before = published.definition_digest(load_contracts())
    source = Path(published.__file__).read_text()
    assert line in source
    path = tmp_path / "published.py"
    path.write_text(source.replace(line, other))
    monkeypatch.setattr(published, "__file__", str(path))
    _tree.cache_clear()
    try:
        assert (published.definition_digest(load_contracts()) != before) is changes
    finally:
        monkeypatch.undo()
        _tree.cache_clear()
