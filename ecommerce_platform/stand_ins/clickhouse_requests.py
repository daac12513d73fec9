"""One HTTP request of ClickHouse's interface, run by chDB.

What belongs here: where the statement, its data, format, parameters and settings are in a request, and the chDB calls that
answer it. What does not: sockets and headers (clickhouse_server.py).
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ecommerce_platform.stand_ins import clickhouse_rules as rules

_INSERT = re.compile(r"\s*insert\s+into\s+(?:table\s+)?", re.IGNORECASE)
_INSERT_IN_BODY = re.compile(rb"\s*insert\s.*?\bformat\s+\w+[^\S\n]*(?:\n|\Z)", re.IGNORECASE | re.DOTALL)
_INSERT_FORMAT = re.compile(
    r"^\s*insert\s+into\s+(?:table\s+)?(?P<table>[^(]+?)\s*(?P<columns>\(.*\))?\s*"
    r"(?:settings\s+(?P<settings>.*?))?\s*\bformat\s+(?P<format>\w+)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
_ERROR_CODE = re.compile(r"Code: (\d+)")
_IDENTIFIER = re.compile(r"\w+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
#: Formats that carry their own column types; chDB reads these from a file, the others from the statement's text.
_SELF_DESCRIBING = {"native", "arrow", "arrowstream", "parquet", "rowbinarywithnamesandtypes"}
#: Arguments of the interface itself; every other one is a setting (https://clickhouse.com/docs/interfaces/http).
_NOT_SETTINGS = {
    "query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "user", "password",
    "role", "compress", "decompress", "stacktrace", "quota_key", "close_session", "client_protocol_version",
    "wait_end_of_query", "buffer_size", "enable_http_compression", "http_zlib_compression_level",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms",
}  # fmt: skip
_MEMORY_PER_QUERY = 2_000_000_000
#: A statement whose client has gone holds up all others no longer than this.
SECONDS_PER_QUERY = 600
_DEFAULTS = {"max_memory_usage": str(_MEMORY_PER_QUERY), "max_execution_time": str(SECONDS_PER_QUERY)}
#: ClickHouse looks at the clock between blocks only.
_GRACE_SECONDS = 30
#: ClickHouse's numbers for: access denied, syntax error.
_ACCESS_DENIED, _SYNTAX_ERROR = 497, 62


class ClickHouseError(RuntimeError):
    """A statement failed; the text is ClickHouse's own where it comes from there."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text if text.startswith("Code:") else f"Code: {code}. DB::Exception: {text}")
        self.code = code


@dataclass(frozen=True)
class Request:
    """The arguments of the address and the (decompressed) body; `reads_only` for a GET."""

    arguments: dict[str, str]
    body: bytes
    reads_only: bool = False

    def statement_and_data(self) -> tuple[str, bytes]:
        """The SQL and, for an INSERT, the rows that follow it."""
        sql = self.arguments.get("query", "")
        if sql:
            return (sql, self.body) if _INSERT.match(sql) else (sql + self.body.decode(), b"")
        if match := _INSERT_IN_BODY.match(self.body):
            return match[0].decode().strip(), self.body[match.end() :]
        return self.body.decode(), b""

    @property
    def parameters(self) -> dict[str, str]:
        """Values for {name:Type} in the statement, escaped by the client as ClickHouse expects."""
        return {name[len("param_") :]: value for name, value in self.arguments.items() if name.startswith("param_")}

    @property
    def settings(self) -> dict[str, str]:
        """Settings for this statement only."""
        return {
            name: value
            for name, value in self.arguments.items()
            if name not in _NOT_SETTINGS and not name.startswith("param_") and _IDENTIFIER.fullmatch(name)
        }


@dataclass(frozen=True)
class Answer:
    """What goes back: the body, the format it is in, and headers beyond the usual."""

    body: bytes
    format: str
    headers: dict[str, str] = field(default_factory=dict)


class ChdbEngine:
    """The one chDB session of the process; statements run one after another, because settings and database are its own."""

    def __init__(self, storage_dir: Path, insert_dir: Path) -> None:
        from chdb import session

        insert_dir.mkdir(parents=True, exist_ok=True)
        self._insert_dir = insert_dir
        self._lock = threading.Lock()
        self._database = "default"
        try:
            self._session = session.Session(str(storage_dir))
        except Exception as error:
            raise _as_clickhouse_error(error) from error
        for name, value in _DEFAULTS.items():
            self._query(f"SET {name} = {value}")
        listed = self._query("SELECT name FROM system.table_functions UNION ALL SELECT name FROM system.table_engines")
        self._outside = rules.outside_names(listed.bytes().decode().split())
        #: The server's time zone: that of its process, as in ClickHouse where no other is configured.
        self.time_zone = (self._query("SELECT serverTimezone()").bytes() or b"UTC").decode().strip()
        #: When the statement that runs must have ended, by the monotonic clock.
        self._due: float | None = None

    def is_stuck(self) -> bool:
        """Whether a statement has been running for longer than any may."""
        due = self._due
        return due is not None and time.monotonic() > due

    def close(self) -> None:
        """Close the data files; a statement that runs is waited for."""
        with self._lock:
            self._session.close()

    def run(self, request: Request) -> Answer:
        """Run the request's statement.

        Raises ClickHouseError with ClickHouse's code and text.
        """
        sql, data = request.statement_and_data()
        if not sql.strip():
            raise ClickHouseError(_SYNTAX_ERROR, "Syntax error: Empty query. (SYNTAX_ERROR)")
        with self._lock, self._within(request.settings), self._settings(request.settings):
            self._use(request.arguments.get("database") or "default")
            self._require_allowed(sql, request)
            if data:
                return self._insert(sql, data)
            chosen = _FORMAT.search(sql)
            output = chosen[1] if chosen else request.arguments.get("default_format", "TabSeparated")
            text = sql[: chosen.start()] if chosen and not _INSERT.match(sql) else sql
            result = self._query(text.rstrip().rstrip(";"), output, request.parameters)
        return Answer(result.bytes() or b"", output, _summary(result))

    def _require_allowed(self, sql: str, request: Request) -> None:
        if rules.further_statement(sql):
            raise ClickHouseError(_SYNTAX_ERROR, "Syntax error: one statement at a time. (SYNTAX_ERROR)")
        # Raw, because the text must stay one node a line, as ClickHouse writes it.
        tree = self._query(f"EXPLAIN AST {sql}", "TabSeparatedRaw", request.parameters).bytes().decode()
        reason = rules.refusal(tree, sql, self._outside, reads_only=request.reads_only)
        if reason:
            raise ClickHouseError(_ACCESS_DENIED, f"{reason}. (ACCESS_DENIED)")

    @contextmanager
    def _within(self, settings: dict[str, str]) -> Iterator[None]:
        try:
            limit = float(settings.get("max_execution_time") or 0) or SECONDS_PER_QUERY
        except ValueError:
            limit = SECONDS_PER_QUERY
        self._due = time.monotonic() + limit + _GRACE_SECONDS
        try:
            yield
        finally:
            self._due = None

    def _use(self, database: str) -> None:
        # The session is shared, so what the request before chose is still in force.
        if database != self._database:
            self._query(f"USE {_quoted(database)}")
            self._database = database

    def _insert(self, sql: str, data: bytes) -> Answer:
        match = _INSERT_FORMAT.match(sql)
        if not match:
            if rules.further_statement(f"{sql}\n{_as_text(data)}"):
                raise ClickHouseError(_SYNTAX_ERROR, "Syntax error: one statement at a time. (SYNTAX_ERROR)")
            # INSERT … VALUES with the rows in the body, or a format with options: as one text.
            return Answer(b"", "TabSeparated", _summary(self._query(f"{sql}\n{_as_text(data)}")))
        if match["format"].lower() not in _SELF_DESCRIBING:
            return Answer(b"", "TabSeparated", _summary(self._query(f"{sql.rstrip().rstrip(';')}\n{_as_text(data)}")))
        columns = match["columns"] or ""
        selected = columns.strip()[1:-1] or "*"
        with tempfile.NamedTemporaryFile(dir=self._insert_dir, suffix=f".{match['format'].lower()}") as file:
            file.write(data)
            file.flush()
            settings = f" SETTINGS {match['settings']}" if match["settings"] else ""
            result = self._query(
                f"INSERT INTO {match['table']} {columns} SELECT {selected} "
                f"FROM file({_literal(file.name)}, {match['format']}){settings}"
            )
        return Answer(b"", "TabSeparated", _summary(result))

    @contextmanager
    def _settings(self, settings: dict[str, str]) -> Iterator[None]:
        try:
            for name, value in settings.items():
                self._query(f"SET {name} = {value if _NUMBER.fullmatch(value) else _literal(value)}")
            yield
        finally:
            for name in settings:
                self._query(f"SET {name} = {_DEFAULTS.get(name, 'DEFAULT')}")

    def _query(self, sql: str, output: str = "TabSeparated", parameters: dict[str, str] | None = None):  # type: ignore[no-untyped-def]
        try:
            return self._session.query(sql, output, params=parameters or None)
        except Exception as error:
            raise _as_clickhouse_error(error) from error


def _summary(result) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """The header from which clients learn how many rows were read and written, and the query's id."""
    summary = {
        "read_rows": str(result.rows_read()),
        "read_bytes": str(result.bytes_read()),
        "written_rows": str(result.rows_written()),
        "written_bytes": str(result.bytes_written()),
    }
    return {"X-ClickHouse-Summary": json.dumps(summary), "X-ClickHouse-Query-Id": str(uuid.uuid4())}


def _as_clickhouse_error(error: Exception) -> ClickHouseError:
    code = _ERROR_CODE.search(str(error))
    return ClickHouseError(int(code[1]) if code else 1002, str(error))


def _as_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError(
            48,
            "the ClickHouse stand-in takes binary rows only as Native, Arrow, ArrowStream, Parquet or "
            "RowBinaryWithNamesAndTypes; other formats must be UTF-8 text",
        ) from error


def _quoted(identifier: str) -> str:
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
