"""MERGE by DuckDB's own MERGE INTO.

fakesnow emulates MERGE by several statements, which fails on the unqualified columns that dbt writes ("Ambiguous
reference"). What belongs here: MERGE. What does not: INSERT, UPDATE and DELETE.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, answer

_MERGE = re.compile(r"^\s*merge\s+into\b", re.IGNORECASE)


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Run a MERGE in one piece and answer with Snowflake's counts."""
    if not _MERGE.match(statement.sql):
        return proceed(statement)
    cursor: Any = statement.cursor
    merge = cursor._transform(parse_one(statement.sql), statement.bindings)
    rows = statement.duck.execute(
        f"{merge.sql(dialect='duckdb')} RETURNING merge_action", statement.bindings
    ).fetchall()
    done = Counter(action for (action,) in rows)
    answer(
        statement,
        f'select {done["INSERT"]} as "number of rows inserted", {done["UPDATE"]} as "number of rows updated", '
        f'{done["DELETE"]} as "number of rows deleted"',
    )
    cursor._rowcount = len(rows)
    return cursor
