"""Descriptions that dbt's persist_docs writes: many columns in one ALTER, and apostrophes.

What belongs here: COMMENT on tables, views and columns. What does not: other ALTER statements (tables.py).
"""

from __future__ import annotations

import re
from typing import Any

import fakesnow.info_schema
from fakesnow.cursor import FakeSnowflakeCursor

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, fakesnow_server, succeed

_COLUMN_COMMENTS = re.compile(
    r"""^\s*alter\s+(?:table|view)\s+(?P<table>\S+)\s+(?:alter|modify)\s+
        (?P<columns>(?:column\s+)?(?:"[^"]+"|\w+)\s+comment\s.*)$""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ONE_COMMENT = re.compile(
    r"""(?:column\s+)?(?P<name>"[^"]+"|\w+)\s+comment\s+(?:\$\$(?P<dollar>.*?)\$\$|'(?P<quoted>(?:[^']|'')*)')\s*,?""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


_COMMENT_ON_COLUMN = re.compile(
    r"^\s*comment\s+(?:if\s+exists\s+)?on\s+column\s+(?P<column>\S+)\s+is\s+(?P<text>'(?:[^']|'')*')\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Comment each column that the statement names."""
    if one := _COMMENT_ON_COLUMN.match(statement.sql):
        statement.duck.execute(f"COMMENT ON COLUMN {one['column']} IS {one['text']}")
        return succeed(statement)
    match = _COLUMN_COMMENTS.match(statement.sql)
    if not match:
        return proceed(statement)
    for comment in _ONE_COMMENT.finditer(match["columns"]):
        text = comment["dollar"] if comment["dollar"] is not None else comment["quoted"].replace("''", "'")
        name = comment["name"] if comment["name"].startswith('"') else f'"{comment["name"].upper()}"'
        literal = text.replace("'", "''")
        statement.duck.execute(f"COMMENT ON COLUMN {match['table']}.{name} IS '{literal}'")
    return succeed(statement)


def install() -> None:
    """Let a table's comment hold an apostrophe, and record comments and text lengths beside the open transaction.

    fakesnow keeps both in a database of its own, and DuckDB lets a transaction write to one database only.
    """
    information: Any = fakesnow.info_schema
    comment_sql, lengths_sql = information.insert_table_comment_sql, information.insert_text_lengths_sql

    def record(sql: str) -> str:
        with fakesnow_server.shared_fs.duck_conn.cursor() as beside:
            beside.execute(sql)
        return "SELECT 1"

    def comment(catalog: str, schema: str, table: str, text: str | None) -> str:
        return record(comment_sql(catalog, schema, table, (text or "").replace("'", "''")))

    def lengths(catalog: str, schema: str, table: str, text_lengths: list[tuple[str, int]]) -> str:
        return record(lengths_sql(catalog, schema, table, text_lengths))

    information.insert_table_comment_sql, information.insert_text_lengths_sql = comment, lengths
