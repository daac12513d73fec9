"""Mutants of a Python function: the function with one small mistake in it, put in its place while a test looks.

What belongs here: making mistakes, and putting them in. What does not: who notices.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Mult: ast.Add,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
#: Words for words: aggregates, joins, columns, rounding.
_WORDS = {
    "sum": ("avg", "max"),
    "countDistinct": ("count",),
    "min": ("max",),
    "max": ("min",),
    "left": ("inner",),
    "total_amount": ("id",),
    "unit_price": ("quantity",),
    "revenue": ("units",),
    "total_spent": ("total_orders",),
    "total_revenue": ("revenue_from_new_customers",),
    "revenue_from_new_customers": ("total_revenue",),
    "ROUND_HALF_UP": ("ROUND_DOWN",),
    "subtract": ("add",),
    "divide": ("multiply",),
    "multiply": ("divide",),
    "add": ("subtract",),
    "failure": ("tolerance",),
    "speed": ("batch",),
}
_ROUNDING = frozenset({"ROUND_DOWN"})
#: Calls that are left out: what they are given, or what they are called on, stays.
_DROPPED = frozenset({"abs", "coalesce", "otherwise", "where", "quantize", "money", "count"})


@dataclass(frozen=True)
class Mutant:
    """A function with one mistake; `what` says which, as `function line: old -> new`."""

    what: str
    tree: ast.Module


def mutants(function: FunctionType) -> Iterator[Mutant]:
    """All mutants of a function of a module."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    definition.returns = None
    for argument in (*definition.args.args, *definition.args.kwonlyargs):
        argument.annotation = None
    for place, node in enumerate(ast.walk(definition)):
        for change in _changes(node):
            mutated = copy.deepcopy(tree)
            target = list(ast.walk(mutated.body[0]))[place]
            before, new = ast.unparse(target), change(target)
            replaced = _Replacing(target, new).visit(mutated)
            what = f"{function.__name__} {getattr(node, 'lineno', '')}: {before} -> {ast.unparse(new)}"
            yield Mutant(" ".join(what.split()), ast.fix_missing_locations(replaced))


Change = Callable[[ast.AST], ast.AST]


def _changes(node: ast.AST) -> Iterator[Change]:
    # Operators are one object each in a whole tree: it is what they stand in that is replaced.
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and (other := _OPERATORS.get(type(node.op))):
        yield lambda at: _with(at, op=other())
    if isinstance(node, ast.Compare) and (other := _OPERATORS.get(type(node.ops[0]))):
        yield lambda at: _with(at, ops=[other(), *at.ops[1:]])  # type: ignore[attr-defined]
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            yield lambda at: ast.Constant(at.value + 1)  # type: ignore[attr-defined]
        if isinstance(node.value, bool):
            yield lambda at: ast.Constant(not at.value)  # type: ignore[attr-defined]
        for word in _WORDS.get(node.value, ()) if isinstance(node.value, str) else ():
            yield lambda _, word=word: ast.Constant(word)
    if isinstance(node, ast.Attribute):
        for word in _WORDS.get(node.attr, ()):
            yield lambda at, word=word: ast.Attribute(at.value, word, ast.Load())  # type: ignore[attr-defined]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for word in _WORDS.get(node.id, ()):
            # The rounding modes are texts, and a module knows by name only those that it imports.
            yield lambda _, word=word: ast.Constant(word) if word in _ROUNDING else ast.Name(word, ast.Load())
    if isinstance(node, ast.Call):
        yield from _calls(node)
    if isinstance(node, ast.IfExp):
        yield lambda at: at.body  # type: ignore[attr-defined]
        yield lambda at: at.orelse  # type: ignore[attr-defined]
    if isinstance(node, ast.If) and not node.orelse:
        yield lambda _: ast.Pass()
    if isinstance(node, ast.BoolOp):
        yield lambda at: at.values[0]  # type: ignore[attr-defined]
        yield lambda at: at.values[-1]  # type: ignore[attr-defined]


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _calls(node: ast.Call) -> Iterator[Change]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    of_spark = (
        isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id == "F"
    )
    if name == "when" and of_spark:
        yield lambda at: at.args[1]  # type: ignore[attr-defined]
    elif name in _DROPPED and isinstance(node.func, ast.Attribute) and not of_spark:
        yield lambda at: at.func.value  # type: ignore[attr-defined]
    elif name in _DROPPED and name != "count" and node.args:
        yield lambda at: at.args[0]  # type: ignore[attr-defined]


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


@contextmanager
def in_place(function: FunctionType, mutant: Mutant) -> Iterator[None]:
    """The mutant wherever the function is known by its name, until the block ends."""
    made: dict[str, object] = {}
    code = compile(mutant.tree, "<mutant>", "exec", dont_inherit=True)
    exec(code, function.__globals__, made)
    replacement = made[function.__name__]
    places = [
        (module, name)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("ecommerce_platform")
        for name, value in list(vars(module).items())
        if value is function
    ]
    for module, name in places:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, function)
