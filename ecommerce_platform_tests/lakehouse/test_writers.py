"""Every Spark job that writes rows has one file open at a time (iceberg/writing.py)."""

from __future__ import annotations

import ast

import ecommerce_platform
from ecommerce_platform.settings import PROJECT_DIR

PACKAGE = PROJECT_DIR / ecommerce_platform.__name__


def test_each_writer_is_clustered() -> None:
    writers = {
        f"{path.relative_to(PACKAGE)}:{statement.lineno}": ast.unparse(statement)
        for path in PACKAGE.rglob("*.py")
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(statement, ast.Assign | ast.Expr) and ".writeTo(" in ast.unparse(statement)
    }
    assert len(writers) >= 4
    # One that empties days writes no row.
    assert [where for where, code in writers.items() if "**CLUSTERED" not in code and ".limit(0)" not in code] == []
