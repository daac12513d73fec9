from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from ecommerce_platform.analytics.code import code_digest, tree_of

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
    "a text that is no docstring": FUNCTION.replace("return b * 2", 'return "Twice."'),
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
