"""NUMBER stays exact: sums, averages and quotients are not computed in floating point.

What belongs here: arithmetic on NUMBER. What does not: other functions (functions.py), the form of results on the wire
(results.py).
"""

from __future__ import annotations

import duckdb
import fakesnow.transforms
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.transforms import transforms
from sqlglot import Expr, exp

# Snowflake: a quotient of NUMBERs has the scale max(s1, min(s1 + 6, 12)), rounded half away from zero, and a zero divisor
# is an error (https://docs.snowflake.com/en/sql-reference/operators-arithmetic#division). DuckDB divides as DOUBLE, so the
# quotient is made of whole numbers here, which lose no digit. A FLOAT that no cast shows is divided as one.
_MACROS = r"""
CREATE OR REPLACE MACRO _fs_global.main.scale_of(number) AS
    coalesce(try_cast(regexp_extract(typeof(number), ',(\d+)', 1) AS INTEGER), 0);
CREATE OR REPLACE MACRO _fs_global.main.quotient_scale(dividend) AS
    greatest(least(_fs_global.main.scale_of(dividend) + 6, 12), _fs_global.main.scale_of(dividend));
CREATE OR REPLACE MACRO _fs_global.main.ten_to(digits) AS CAST('1' || repeat('0', digits) AS HUGEINT);
CREATE OR REPLACE MACRO _fs_global.main.units(number, scale) AS
    CASE
        WHEN scale = 0 THEN try_cast(number AS HUGEINT)
        ELSE try_cast(replace(CAST(number AS VARCHAR), '.', '') AS HUGEINT)
            * _fs_global.main.ten_to(scale - _fs_global.main.scale_of(number))
    END;
CREATE OR REPLACE MACRO _fs_global.main.whole_quotient(dividend, divisor, scale) AS
    CAST(dividend // divisor AS DECIMAL(38, 12))
    + CASE
        WHEN dividend % divisor = 0 THEN CAST(0 AS DECIMAL(38, 12))
        ELSE CASE WHEN (dividend < 0) = (divisor < 0) THEN 1 ELSE -1 END
            * CAST(
                (abs(dividend % divisor) * _fs_global.main.ten_to(scale) * 2 + abs(divisor)) // (abs(divisor) * 2)
                * _fs_global.main.ten_to(12 - scale)
                AS DECIMAL(38, 0)
            ) * CAST(0.000000000001 AS DECIMAL(12, 12))
    END;
CREATE OR REPLACE MACRO _fs_global.main.quotient(dividend, divisor) AS (
    CASE
        WHEN divisor = 0 AND dividend IS NOT NULL THEN error('Division by zero')
        WHEN typeof(dividend) IN ('DOUBLE', 'FLOAT') OR typeof(divisor) IN ('DOUBLE', 'FLOAT')
        THEN round(
            CAST(format('{:.15g}', dividend / divisor) AS DECIMAL(38, 12)), _fs_global.main.quotient_scale(dividend)
        )
        ELSE round(
            _fs_global.main.whole_quotient(
                _fs_global.main.units(
                    dividend, greatest(_fs_global.main.scale_of(dividend), _fs_global.main.scale_of(divisor))
                ),
                _fs_global.main.units(
                    nullif(divisor, 0), greatest(_fs_global.main.scale_of(dividend), _fs_global.main.scale_of(divisor))
                ),
                _fs_global.main.quotient_scale(dividend)
            ),
            _fs_global.main.quotient_scale(dividend)
        )
    END
);
"""
_QUOTIENT = "_fs_global.main.quotient"
#: What makes an operand a FLOAT for all to see; its quotient stays one.
_FLOATS = (
    exp.Sqrt,
    exp.Exp,
    exp.Ln,
    exp.Log,
    exp.Pow,
    exp.Stddev,
    exp.StddevPop,
    exp.StddevSamp,
    exp.Variance,
    exp.Rand,
)
_FLOAT_TYPES = (exp.DataType.Type.FLOAT, exp.DataType.Type.DOUBLE)


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


def exact_average(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """AVG(x) becomes the quotient of SUM(x) and COUNT(x), with Snowflake's scale; null of no rows."""
    for average in list(tree.find_all(exp.Avg)):
        if _is_float(average.this):
            continue
        node = average.parent if isinstance(average.parent, exp.Window) else average
        count = exp.Nullif(this=_with_aggregate(node, exp.Count), expression=exp.Literal.number(0))
        _replace(node, _quotient(_with_aggregate(node, exp.Sum), count))


def exact_quotient(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """x / y of NUMBERs becomes a NUMBER with Snowflake's scale."""
    # Inner quotients first: replacing an outer one moves what it holds.
    for division in reversed(list(tree.find_all(exp.Div))):
        if not (_is_float(division.this) or _is_float(division.expression)):
            _replace(division, _quotient(division.this.unnest().copy(), division.expression.unnest().copy()))


def _with_aggregate(node: Expr, kind: type[exp.AggFunc]) -> Expr:
    """A copy of AVG(…) or AVG(…) OVER (…) with another aggregate in AVG's place."""
    if isinstance(node, exp.Avg):
        return kind(this=node.this.copy())
    copy = node.copy()
    copy.set("this", kind(this=copy.this.this))
    return copy


def _quotient(dividend: Expr, divisor: Expr) -> Expr:
    return exp.Anonymous(this=_QUOTIENT, expressions=[dividend, divisor])


def _is_float(operand: Expr) -> bool:
    if any(operand.find_all(*_FLOATS)):
        return True
    return any(cast.to.this in _FLOAT_TYPES for cast in operand.find_all(exp.Cast, exp.TryCast))


def _replace(node: Expr, replacement: Expr) -> None:
    """Put the replacement in the node's place; a column without alias keeps the name that Snowflake gives it."""
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        replacement = exp.alias_(replacement, node.sql(dialect="snowflake").upper(), quoted=True)
    node.replace(replacement)


def create_macros(duck: duckdb.DuckDBPyConnection) -> None:
    """Define the quotient in fakesnow's own catalog, which lives in memory and is recreated at each start."""
    duck.execute(_MACROS)


def install() -> None:
    """Replace fakesnow's transformation."""
    fakesnow.transforms.numeric_agg_implicit_cast = exact_aggregate
