"""Transactions as Snowflake counts them.

DDL commits what is open; BEGIN inside a transaction changes nothing. Where DuckDB cannot follow, silence would be worst: after
a failed statement it gives the transaction up, so COMMIT then is an error (Snowflake would commit the rest). What belongs
here: the state of a session's transaction. What does not: sessions whose client has gone (sessions.py).
"""

from __future__ import annotations

import re
import time
from typing import Any

import duckdb
import snowflake.connector.errors as sf
from fakesnow.cursor import FakeSnowflakeCursor

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, succeed

#: Snowflake lets a statement wait for another transaction's rows; DuckDB refuses it at once, so it is tried again. Only a
#: statement outside a transaction: one inside has seen its snapshot already.
WAIT_SECONDS = 20.0
_RETRY_SECONDS = 0.05

_BEGIN = re.compile(
    r"\s*(?:begin|start\s+transaction)(?:\s+(?:work|transaction))?(?:\s+name\s+\S+)?\s*;?\s*", re.IGNORECASE
)
_COMMIT = re.compile(r"\s*commit(?:\s+work)?\s*;?\s*", re.IGNORECASE)
_ROLLBACK = re.compile(r"\s*rollback(?:\s+work)?\s*;?\s*", re.IGNORECASE)
_DDL = re.compile(r"\s*(?:create|alter\s+(?!session)|drop|truncate|comment|undrop)\b", re.IGNORECASE)


def is_open(session: Any) -> bool:
    """Whether the session has a transaction that it began itself or that autocommit=false began for it."""
    return bool(getattr(session, "in_explicit_transaction", False) or session._in_transaction)


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Keep count of the session's transaction around the statement."""
    session: Any = statement.cursor._conn
    if _BEGIN.fullmatch(statement.sql):
        return succeed(statement) if is_open(session) else _begin(statement, session, proceed)
    if _COMMIT.fullmatch(statement.sql):
        return _end(statement.with_sql("COMMIT"), session, proceed)
    if _ROLLBACK.fullmatch(statement.sql):
        session.transaction_failed = False
        return _end(statement.with_sql("ROLLBACK"), session, proceed)
    if _DDL.match(statement.sql) and getattr(session, "in_explicit_transaction", False):
        _end(statement.unbound("COMMIT"), session, proceed)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return proceed(statement)
        except Exception as error:
            if not is_open(session) and _is_conflict(error) and time.monotonic() < deadline:
                time.sleep(_RETRY_SECONDS)
                continue
            session.transaction_failed = is_open(session) and _is_aborted(statement)
            raise


def _begin(statement: Statement, session: Any, proceed: Proceed) -> FakeSnowflakeCursor:
    done = proceed(statement.with_sql("BEGIN"))
    session.in_explicit_transaction, session.transaction_failed = True, False
    return done


def _end(statement: Statement, session: Any, proceed: Proceed) -> FakeSnowflakeCursor:
    failed = getattr(session, "transaction_failed", False)
    session.in_explicit_transaction = session.transaction_failed = False
    if failed:
        proceed(statement.unbound("ROLLBACK"))
        raise sf.ProgrammingError(
            msg="the Snowflake stand-in has rolled the transaction back, because a statement in it failed; Snowflake would "
            "commit the others. Begin again, or roll back when a statement fails",
            errno=90_232,
            sqlstate="25000",
        )
    return proceed(statement)


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, duckdb.TransactionException) and "conflict" in str(error).lower()


def _is_aborted(statement: Statement) -> bool:
    try:
        statement.duck.execute("SELECT 1")
    except duckdb.Error:
        return True
    return False
