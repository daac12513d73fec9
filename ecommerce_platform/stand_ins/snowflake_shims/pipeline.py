"""How a correction sees a statement: a chain of steps around fakesnow's cursor, and rewrites of its syntax tree.

What belongs here: the chain. What does not: any correction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot import Expr

#: fakesnow's server module; the package's attribute of that name is a function to type checkers.
fakesnow_server: Any = import_module("fakesnow.server")
#: fakesnow's cursor class, untyped: corrections replace its methods.
patched_cursor: Any = FakeSnowflakeCursor


@dataclass(frozen=True)
class Statement:
    """One SQL statement on its way to DuckDB."""

    cursor: FakeSnowflakeCursor
    sql: str
    params: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def duck(self) -> Any:
        """The session's DuckDB connection."""
        return self.cursor._conn._duck_conn

    @property
    def bindings(self) -> Any:
        """Values bound by the client, whichever way they came."""
        return self.options.get("binding_params") or self.params

    def with_sql(self, sql: str) -> Statement:
        return replace(self, sql=sql)

    def unbound(self, sql: str) -> Statement:
        """Another statement of the same session, without bound values."""
        return Statement(self.cursor, sql, None, {"server": True})


Proceed = Callable[[Statement], FakeSnowflakeCursor]
Step = Callable[[Statement, Proceed], FakeSnowflakeCursor]
#: Changes the tree of a statement in place, before fakesnow translates it.
Rewrite = Callable[[Expr, FakeSnowflakeCursor], None]

_fakesnow_execute = FakeSnowflakeCursor.execute
_fakesnow_transform = FakeSnowflakeCursor._transform


def answer(statement: Statement, select: str) -> FakeSnowflakeCursor:
    """Answer with the result of a plain query instead of running the statement."""
    other = statement.unbound(select)
    return _fakesnow_execute(other.cursor, other.sql, None, **other.options)


def succeed(statement: Statement, message: str = "Statement executed successfully.") -> FakeSnowflakeCursor:
    """Answer with Snowflake's one-row status."""
    return answer(statement, f"select '{message}' as \"status\"")


def install(steps: Sequence[Step], rewrites: Sequence[Rewrite]) -> None:
    """Chain the steps (outermost first) around execute, and apply the rewrites before fakesnow's own."""

    def run(statement: Statement, remaining: tuple[Step, ...]) -> FakeSnowflakeCursor:
        if remaining:
            return remaining[0](statement, lambda following: run(following, remaining[1:]))
        return _fakesnow_execute(statement.cursor, statement.sql, statement.params, **statement.options)

    def execute(cursor: FakeSnowflakeCursor, command: str, params: Any = None, **options: Any) -> FakeSnowflakeCursor:
        done = run(Statement(cursor, command, params, options), tuple(steps))
        session: Any = cursor._conn
        session.last_query_id = cursor._sfqid
        return done

    def transform(cursor: FakeSnowflakeCursor, expression: Expr, params: Any) -> Expr:
        for rewrite in rewrites:
            rewrite(expression, cursor)
        return _fakesnow_transform(cursor, expression, params)

    patched_cursor.execute = execute
    patched_cursor._transform = transform
