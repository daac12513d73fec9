"""Descriptions that dbt's persist_docs writes: many columns in one ALTER, and apostrophes.

What belongs here: COMMENT on tables, views and columns. What does not: other ALTER statements (tables.py).
"""

from __future__ import annotations

import re
from typing import Any

import fakesnow.info_schema
from fakesnow.cursor import FakeSnowflakeCursor

from ecommerce_platform.embedded.snowflake_shims.pipeline import Proceed, Statement, succeed

_COLUMN_COMMENTS = re.compile(
    r"""^\s*alter\s+(?:table|view)\s+(?P<table>\S+)\s+(?:alter|modify)\s+
        (?P<columns>(?:column\s+)?(?:"[^"]+"|\w+)\s+comment\s.*)$""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ONE_COMMENT = re.compile(
    r"""(?:column\s+)?(?P<name>"[^"]+"|\w+)\s+comment\s+(?:\$\$(?P<dollar>.*?)\$\$|'(?P<quoted>(?:[^']|'')*)')\s*,?""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Comment each column that the statement names."""
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
    """Let a table's comment hold an apostrophe."""
    insert_comment = fakesnow.info_schema.insert_table_comment_sql

    def escaped(catalog: str, schema: str, table: str, comment: str | None, **more: Any) -> str:
        return insert_comment(catalog, schema, table, (comment or "").replace("'", "''"), **more)

    fakesnow.info_schema.insert_table_comment_sql = escaped
