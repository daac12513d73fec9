"""Functions and joins of Snowflake that fakesnow has not, or has with another meaning.

What belongs here: rewrites of one function or clause. What does not: arithmetic (numbers.py).
"""

from __future__ import annotations

import re

import snowflake.connector.errors as sf
from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot import Expr, exp

#: Snowflake's elements of date formats and DuckDB's, longest first
#: (https://docs.snowflake.com/en/sql-reference/date-time-input-output#date-and-time-formats).
_FORMAT_ELEMENTS = {
    "YYYY": "%Y", "YY": "%y", "MMMM": "%B", "MON": "%b", "MM": "%m", "DD": "%d", "DY": "%a",
    "HH24": "%H", "HH12": "%I", "AM": "%p", "PM": "%p", "MI": "%M", "SS": "%S",
    "FF9": "%n", "FF6": "%f", "FF3": "%g", "FF": "%n", "TZHTZM": "+0000", "TZH:TZM": "+00:00", "TZH": "+00",
}  # fmt: skip
_FORMAT_PART = re.compile(
    r'"(?P<quoted>[^"]*)"|(?P<element>'
    + "|".join(sorted(map(re.escape, _FORMAT_ELEMENTS), key=len, reverse=True))
    + r")|(?P<text>.)",
    re.IGNORECASE | re.DOTALL,
)


def md5_numbers(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """MD5_NUMBER_LOWER64 and MD5_NUMBER_UPPER64: half of the MD5 as an unsigned number."""
    for node in list(tree.find_all(exp.MD5NumberLower64, exp.MD5NumberUpper64)):
        start = 17 if isinstance(node, exp.MD5NumberLower64) else 1
        digits = exp.Substring(
            this=exp.Anonymous(this="md5", expressions=[exp.cast(node.this.copy(), "text")]),
            start=exp.Literal.number(start),
            length=exp.Literal.number(16),
        )
        number = exp.cast(exp.DPipe(this=exp.Literal.string("0x"), expression=digits), exp.DataType.Type.UBIGINT)
        node.replace(exp.cast(number, exp.DataType.build("decimal(20, 0)")))


def formatted_times(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """TO_CHAR and TO_VARCHAR with a format for dates and times; without one a NUMBER keeps its scale anyway."""
    for node in list(tree.find_all(exp.ToChar)):
        form = node.args.get("format")
        if form is not None:
            arguments = [node.this.copy(), exp.Literal.string(_duckdb_format(form))]
            node.replace(exp.Anonymous(this="strftime", expressions=arguments))


def joined_texts(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """CONCAT_WS of values of which none can be null; for others, sqlglot asks each value for null and so computes it twice."""
    for node in list(tree.find_all(exp.ConcatWs)):
        if all(map(_is_never_null, node.expressions)):
            node.replace(exp.Anonymous(this="concat_ws", expressions=node.expressions))


def _is_never_null(value: Expr) -> bool:
    if isinstance(value, exp.Coalesce):
        return any(map(_is_never_null, (value.this, *value.expressions)))
    return isinstance(value, exp.Literal)


def trimmed_spaces(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """TRIM, LTRIM and RTRIM take the characters that they name, or the space U+0020 alone.

    fakesnow leaves out characters and side, and DuckDB takes all of Unicode's spaces.
    """
    sides = {"LEADING": "ltrim", "TRAILING": "rtrim"}
    for node in list(tree.find_all(exp.Trim)):
        characters = node.args.get("expression") or exp.Literal.string(" ")
        side = str(node.args.get("position") or "").upper()
        text = exp.Cast(this=node.this, to=exp.DataType.build("varchar"))
        node.replace(exp.Anonymous(this=sides.get(side, "trim"), expressions=[text, characters]))


def asof_joins(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """ASOF JOIN … MATCH_CONDITION: Snowflake keeps left rows without a match; DuckDB's word for that is ASOF LEFT JOIN."""
    for join in tree.find_all(exp.Join):
        match = join.args.get("match_condition")
        if match is None:
            continue
        if join.args.get("using"):
            raise sf.ProgrammingError(
                msg="the Snowflake stand-in knows ASOF JOIN with ON, not with USING", errno=1003, sqlstate="42000"
            )
        on = join.args.get("on")
        join.set("match_condition", None)
        join.set("side", "LEFT")
        join.set("on", exp.and_(on, match) if on is not None else match)


def session_functions(tree: Expr, cursor: FakeSnowflakeCursor) -> None:
    """LAST_QUERY_ID() and the role of the session, and a name for the warehouse that the stand-in has not."""
    for role in list(tree.find_all(exp.CurrentRole)):
        role.replace(exp.Literal.string(getattr(cursor._conn, "role", "") or "PUBLIC"))
    for warehouse in list(tree.find_all(exp.CurrentWarehouse)):
        warehouse.replace(exp.Literal.string("STAND_IN"))
    for node in list(tree.find_all(exp.Anonymous)):
        if node.name.upper() == "LAST_QUERY_ID" and not node.expressions:
            last = getattr(cursor._conn, "last_query_id", None)
            node.replace(exp.Literal.string(last) if last else exp.Null())


def _duckdb_format(form: Expr) -> str:
    if not (isinstance(form, exp.Literal) and form.is_string) or re.fullmatch(r"[$S]?[0-9,.GDX]+", form.this):
        raise sf.ProgrammingError(
            msg=f"the Snowflake stand-in knows TO_VARCHAR with a literal date or time format, not {form.sql('snowflake')}",
            errno=1003,
            sqlstate="42000",
        )
    parts = []
    for part in _FORMAT_PART.finditer(form.this):
        if part["element"]:
            parts.append(_FORMAT_ELEMENTS[part["element"].upper()])
        else:
            parts.append((part["quoted"] if part["quoted"] is not None else part["text"]).replace("%", "%%"))
    return "".join(parts)
