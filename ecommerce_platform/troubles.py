"""Trouble of the outside world as one paragraph: what, where, and what to do.

What belongs here: which kind an error is, and the words for it. What does not: catching it (commands/front.py). Kinds are known
by the names of their classes, so that naming one imports no library.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Callable, Iterator

from ecommerce_platform.settings import SettingsError, load_settings

_LONGEST = 1500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_DISK = "free space, or point ECOMMERCE_DATA_DIR at a larger disk, then run the command again: what was finished stays"
_RIGHTS = (
    "this user must be able to write there; set ECOMMERCE_DATA_DIR (or the setting that names the folder) to another"
)
_CATALOG = "ECOMMERCE_LAKEHOUSE__CATALOG_URI"


def paragraph(error: BaseException) -> str:
    """One paragraph without line breaks: the first error of the chain that is of a known kind, else the error itself."""
    return known_trouble(error) or _one_line(
        f"{type(error).__name__}: {str(error) or 'no message'} (unexpected: run the command with --debug for the traceback, "
        "and report it)"
    )


def known_trouble(error: BaseException) -> str | None:
    """The paragraph, when an error of the chain is of a known kind."""
    for item in _chain(error):
        for translate in _KINDS:
            if words := translate(item):
                return _one_line(words)
    return None


def is_ours(error: BaseException) -> bool:
    """Whether the error is one of the platform's own."""
    return type(error).__module__.split(".")[0] == "ecommerce_platform"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)  # SQLAlchemy's driver error
        current = original if isinstance(original, BaseException) else current.__cause__ or current.__context__


def _one_line(text: str) -> str:
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _is_of(error: BaseException, module: str, *names: str) -> bool:
    """Whether the error's class, or one that it comes from, is of this library and (where names are given) so called."""
    return any(
        cls.__module__.split(".")[0] == module and (not names or cls.__name__ in names) for cls in type(error).__mro__
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _ours(error: BaseException) -> str | None:
    """The platform's own errors say what and what to do."""
    return str(error) if is_ours(error) else None


def _disk(error: BaseException) -> str | None:
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    if number in _DISK_FULL or "No space left on device" in text or "database or disk is full" in text:
        return f"the disk is full{where}: {_first_line(error)}; {_DISK}"
    if number in _NOT_ALLOWED or "readonly database" in text or "Read-only file system" in text:
        return f"a file cannot be written or read{where}: {_first_line(error)}; {_RIGHTS}"
    if number in (errno.EMFILE, errno.ENFILE):
        return f"this process has too many open files: {_first_line(error)}; raise the limit (ulimit -n), then run it again"
    return None


def _sqlite(error: BaseException) -> str | None:
    if not _is_of(error, "sqlite3", "DatabaseError", "OperationalError"):
        return None
    text = _first_line(error)
    if "malformed" in text or "not a database" in text or "disk I/O" in text:
        return (
            f"a SQLite file is damaged ({text}): {_sqlite_files()}; `ecommerce-platform doctor` says whether it is the catalog. "
            "Restore it from a backup; the metadata of the catalog's tables lies beside their data"
        )
    if "locked" in text:
        return f"a SQLite file is in use ({text}): end other commands of this data folder, or wait for them, then run it again"
    return f"a SQLite file cannot be used ({text}): {_sqlite_files()}"


def _sqlite_files() -> str:
    """The files that this process may have open; SQLite's errors do not say which one they are about."""
    home = os.environ.get("DAGSTER_HOME")
    dagster = f"a database in {home} (DAGSTER_HOME)" if home else "a database of Dagster"
    try:
        catalog = load_settings().lakehouse.catalog_uri or ""
    except SettingsError:
        catalog = ""
    if not catalog.startswith("sqlite"):
        return dagster
    return f"the lakehouse's catalog {catalog.removeprefix('sqlite:///')} ({_CATALOG}), or {dagster}"


def _database(error: BaseException) -> str | None:
    if _is_of(error, "psycopg2"):
        return (
            f"the PostgreSQL of the catalog or of Dagster does not answer as it should: {_first_line(error)}; check {_CATALOG}, "
            "its user and password, and that the server runs"
        )
    return None


_SNOWFLAKE_ADVICE = {
    2003: "it does not exist, or this role may not see it: materialize the days up to it first, or grant it",
    2043: "it does not exist, or this role may not see it: run `ecommerce-platform warehouse init`, or grant it",
    3001: "the role lacks a grant: `ecommerce-platform warehouse init` gives all that the platform needs",
    606: "no warehouse is active: check ECOMMERCE_SNOWFLAKE__WAREHOUSE and the role's USAGE of it",
    604: "the query was cancelled, by a person or a limit: run the command again",
    630: "the statement reached its time limit: run the command again, or raise the limit",
}


def _snowflake(error: BaseException) -> str | None:
    if not _is_of(error, "snowflake"):
        return None
    number = getattr(error, "errno", None)
    advice = _SNOWFLAKE_ADVICE.get(number) if isinstance(number, int) else None
    return (
        f"Snowflake: {getattr(error, 'msg', None) or error}; "
        f"{advice or 'check ECOMMERCE_SNOWFLAKE__ACCOUNT, __USER, the credentials and the network'}"
    )


def _clickhouse(error: BaseException) -> str | None:
    if not _is_of(error, "clickhouse_connect"):
        return None
    return f"ClickHouse: {_first_line(error)}; check ECOMMERCE_CLICKHOUSE__HOST, __PORT, __USER and __PASSWORD, and that it runs"


def _s3(error: BaseException) -> str | None:
    if _is_of(error, "botocore") or "AWS Error" in str(error):
        return f"S3 or another AWS service: {_first_line(error)}; check ECOMMERCE_S3__ENDPOINT, the credentials and the address"
    return None


def _iceberg(error: BaseException) -> str | None:
    if _is_of(error, "pyiceberg", "NoSuchTableError", "NoSuchNamespaceError"):
        return (
            f"the lakehouse has no such table: {_first_line(error)}; ingest a day first (`ecommerce-platform ingest`)"
        )
    if _is_of(error, "pyiceberg"):
        return f"the lakehouse's catalog: {_first_line(error)}; check {_CATALOG} and that the catalog's server runs"
    return None


def _jvm(error: BaseException) -> str | None:
    """The JVM has ended: Py4J says so, or its socket, in words that could be of any server's."""
    if _is_of(error, "py4j", "Py4JNetworkError") or (isinstance(error, ConnectionError) and _raised_in(error, "py4j")):
        return (
            f"Spark's JVM has ended ({_first_line(error)}): it was killed, or ran out of memory, as its own lines in the log "
            "say. Run fewer days at once, or raise ECOMMERCE_SPARK__DRIVER_MEMORY; what was published stays"
        )
    return None


def _raised_in(error: BaseException, package: str) -> bool:
    """Whether the error came through code of `package`."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(name.split(".")[0] == package for name in names)


def _network(error: BaseException) -> str | None:
    if isinstance(error, ConnectionError | TimeoutError) or _is_of(error, "requests") or _is_of(error, "urllib3"):
        return f"a server cannot be reached: {_first_line(error)}; `ecommerce-platform doctor` says which one"
    return None


def _java(error: BaseException) -> str | None:
    """Of a Java stack trace, the last cause: that is where it began."""
    if not (_is_of(error, "py4j") or _is_of(error, "pyspark")):
        return None
    causes = [line.strip() for line in str(error).splitlines() if line.strip().startswith("Caused by:")]
    if causes:
        return f"Spark: {causes[-1].removeprefix('Caused by:').strip()}; the full text is behind --debug"
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.strip().startswith("at ")]
    shown = (
        lines[1] if len(lines) > 1 and lines[0].startswith("An error occurred while calling") else _first_line(error)
    )
    return f"Spark: {shown.lstrip(': ')}; the full text is behind --debug"


def _file(error: BaseException) -> str | None:
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return (
            f"a file is missing or of another kind: {_first_line(error)}; check the path, or the setting that names it"
        )
    if isinstance(error, OSError):
        return f"the operating system refuses: {_first_line(error)}"
    return None


def _dagster(error: BaseException) -> str | None:
    if _is_of(error, "dagster"):
        return f"Dagster: {_first_line(error)}"
    if isinstance(error, MemoryError):
        return "there is not enough memory: run fewer days at once, or lower ECOMMERCE_SPARK__DRIVER_MEMORY"
    return None


_KINDS: tuple[Callable[[BaseException], str | None], ...] = (
    _ours,
    _disk,
    _sqlite,
    _database,
    _snowflake,
    _clickhouse,
    _s3,
    _iceberg,
    _jvm,
    _network,
    _java,
    _file,
    _dagster,
)
