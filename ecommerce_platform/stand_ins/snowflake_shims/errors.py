"""Every failure becomes a SQL error.

fakesnow answers what it did not expect with HTTP 500, which Snowflake's connector retries for minutes. What belongs here:
turning exceptions into errors with Snowflake's numbers. What does not: avoiding them.
"""

from __future__ import annotations

import logging
from typing import Any

import duckdb
import snowflake.connector.errors as sf
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.rowtype import describe_as_rowtype

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, fakesnow_server, patched_cursor
from ecommerce_platform.stand_ins.snowflake_shims.results import described

_log = logging.getLogger(__name__)
_SQL_LENGTH_IN_LOG = 500

#: Snowflake's "statement aborted because of a conflicting transaction".
CONFLICT = 625


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Run the statement; any exception leaves as one that the connector raises at once."""
    try:
        return proceed(statement)
    except Exception as error:
        raise as_sql_error(error, statement.sql) from error


def as_sql_error(error: Exception, sql: str) -> sf.Error:
    """The error that a client of Snowflake would see, with DuckDB's text."""
    text = str(error).strip()
    if isinstance(error, sf.ProgrammingError | sf.OperationalError):
        return error
    if isinstance(error, sf.Error):
        return sf.ProgrammingError(msg=text, errno=error.errno, sqlstate=error.sqlstate)
    if isinstance(error, duckdb.TransactionException):
        return sf.ProgrammingError(msg=f"transaction conflict: {text}", errno=CONFLICT, sqlstate="57014")
    if isinstance(error, duckdb.ConstraintException):
        return sf.ProgrammingError(msg=text, errno=100072, sqlstate="22000")
    if isinstance(error, duckdb.Error):
        return sf.ProgrammingError(msg=f"{type(error).__name__}: {text}", errno=100132, sqlstate="P0000")
    _log.error("the stand-in cannot run: %s", sql[:_SQL_LENGTH_IN_LOG], exc_info=error)
    return sf.ProgrammingError(
        msg=f"the Snowflake stand-in cannot run this ({type(error).__name__}: {text}); see docs/stand-in.md",
        errno=9999,
        sqlstate="99999",
    )


def install() -> None:
    """Cover the description of a result, which fakesnow makes after the statement has run."""
    describe_last_sql = FakeSnowflakeCursor._describe_last_sql

    def describe(cursor: FakeSnowflakeCursor) -> list[Any]:
        try:
            return described(cursor) or describe_last_sql(cursor)
        except Exception as error:
            raise as_sql_error(error, f"DESCRIBE {cursor._last_sql}") from error

    def rowtype(columns: list[Any]) -> Any:
        try:
            return describe_as_rowtype(columns)
        except Exception as error:
            raise as_sql_error(error, "the result's column types") from error

    patched_cursor._describe_last_sql = describe
    fakesnow_server.describe_as_rowtype = rowtype
