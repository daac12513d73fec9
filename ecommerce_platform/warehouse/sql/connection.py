"""Connections to Snowflake: the account of the settings, or the stand-in on this machine.

What belongs here: how to connect, run a statement, hold a transaction, and which errors are worth another try. What does
not: statements themselves (ddl.py, load_sql.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ecommerce_platform.settings import Settings, SnowflakeSettings
from ecommerce_platform.stand_ins.servers import ensure_snowflake
from ecommerce_platform.time_limits import TimeLimitError, within

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

Result = TypeVar("Result")
#: Opens a connection of its own for whoever calls it; a load with several threads calls it once a thread.
Opener = Callable[[], AbstractContextManager["SnowflakeConnection"]]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
#: Snowflake: another transaction holds the lock (625), waited too long for it (629).
_CONFLICTS = frozenset({625, 629})
#: Snowflake: an object named in the statement does not exist, or this role may not see it.
_NO_SUCH_OBJECT = frozenset({2003, 2043})
#: Snowflake: the session is gone or its token no longer holds, so that a new connection helps.
_LOST_SESSIONS = frozenset({250002, 290401, 390104, 390111, 390112, 390114, 390318})
#: The connector tries again until its own limit; this is for the try that is under way then.
_LOGIN_GRACE_SECONDS = 10
_BACKOFF_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)


class WarehouseError(RuntimeError):
    """Snowflake, or what was asked of it, is not as expected; the message says what was found and what to do."""


class WarehouseUnreachable(WarehouseError):
    """No login succeeded in the time that the settings give it."""


class StatementUnanswered(WarehouseError):
    """A statement's answer had no end in the time that the settings give it; its session is closed, and cannot be used again."""


def quoted(name: str) -> str:
    """An identifier as Snowflake stores an unquoted one: upper case, safe in any statement. Raises WarehouseError."""
    if not _NAME.fullmatch(name):
        raise WarehouseError(
            f"{name!r} is not a usable Snowflake name; expected letters, digits, _ and $, no digit first"
        )
    return f'"{name.upper()}"'


def connection_arguments(settings: Settings, run_id: str | None = None, role: str | None = None) -> dict[str, Any]:
    """Keyword arguments of `snowflake.connector.connect` for these settings; starts the stand-in when it is wanted.

    `run_id` shows in Snowflake's query history as the session's QUERY_TAG.
    """
    snowflake = settings.snowflake
    arguments: dict[str, Any] = {
        "user": snowflake.user or "local",
        "role": role or snowflake.role,
        "warehouse": snowflake.warehouse,
        "database": snowflake.database,
        "schema": "RAW",
        "autocommit": True,
        "application": "ecommerce_platform",
        "client_telemetry_enabled": False,
        "session_parameters": {
            "TIMEZONE": "UTC",
            "QUERY_TAG": f"ecommerce-platform run={run_id}" if run_id else "ecommerce-platform",
            # A load's transaction is short; one that waits longer than this waits for a dead session.
            "LOCK_TIMEOUT": snowflake.lock_timeout_seconds,
            "STATEMENT_TIMEOUT_IN_SECONDS": snowflake.statement_timeout_seconds,
            "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": snowflake.queue_timeout_seconds,
        },
        "login_timeout": snowflake.login_timeout_seconds,
        "network_timeout": snowflake.network_timeout_seconds,
        # A server that takes the request and says nothing is noticed by the socket only. Snowflake answers within 45 s, if
        # only that a statement is still running.
        "socket_timeout": min(60, snowflake.network_timeout_seconds),
    }
    if snowflake.is_embedded:
        endpoint = ensure_snowflake(settings.data_dir)
        return arguments | {
            "account": "fakesnow",
            "password": endpoint.password,
            "host": endpoint.host,
            "port": endpoint.port,
            "protocol": "http",
            "login_timeout": min(30, snowflake.login_timeout_seconds),
            "network_timeout": min(60, snowflake.network_timeout_seconds),
        }
    arguments["account"] = snowflake.account or "fakesnow"
    if snowflake.host:
        arguments |= {"host": snowflake.host, "protocol": snowflake.protocol}
        arguments |= {"port": snowflake.port} if snowflake.port else {}
    return arguments | _credentials(snowflake)


def _credentials(snowflake: SnowflakeSettings) -> dict[str, Any]:
    if snowflake.private_key_path:
        arguments: dict[str, Any] = {
            "authenticator": "SNOWFLAKE_JWT",
            "private_key_file": snowflake.private_key_path,
        }
        if snowflake.private_key_passphrase:
            arguments["private_key_file_pwd"] = snowflake.private_key_passphrase.get_secret_value()
        return arguments
    if snowflake.password:
        return {"password": snowflake.password.get_secret_value()}
    raise WarehouseError(
        "no credentials for Snowflake: set ECOMMERCE_SNOWFLAKE__PRIVATE_KEY_PATH (recommended) or "
        "ECOMMERCE_SNOWFLAKE__PASSWORD"
    )


def connect(settings: Settings, run_id: str | None = None, role: str | None = None) -> SnowflakeConnection:
    """An open connection, in UTC, with autocommit. Raises WarehouseUnreachable when no login succeeds, and its statements
    StatementUnanswered when an answer has no end.
    """
    import snowflake.connector

    from ecommerce_platform.warehouse.sql.answers import limit_answers  # imports the connector, which takes seconds

    arguments = connection_arguments(settings, run_id, role)
    with reaching(settings.snowflake):
        opened = log_in(settings.snowflake, lambda: snowflake.connector.connect(**arguments))
    return limit_answers(opened, settings.snowflake)


def log_in(snowflake: SnowflakeSettings, action: Callable[[], Result]) -> Result:
    """The result of a login. The connector's own limit holds between two reads only: a login that drips is given up, too."""
    return within(snowflake.login_timeout_seconds + _LOGIN_GRACE_SECONDS, action, "snowflake-login")


@contextmanager
def reaching(snowflake: SnowflakeSettings) -> Iterator[None]:
    """Around a login: turns the connector's error into one that says what was tried, and that is not worth trying again.

    The connector itself tries again, with growing pauses, until the time for a login is over.
    """
    from snowflake.connector import errors

    try:
        yield
    except (errors.OperationalError, errors.InterfaceError, TimeLimitError) as error:
        where = "the embedded stand-in" if snowflake.is_embedded else f"account {snowflake.account}"
        if snowflake.host:
            where = f"{snowflake.protocol}://{snowflake.host}:{snowflake.port or ''}".rstrip(":")
        raise WarehouseUnreachable(
            f"no login at Snowflake ({where}) as user {snowflake.user} within {snowflake.login_timeout_seconds} s: "
            f"{getattr(error, 'msg', None) or error}; look at the network and Snowflake's status, or raise "
            "ECOMMERCE_SNOWFLAKE__LOGIN_TIMEOUT_SECONDS"
        ) from error


def fetch_all(connection: SnowflakeConnection, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query; `%s` in it stand for `parameters`."""
    cursor = connection.cursor()
    cursor.execute(sql, tuple(parameters) or None)
    return [tuple(row) for row in cursor.fetchall()]


def execute(connection: SnowflakeConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    """Runs a statement and returns the number of rows that it touched."""
    cursor = connection.cursor()
    cursor.execute(sql, tuple(parameters) or None)
    return cursor.rowcount or 0


@contextmanager
def transaction(connection: SnowflakeConnection) -> Iterator[None]:
    """BEGIN … COMMIT, with ROLLBACK on any error. No DDL inside: in Snowflake it commits what is open."""
    execute(connection, "begin")
    try:
        yield
        execute(connection, "commit")
    except BaseException:
        try:
            execute(connection, "rollback")
        except Exception:  # noqa: BLE001 (the first error is the one to report)
            # A session that may still hold an open transaction must never be used again: a later DDL would commit it.
            with suppress(Exception):
                connection.close()
        raise


def error_number(error: BaseException) -> int | None:
    """Snowflake's error number, where the error carries one."""
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) else None


def is_missing_object(error: BaseException) -> bool:
    """Whether an object named in the statement does not exist, or this role may not see it."""
    return error_number(error) in _NO_SUCH_OBJECT


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way; the session itself is sound once it has rolled back."""
    return error_number(error) in _CONFLICTS


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is done again over a new connection."""
    from snowflake.connector import errors

    if error_number(error) in _CONFLICTS | _LOST_SESSIONS:
        return True
    return isinstance(error, errors.OperationalError | errors.InterfaceError | ConnectionError | TimeoutError)


def with_retries(
    action: Callable[[], Result],
    attempts: int = 6,
    worth_another: Callable[[BaseException], bool] = is_transient,
    pause: Callable[[float], None] = time.sleep,
) -> Result:
    """The result of `action`, tried again after a growing pause while its error is worth another try."""
    for attempt in range(attempts):
        try:
            return action()
        except Exception as error:
            if attempt + 1 == attempts or not worth_another(error):
                raise
            pause(_BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)])
    raise AssertionError("attempts must be at least 1")
