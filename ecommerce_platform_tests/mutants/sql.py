"""Mutants of a SQL statement: the statement with one small mistake in it, where it computes money.

What belongs here: making mistakes. What does not: whether a test notices (transformation/test_money_mutants.py).

Money is what is selected under one of MONEY's names, in any part of the statement, with the conditions, joins and order of
the rows that such a part reads. Anything else (names, dates, flags) has no mutants here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

_AMOUNTS = frozenset(
    {
        *("price", "catalog_price", "line_total", "discount_amount", "margin_amount", "items_total"),
        *("total_revenue", "revenue_from_new_customers", "revenue_from_returning_customers", "avg_order_value"),
        *("revenue", "avg_selling_price", "total_spent", "spent", "spent_to_date", "customer_lifetime_value"),
        "predicted_ltv",
    }
)
#: Columns that hold money, or decide which money is counted, and to whom.
MONEY = _AMOUNTS | {"is_revenue", "customer_tier", "order_size_category", "price_tier"}
#: What could be written in place of another: amounts, and the numbers that they are multiplied with and divided by.
_MIXED_UP = _AMOUNTS | {
    "quantity",
    "unit_price",
    "total_amount",
    "total_items",
    "units_sold",
    "total_orders",
    "members",
}


@dataclass(frozen=True)
class Mutant:
    """A statement with one mistake; `what` says which, as `old -> new`."""

    what: str
    sql: str


def mutants(sql: str) -> tuple[Mutant, ...]:
    """All mutants of a statement, each once."""
    tree = sqlglot.parse_one(sql, read="snowflake")
    by_text: dict[str, Mutant] = {}
    places = [(node, change) for node in tree.walk() if computes_money(node) for change in _CHANGES]
    for node, change in places:
        # What is made of parts of a node takes them out of it: so of a copy, at the same place of a copy.
        for new in change(_at(tree.copy(), _path(node))):
            mutant = _with(tree, node, new)
            if mutant.sql not in by_text:
                by_text[mutant.sql] = mutant
    return tuple(by_text.values())


def _with(tree: exp.Expression, node: exp.Expression, new: exp.Expression | None) -> Mutant:
    """The tree with `new` in place of `node`; without `node` where there is nothing new."""
    copy = tree.copy()
    target = _at(copy, _path(node))
    if new is None:
        target.pop()
    else:
        target.replace(new.copy())
    old = node.sql(dialect="snowflake")
    what = f"{_where(node)}: {old} -> {new.sql(dialect='snowflake') if new is not None else 'nothing'}"
    return Mutant(" ".join(what.split()), copy.sql(dialect="snowflake"))


def _where(node: exp.Expression) -> str:
    """The part of the statement that the node is in, and its column."""
    part = node.find_ancestor(exp.CTE)
    name = part.alias_or_name if part is not None else "result"
    child = node
    while child.parent is not None and not (isinstance(child.parent, exp.Select) and child.arg_key == "expressions"):
        child = child.parent
    inside = child.alias_or_name if child.parent is not None and part is child.find_ancestor(exp.CTE) else ""
    return f"{name}.{inside}" if inside else name


def _path(node: exp.Expression) -> list[tuple[str, int | None]]:
    """How to reach the node from the root."""
    steps: list[tuple[str, int | None]] = []
    while node.parent is not None:
        steps.append((str(node.arg_key), node.index))
        node = node.parent
    return steps[::-1]


def _at(tree: exp.Expression, path: list[tuple[str, int | None]]) -> exp.Expression:
    node = tree
    for key, index in path:
        value = node.args[key]
        node = value if index is None else value[index]
    return node


def computes_money(node: exp.Expression) -> bool:
    """Whether the node is part of a money column, or of what decides which rows such a column is computed of."""
    child = node
    while child.parent is not None:
        parent = child.parent
        if isinstance(parent, exp.Select):
            if child.arg_key == "expressions":
                return child.alias_or_name in MONEY
            selects_money = any(item.alias_or_name in MONEY for item in parent.expressions)
            return selects_money and child.arg_key in ("where", "joins", "qualify")
        child = parent
    return False


def _sums(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Sum):
        yield exp.Avg(this=node.this.copy())
        yield exp.Max(this=node.this.copy())


def _operators(node: exp.Expression) -> Iterator[exp.Expression]:
    swapped: dict[type[exp.Expression], type[exp.Expression]] = {
        exp.Mul: exp.Add,
        exp.Sub: exp.Add,
        exp.Add: exp.Sub,
        exp.Div: exp.Mul,
        exp.GT: exp.GTE,
        exp.GTE: exp.GT,
        exp.LT: exp.LTE,
        exp.LTE: exp.LT,
        exp.EQ: exp.NEQ,
        exp.NEQ: exp.EQ,
        exp.And: exp.Or,
        exp.Or: exp.And,
    }
    if (other := swapped.get(type(node))) is not None:
        yield exp.paren(other(this=node.this, expression=node.expression))
    if isinstance(node, exp.Neg):
        yield node.this


def _conditions(node: exp.Expression) -> Iterator[exp.Expression | None]:
    """A condition that is left out, whole or in part."""
    if isinstance(node, exp.Where | exp.Qualify):
        yield None
    if isinstance(node, exp.And):
        yield from (node.this.copy(), node.expression.copy())
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case) and node.args.get("true") is not None:
        yield node.args["true"]
    if isinstance(node, exp.In) and len(node.expressions) > 1:
        for left_out in range(len(node.expressions)):
            kept = [item for place, item in enumerate(node.expressions) if place != left_out]
            yield exp.In(this=node.this.copy(), expressions=[item.copy() for item in kept])


def _defaults(node: exp.Expression) -> Iterator[exp.Expression]:
    """A default, or a guard against zero, that is left out."""
    if isinstance(node, exp.Coalesce | exp.Nullif):
        yield node.this


def _digits(node: exp.Expression) -> Iterator[exp.Expression]:
    """Cut off where it should round; a digit less than it should have."""
    if isinstance(node, exp.Round) and node.args.get("decimals") is not None:
        yield exp.Anonymous(this="trunc", expressions=[node.this, node.args["decimals"]])
    if isinstance(node, exp.Cast) and len(node.to.expressions) == 2 and node.to.expressions[1].name == "2":
        less = node.copy()
        less.to.expressions[1].replace(exp.DataTypeParam(this=exp.Literal.number(1)))
        yield less


def _numbers(node: exp.Expression) -> Iterator[exp.Expression]:
    in_type = isinstance(node.parent, exp.DataTypeParam | exp.Round)
    if isinstance(node, exp.Literal) and not node.is_string and not in_type:
        yield exp.Literal.number(int(node.name) + 1) if node.name.isdigit() else exp.Literal.number(0)


def _columns(node: exp.Expression) -> Iterator[exp.Expression]:
    """Another column of the same source, one that could be meant."""
    if not isinstance(node, exp.Column) or node.name not in _MIXED_UP:
        return
    inside = node.find_ancestor(exp.Select)
    others = {
        column.name
        for column in (inside.find_all(exp.Column) if inside else ())
        if column.table == node.table and column.name in _MIXED_UP and column.name != node.name
    }
    for other in sorted(others)[:1]:
        replacement = exp.column(other, table=node.table)
        # Selected as it is, it keeps the name under which others know it.
        yield exp.alias_(replacement, node.name) if isinstance(node.parent, exp.Select) else replacement


def _joins(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Join) and node.args.get("on") is not None:
        other = node.copy()
        other.set("side", None if node.side else "left")
        other.set("kind", "inner" if node.side else None)
        yield other


def _order(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Ordered):
        yield exp.Ordered(this=node.this, desc=not node.args.get("desc"), nulls_first=False)


Change = Callable[[exp.Expression], Iterator[exp.Expression | None]]
_CHANGES: tuple[Change, ...] = (
    *(_sums, _operators, _conditions, _defaults, _digits),
    *(_numbers, _columns, _joins, _order),
)
