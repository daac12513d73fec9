"""CREATE and ALTER of tables as dbt and the warehouse room write them.

What belongs here: temporary tables in a named schema, CREATE TABLE with columns and constraints, dropping several columns.
What does not: comments (comments.py), MERGE (merge.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import fakesnow.macros
import snowflake.connector.errors as sf
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one
from sqlglot import Expr, exp

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, succeed

_QUALIFIED_TEMPORARY = re.compile(
    r"""^(?P<create>\s*create\s+(?:or\s+replace\s+)?)(?:local\s+|global\s+)?(?:temporary|temp|volatile)\s+
        (?P<rest>(?:table|view)\s+(?:if\s+not\s+exists\s+)?[^\s(]+\.[^\s(]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_WITH_COLUMNS = re.compile(
    r"""^\s*create\s+(?:or\s+replace\s+)?(?:transient\s+|temporary\s+|temp\s+)?table\s+(?:if\s+not\s+exists\s+)?
        [\w.\"$]+\s*\(""",
    re.IGNORECASE | re.VERBOSE,
)
_DROP_COLUMNS = re.compile(
    r"^\s*alter\s+table\s+(?P<table>\S+)\s+drop\s+column\s+(?P<columns>[^;]+,[^;]+?)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_TRUNCATE_IF_EXISTS = re.compile(
    r"^\s*truncate\s+(?:table\s+)?if\s+exists\s+(?P<table>[^\s;]+)\s*;?\s*$", re.IGNORECASE
)
_NO_SUCH_TABLE = 2003
#: Snowflake keeps these as information and enforces none of them; DuckDB would enforce.
_NOT_ENFORCED = (
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.Reference,
    exp.CheckColumnConstraint,
)


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Rewrite a CREATE or ALTER that fakesnow runs wrongly; other statements go on."""
    # DuckDB keeps temporary tables in a catalog of their own, where dbt's qualified names do not reach: a real one serves.
    statement = statement.with_sql(_QUALIFIED_TEMPORARY.sub(r"\g<create>\g<rest>", statement.sql))
    if match := _DROP_COLUMNS.match(statement.sql):
        for column in match["columns"].split(","):
            proceed(statement.unbound(f"alter table {match['table']} drop column {column.strip()}"))
        return succeed(statement)
    if match := _TRUNCATE_IF_EXISTS.match(statement.sql):
        return _truncate_if_exists(statement.with_sql(f"truncate table {match['table']}"), proceed)
    if _WITH_COLUMNS.match(statement.sql):
        return _create_with_columns(statement, proceed)
    return proceed(statement)


def _truncate_if_exists(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    try:
        return proceed(statement)
    except sf.ProgrammingError as error:
        if error.errno != _NO_SUCH_TABLE:
            raise
        return succeed(statement)


def _create_with_columns(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    create = parse_one(statement.sql)
    if not (isinstance(create, exp.Create) and isinstance(create.this, exp.Schema)):
        return proceed(statement)
    columns = [_enforced(column) for column in create.this.expressions if _is_column(column)]
    create.this.set("expressions", columns)
    select = create.args.get("expression")
    if select is None or not all(isinstance(column, exp.ColumnDef) for column in columns):
        return proceed(statement.with_sql(create.sql(dialect="snowflake")))
    # fakesnow's own CREATE … (columns) AS SELECT drops NOT NULL: create first, then insert, in one transaction.
    create.set("expression", None)
    create.this.set("expressions", [_without_length_record(column) for column in columns])
    target = create.this.this
    query = select.unnest() if isinstance(select, exp.Subquery) else select
    with _transaction(statement.duck):
        proceed(statement.unbound(create.sql(dialect="snowflake")))
        proceed(statement.with_sql(f"INSERT INTO {target.sql(dialect='snowflake')} {query.sql(dialect='snowflake')}"))
    return succeed(statement, f"Table {target.name.upper()} successfully created.")


def _is_column(part: Expr) -> bool:
    return isinstance(part, exp.ColumnDef | exp.Identifier)


def _enforced(column: Expr) -> Expr:
    if isinstance(column, exp.ColumnDef):
        constraints = column.args.get("constraints") or []
        column.set("constraints", [c for c in constraints if not isinstance(c.args.get("kind"), _NOT_ENFORCED)])
    return column


def _without_length_record(column: Expr) -> Expr:
    # fakesnow notes the length of VARCHAR columns in a database of its own, which a transaction on the user's database may
    # not write to; CHAR is the same type in DuckDB and has no such note. Without one, the length is Snowflake's maximum.
    column = column.copy()
    kind = column.args.get("kind")
    if kind is not None and kind.this in (exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT):
        column.set("kind", exp.DataType(this=exp.DataType.Type.CHAR))
    return column


@contextmanager
def _transaction(duck: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction of its own, or the one that is open."""
    try:
        duck.execute("BEGIN")
    except duckdb.TransactionException:
        yield
        return
    try:
        yield
    except BaseException:
        duck.execute("ROLLBACK")
        raise
    duck.execute("COMMIT")


def install() -> None:
    """Let a database be opened again in which a table's default calls one of fakesnow's macros.

    fakesnow replaces its macros at each connection, and DuckDB refuses to replace what a default depends on.
    """
    creation_sql = fakesnow.macros.creation_sql

    def kept(catalog: str) -> str:
        return re.sub(
            r"create or replace macro", "CREATE MACRO IF NOT EXISTS", creation_sql(catalog), flags=re.IGNORECASE
        )

    fakesnow.macros.creation_sql = kept
