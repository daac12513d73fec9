"""What the code of a module does, without its comments, its docstrings and its layout.

What belongs here: reading Python as a syntax tree. What does not: which modules make a result (compute.py).
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType

#: Two threads that read syntax trees at once end in "AST constructor recursion depth mismatch" (Python 3.11).
_PARSING = Lock()


def code_digest(modules: tuple[ModuleType, ...]) -> str:
    """Digest of what these modules do. Two texts with the same syntax tree, docstrings aside, have the same digest."""
    digest = hashlib.sha256()
    with _PARSING:
        for module in modules:
            digest.update(f"{module.__name__}\0{_tree(module)}\0".encode())
    return digest.hexdigest()


@cache
def _tree(module: ModuleType) -> str:
    return tree_of(Path(str(module.__file__)).read_text(encoding="utf-8"))


def tree_of(source: str) -> str:
    """The syntax tree as text, without docstrings and positions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.dump(tree)
