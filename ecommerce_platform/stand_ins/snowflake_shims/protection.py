"""Masking policies, and tables granted to roles, which fakesnow has none of: kept beside the database, and obeyed.

What belongs here: keeping them, and what a session of such a role sees. What does not: other grants (statements.py).

A role is bound once it was granted the usage of a database, and nothing more of it. A bound role may only read tables that it was
granted, and sees masked columns as their policies show them. Sessions of all other roles, and without one, see everything,
as the stand-in has always let them. As in Snowflake, a table that is made again has neither policies nor grants.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import snowflake.connector.errors as sf
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one
from sqlglot import exp

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, succeed
from ecommerce_platform.stand_ins.snowflake_shims.statements import bare

_NAME = r'[\w.$"]+'
_POLICY = re.compile(
    rf"^create\s+masking\s+policy\s+(?P<careful>if\s+not\s+exists\s+)?(?P<name>{_NAME})\s+as\s*\(\s*val\s+(?P<type>[^)]+(?:\([^)]*\))?)\s*\)"
    r"\s*returns\s+.+?->\s*(?P<body>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_BODY = re.compile(
    rf"^alter\s+masking\s+policy\s+(?:if\s+exists\s+)?(?P<name>{_NAME})\s+set\s+body\s*->\s*(?P<body>.+)$", re.I | re.S
)
_MASK = re.compile(
    rf"^alter\s+table\s+(?P<careful>if\s+exists\s+)?(?P<table>{_NAME})\s+(?:modify|alter)\s+(?:column\s+)?(?P<column>{_NAME})\s+"
    rf"(?:set\s+masking\s+policy\s+(?P<policy>{_NAME})(?:\s+(?P<force>force))?|unset\s+masking\s+policy)$",
    re.IGNORECASE,
)
_GRANT = re.compile(rf"^grant\s+select\s+on\s+(?:table\s+)?(?P<table>{_NAME})\s+to\s+role\s+(?P<role>{_NAME})$", re.I)
_REVOKE = re.compile(
    rf"^revoke\s+select\s+on\s+(?:table\s+)?(?P<table>{_NAME})\s+from\s+role\s+(?P<role>{_NAME})$", re.I
)
_USAGE = re.compile(rf"^grant\s+usage\s+on\s+database\s+\S+\s+to\s+role\s+(?P<role>{_NAME})$", re.IGNORECASE)
_USE_ROLE = re.compile(rf"^use\s+role\s+(?P<role>{_NAME})$", re.IGNORECASE)
_HARMLESS = re.compile(r"(?:alter\s+session|show|use|desc|describe|begin|commit|rollback)\b", re.IGNORECASE)
_MADE_AGAIN = re.compile(
    rf"^(?:create\s+or\s+replace\s+(?:transient\s+)?table|drop\s+table(?:\s+if\s+exists)?)\s+(?P<table>{_NAME})", re.I
)
_NO_SUCH_OBJECT, _NO_PRIVILEGE, _HAS_A_POLICY = 2003, 3001, 3543


class _Kept:
    """What protects what: (kind, name, detail) to a value, in the order of the statements, in memory and in a file.

    Beside DuckDB: a session's broken transaction must not be in the way of the statement that ends it.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        self._rows: dict[tuple[str, str, str], str] = {}
        self._lock = threading.Lock()

    def open(self, file: Path) -> None:
        self._file = file
        if file.exists():
            self._rows = {(kind, name, detail): value for kind, name, detail, value in json.loads(file.read_text())}

    def of(self, kind: str, name: str) -> dict[str, str]:
        """Detail to value."""
        with self._lock:
            return {detail: value for (k, n, detail), value in self._rows.items() if (k, n) == (kind, name)}

    def write(self, kind: str, name: str, detail: str = "", value: str = "") -> None:
        with self._lock:
            if self._rows.get((kind, name, detail)) != value:
                self._rows[kind, name, detail] = value
                self._save()

    def remove(self, kinds: tuple[str, ...], name: str, detail: str | None = None) -> None:
        with self._lock:
            gone = [key for key in self._rows if key[0] in kinds and key[1] == name and detail in (None, key[2])]
            for key in gone:
                del self._rows[key]
            if gone:
                self._save()

    def _save(self) -> None:
        if self._file is not None:
            unfinished = self._file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps([[*key, value] for key, value in self._rows.items()]))
            unfinished.replace(self._file)


_kept = _Kept()


def install(folder: Path) -> None:
    """Keep protection in a file of this folder."""
    _kept.open(folder / "protection.json")


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Keep what concerns protection; let a bound role see what it may; note tables that are made again."""
    statement = statement.with_sql(bare(statement.sql))
    session: Any = statement.cursor._conn
    if match := _USE_ROLE.match(statement.sql):
        session.role = _plain(match["role"])
        return proceed(statement)
    role = getattr(session, "role", "")
    if role and _kept.of("bound", role):
        return proceed(statement.with_sql(_as_seen_by(statement, role)))
    if _keep(statement):
        return succeed(statement)
    done = proceed(statement)
    if match := _USAGE.match(statement.sql):
        _kept.write("bound", _plain(match["role"]))
    elif match := _MADE_AGAIN.match(statement.sql):
        _kept.remove(("mask", "grant"), _full(statement, match["table"]))
    return done


def _keep(statement: Statement) -> bool:
    """Whether the statement was one of protection."""
    if match := _POLICY.match(statement.sql):
        name = _full(statement, match["name"])
        exists = bool(_kept.of("policy", name))
        if exists and not match["careful"]:
            raise sf.ProgrammingError(f"Object '{name}' already exists.", errno=2002, sqlstate="42710")
        if not exists:
            _kept.write("policy", name, "", match["body"])
    elif match := _BODY.match(statement.sql):
        name = _full(statement, match["name"])
        _require_policy(name)
        _kept.write("policy", name, "", match["body"])
    elif match := _MASK.match(statement.sql):
        _keep_mask(statement, match)
    elif match := _GRANT.match(statement.sql):
        table = _full(statement, match["table"])
        _require_column(statement, table, None)
        _kept.write("grant", table, _plain(match["role"]))
    elif match := _REVOKE.match(statement.sql):
        table = _full(statement, match["table"])
        _require_column(statement, table, None)
        _kept.remove(("grant",), table, _plain(match["role"]))
    else:
        return False
    return True


def _keep_mask(statement: Statement, match: re.Match[str]) -> None:
    table, column = _full(statement, match["table"]), _plain(match["column"])
    if match["careful"] and not _columns(statement, table):
        return
    _require_column(statement, table, column)
    present = _kept.of("mask", table)
    if match["policy"]:
        policy = _full(statement, match["policy"])
        _require_policy(policy)
        if column in present and not match["force"]:
            raise sf.ProgrammingError(
                f"Specified column already attached to another masking policy: {column}",
                errno=_HAS_A_POLICY,
                sqlstate="23001",
            )
        _kept.write("mask", table, column, policy)
    else:
        _kept.remove(("mask",), table, column)


def _as_seen_by(statement: Statement, role: str) -> str:
    """The statement over the tables as the role sees them. Raises ProgrammingError for what it may not do."""
    tree = parse_one(statement.sql)
    if not isinstance(tree, exp.Query):
        if _HARMLESS.match(statement.sql):
            return statement.sql
        raise _refused(role)
    named = {cte.alias_or_name.upper() for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        is_named = not table.db and table.name.upper() in named
        if is_named or not table.name or table.db.upper() == "INFORMATION_SCHEMA":
            continue
        name = _full(statement, ".".join(part.sql(dialect="snowflake") for part in table.parts))
        if role not in _kept.of("grant", name):
            raise sf.ProgrammingError(
                f"Object '{name}' does not exist or not authorized.", errno=_NO_SUCH_OBJECT, sqlstate="02000"
            )
        if masks := _kept.of("mask", name):
            table.replace(_masked(statement, table, name, masks, role))
    return tree.sql(dialect="snowflake")


def _masked(statement: Statement, table: exp.Table, name: str, masks: dict[str, str], role: str) -> exp.Expression:
    """The table with its masked columns as their policies show them, under the same name."""
    shown = []
    for column in _columns(statement, name):
        quoted = f'"{column}"'
        body = _kept.of("policy", masks[column]).get("") if column in masks else None
        if body is not None:
            quoted = f"{_shown_by(body, column, role)} as {quoted}"
        shown.append(quoted)
    plain = table.copy()
    plain.set("alias", None)
    alias = table.alias_or_name
    seen = parse_one(f"select * from (select {', '.join(shown)} from {plain.sql(dialect='snowflake')}) as x")
    subquery = seen.find(exp.Subquery)
    assert subquery is not None
    subquery.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return subquery


def _shown_by(body: str, column: str, role: str) -> str:
    """A policy's body for one column and role, as SQL."""
    policy = parse_one(f"select {body}")
    for value in list(policy.find_all(exp.Column)):
        if value.name.lower() == "val":
            value.replace(exp.column(column, quoted=True))
    literal = "'" + role.replace("'", "''") + "'"
    shown = policy.sql(dialect="snowflake").removeprefix("SELECT ")
    return re.sub(r"(?i)current_role(?:[(][)])?", lambda _: literal, shown)


def _refused(role: str) -> sf.ProgrammingError:
    return sf.ProgrammingError(
        f"SQL access control error: Insufficient privileges to operate with role '{role}'.",
        errno=_NO_PRIVILEGE,
        sqlstate="42501",
    )


def _require_policy(policy: str) -> None:
    if not _kept.of("policy", policy):
        raise sf.ProgrammingError(
            f"Masking policy '{policy}' does not exist or not authorized.", errno=_NO_SUCH_OBJECT, sqlstate="02000"
        )


def _require_column(statement: Statement, table: str, column: str | None) -> None:
    columns = _columns(statement, table)
    if not columns:
        raise sf.ProgrammingError(
            f"Table '{table}' does not exist or not authorized.", errno=_NO_SUCH_OBJECT, sqlstate="42S02"
        )
    if column is not None and column not in columns:
        raise sf.ProgrammingError(f"invalid identifier '{column}'", errno=904, sqlstate="42000")


def _columns(statement: Statement, table: str) -> list[str]:
    query = (
        "select column_name from duckdb_columns() where database_name = ? and schema_name = ? and table_name = ? "
        "order by column_index"
    )
    return [name for (name,) in statement.duck.execute(query, table.split(".")).fetchall()]


def _full(statement: Statement, name: str) -> str:
    """DATABASE.SCHEMA.NAME as Snowflake stores it, completed from the session."""
    parts = [_plain(part) for part in _parts(name)]
    session: Any = statement.cursor._conn
    return ".".join([session.database, session.schema][: 3 - len(parts)] + parts if len(parts) < 3 else parts)


def _parts(name: str) -> Iterator[str]:
    return iter(re.findall(r'"[^"]+"|[^."]+', name))


def _plain(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name.upper()
