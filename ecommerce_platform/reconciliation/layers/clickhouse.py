"""The speed layer's client and names: how ClickHouse is reached and what its columns are called.

What belongs here: the connection, its limits, and quoting of identifiers. What does not: questions to the orders (speed.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.common import StreamContext
from clickhouse_connect.driver.exceptions import ClickHouseError

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.reconciliation.layers.clickhouse_types import Comparable, comparable, expected_types
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.settings import ClickHouseSettings, Settings
from ecommerce_platform.time_limits import TimeLimitError, within

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What the speed layer keeps of each change beside the contract's columns.
CHANGE_COLUMNS = (
    Column("is_deleted", LogicalType.BOOLEAN),
    Column("__source_lsn", LogicalType.BIGINT),
    Column("__source_ts_ms", LogicalType.TIMESTAMP),
)


#: Beside ClickHouse's own limit of a query: for its answer to travel.
_TRANSFER_SECONDS = 60
#: What a client does with a statement as a whole.
_STATEMENTS = ("command", "query", "query_arrow", "raw_query", "insert", "insert_arrow", "raw_insert")


class NoWholeAnswer(ClickHouseError):
    """A statement's answer had no end in the time that the settings give it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"no whole answer within {seconds:g} s; the limit follows from ECOMMERCE_RECONCILIATION__QUERY_SECONDS"
        )


def limit_answers(client: Client, seconds: float) -> Client:
    """The same client, whose statements raise NoWholeAnswer; a socket's own limit is of each read alone."""

    def limited(method: Callable[..., Any]) -> Callable[..., Any]:
        def in_time(*arguments: Any, **named: Any) -> Any:
            try:
                return within(seconds, lambda: method(*arguments, **named), "clickhouse-statement")
            except TimeLimitError as error:
                raise NoWholeAnswer(seconds) from error

        return in_time

    for name in _STATEMENTS:
        setattr(client, name, limited(getattr(client, name)))
    return client


def _blocks_in_time(open_stream: Callable[[], StreamContext], seconds: float) -> Iterator[Any]:
    """What a stream brings. Raises NoWholeAnswer when waiting for it takes so long in all; then it stays open, because closing
    reads it to its end.
    """
    left, given_up = seconds, False

    def in_time(action: Callable[[], Any]) -> Any:
        nonlocal left, given_up
        started = time.monotonic()
        try:
            return within(left, action, "clickhouse-stream")
        except TimeLimitError as error:
            given_up = True
            raise NoWholeAnswer(seconds) from error
        finally:
            left = max(0.0, left - (time.monotonic() - started))

    stream = in_time(open_stream).__enter__()
    try:
        while (block := in_time(lambda: next(stream, None))) is not None:
            yield block
    finally:
        if not given_up:
            stream.__exit__(None, None, None)


def connect(settings: Settings, run_id: str = "") -> Client:
    """A client of the speed layer; every query carries `run_id` in its log_comment and has limits of time and memory.

    Without a host the stand-in of the data directory is started. Raises ReconciliationError when nothing answers.
    """
    clickhouse, limits = settings.clickhouse, settings.reconciliation
    host, port = clickhouse.host, clickhouse.port
    password = clickhouse.password.get_secret_value() if clickhouse.password else ""
    if host is None:
        from ecommerce_platform.stand_ins.servers import (
            ensure_clickhouse,  # the stand-in is optional: not in production
        )

        endpoint = ensure_clickhouse(settings.data_dir)
        host, port, password = endpoint.host, endpoint.port, endpoint.password
    try:
        client = within(
            clickhouse.login_seconds,
            lambda: clickhouse_connect.get_client(
                host=host,
                port=port,
                username=clickhouse.user,
                password=password,
                database=clickhouse.database,
                secure=bool(clickhouse.secure),
                connect_timeout=clickhouse.login_seconds,
                send_receive_timeout=limits.query_seconds + 30,
                autogenerate_session_id=False,
                settings={
                    "log_comment": f"ecommerce-platform reconciliation {run_id}".strip(),
                    "max_execution_time": limits.query_seconds,
                    "max_memory_usage": limits.query_memory_bytes,
                },
            ),
            "clickhouse-login",
        )
    except (ClickHouseError, TimeLimitError) as error:
        raise ReconciliationError(
            f"ClickHouse at {host}:{port} cannot be used: {error}; expected a server that user {clickhouse.user!r} may read. "
            "Check ECOMMERCE_CLICKHOUSE__HOST, __PORT, __USER and __PASSWORD"
        ) from error
    return limit_answers(client, limits.query_seconds + _TRANSFER_SECONDS)


def quoted(name: str) -> str:
    """`name` as a ClickHouse identifier; a dot separates database and table. Refuses what is not a plain name."""
    parts = name.split(".")
    for part in parts:
        if not _NAME.fullmatch(part):
            raise ReconciliationError(
                f"{name!r} is not a usable name of a ClickHouse table or column; expected letters, digits and _, with one dot "
                "at most between database and table. Check ECOMMERCE_CLICKHOUSE__ORDERS_TABLE and __COLUMNS"
            )
    return ".".join(f"`{part}`" for part in parts)


@dataclass(frozen=True)
class SpeedTable:
    """The speed layer's table of order versions, with the names that its columns have there."""

    client: Client
    table: str
    columns: dict[str, str] = field(default_factory=dict)
    #: How long a query that is read in blocks may take in all, its answer included.
    seconds: float = 660

    @classmethod
    def of(cls, client: Client, clickhouse: ClickHouseSettings, query_seconds: int) -> SpeedTable:
        return cls(client, clickhouse.orders_table, dict(clickhouse.columns), seconds=query_seconds + _TRANSFER_SECONDS)

    @property
    def name(self) -> str:
        return quoted(self.table)

    def column(self, name: str) -> str:
        """The quoted name in ClickHouse of a column of the contract or of the change metadata."""
        return quoted(self.columns.get(name, name))

    def exists(self) -> bool:
        """Whether the speed layer has the table at all."""
        return bool(self.client.command(f"exists table {self.name}"))

    @cached_property
    def declared(self) -> dict[str, str]:
        """The declared type of each of the table's columns, by the contract's and the change metadata's names."""
        ours = {theirs: name for name, theirs in self.columns.items()}
        return {ours.get(row[0], row[0]): row[1] for row in self.rows(f"describe table {self.name}")}

    def column_names(self) -> set[str]:
        """The contract's and the change metadata's names of the columns that the table has."""
        return set(self.declared)

    def comparable(self, column: Column) -> Comparable | None:
        """How the table's column is compared; None when it is of a type that is not."""
        return comparable(column, self.column(column.name), self._declared(column), _in_milliseconds(column))

    def comparables(self, columns: Iterable[Column]) -> dict[str, Comparable]:
        """How each of these columns is compared, by name. Raises ReconciliationError naming one that is not."""
        comparable_by_name = {}
        for column in columns:
            comparable_by_name[column.name] = required(
                self.comparable(column), column, self.table, self.columns.get(column.name, column.name),
                self._declared(column), "cast it in a view, or leave it out (ECOMMERCE_RECONCILIATION__IGNORE_COLUMNS)",
            )  # fmt: skip
        return comparable_by_name

    def _declared(self, column: Column) -> str:
        if column.name not in self.declared:
            raise ReconciliationError(
                f"ClickHouse table {self.table} has no column {self.columns.get(column.name, column.name)}; expected the columns "
                "of the orders contract with __source_lsn, __source_ts_ms and is_deleted (other names: "
                "ECOMMERCE_CLICKHOUSE__COLUMNS)"
            )
        return self.declared[column.name]

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """Answer to a query. Raises ReconciliationError with ClickHouse's words."""
        try:
            return self.client.query(sql, parameters=parameters).result_rows
        except ClickHouseError as error:
            raise self._unreadable(error) from error

    def blocks(self, sql: str, parameters: dict[str, Any] | None = None) -> Iterator[Sequence[Sequence[Any]]]:
        """Answer to a query, some thousands of rows at a time, as they arrive. Raises ReconciliationError."""
        try:
            yield from _blocks_in_time(
                lambda: self.client.query_row_block_stream(sql, parameters=parameters), self.seconds
            )
        except ClickHouseError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: ClickHouseError) -> ReconciliationError:
        return ReconciliationError(
            f"ClickHouse table {self.table} could not be read: {error}; expected the columns of the orders contract with "
            "__source_lsn, __source_ts_ms and is_deleted (other names: ECOMMERCE_CLICKHOUSE__COLUMNS)"
        )


@contextmanager
def speed_table(settings: Settings, run_id: str = "") -> Iterator[SpeedTable]:
    """The speed layer's order versions, by a client of their own. Raises ReconciliationError when nothing answers."""
    with closing(connect(settings, run_id)) as client:
        yield SpeedTable.of(client, settings.clickhouse, settings.reconciliation.query_seconds)


def _in_milliseconds(column: Column) -> bool:
    """Whether the column's name says what unit its numbers have."""
    return column.type is LogicalType.TIMESTAMP and column.name.endswith("_ms")


def required(
    comparable: Comparable | None, column: Column, table: str, name: str, declared: str, remedy: str
) -> Comparable:
    """`found`, which is None for a column of a type that is not compared: that raises ReconciliationError naming all."""
    if comparable is None:
        raise ReconciliationError(
            f"ClickHouse table {table}: column {name} has the type {declared}, which is not compared as {column.type}; "
            f"expected one of {expected_types(column, _in_milliseconds(column))}. Change its type, {remedy}"
        )
    return comparable
