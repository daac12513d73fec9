"""Money stays exact: aggregates of NUMBER are not computed in floating point.

What belongs here: arithmetic on NUMBER. What does not: the form of results on the wire (results.py).
"""

from __future__ import annotations

import fakesnow.transforms
from fakesnow.transforms import transforms
from sqlglot import Expr, exp


def exact_aggregate(expression: Expr) -> Expr:
    """Keep SUM and its kin as they are; fakesnow wraps the argument in TRY_CAST(… AS DOUBLE).

    Only the column name that Snowflake gives to an aggregate without alias is taken over.
    """
    if (
        isinstance(expression, transforms._NUMERIC_ONLY_AGGS)
        and isinstance(expression.parent, exp.Select)
        and (name := transforms._numeric_agg_col_name(expression, expression.this))
    ):
        return exp.alias_(expression, name, quoted=True)
    return expression


def install() -> None:
    """Replace fakesnow's transformation."""
    fakesnow.transforms.numeric_agg_implicit_cast = exact_aggregate
