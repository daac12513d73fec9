"""Dagster's event log, which writes what belongs together in one transaction.

What belongs here: how events are stored. What does not: what is in them, and reading them (Dagster's own storage does).

A run over many days reports each asset and day twice, that it is planned and that it is materialized. For each of these events
Dagster's storage opens the database, compiles SQL and commits, 9 ms on a laptop; 366 days of 36 assets are 26,000 events, four
minutes in which nothing is computed. Here a batch of them is one transaction. Tables, files and rows are those of the storage
underneath, so that it can be put into dagster.yaml and taken out at any time:

    event_log_storage:
      module: ecommerce_platform.operations.event_log
      class: BatchingSqliteEventLogStorage
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any, Self

from dagster import DagsterEventType, EventLogEntry, Field, StringSource, serialize_value
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, create_engine, insert
from sqlalchemy.pool import NullPool

from ecommerce_platform.operations.first_use import one_at_a_time, storage_folder

#: Dagster collects events that belong together (of one output, of one run's plan) up to this many before it hands them over.
BATCH_SIZE = 1000
_BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
_ASSET_EVENTS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
#: Events that have rows in the index, too, beyond their own.
_IN_INDEX = ASSET_EVENTS | ASSET_CHECK_EVENTS
_ENDS = {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
_PLANNED_CHECK = DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED


class Batching(SqlEventLogStorage):
    """Mixed into one of Dagster's SQL storages: a batch of events is one transaction, and has the rows that one event after
    another would have had."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """All of `events` or none."""
        types = {event.get_dagster_event().event_type for event in events}
        if not types <= _ASSET_EVENTS | {_PLANNED_CHECK}:
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.index_transaction() as index:
            numbered = list(zip(_insert(index, rows), events, strict=True))
            self._store_assets(index, [item for item in numbered if _type(item[1]) in _ASSET_EVENTS])
            self._store_planned_checks(index, [item for item in numbered if _type(item[1]) is _PLANNED_CHECK])
            self.store_run_shard(rows)

    def store_run_shard(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Where each run has a database of its own, its rows; called last, while the index can still be rolled back."""

    def _store_assets(self, index: Connection, numbered: Sequence[tuple[int, EventLogEntry]]) -> None:
        if not numbered:
            return
        self._store_asset_event_tags(index, [event for _, event in numbered], [number for number, _ in numbered])
        # An asset's row holds its last event of each type.
        last = {(_type(event), event.get_dagster_event().asset_key): (number, event) for number, event in numbered}
        for number, event in last.values():
            self._store_asset_event(index, event, number)

    def _store_planned_checks(self, index: Connection, numbered: Sequence[tuple[int, EventLogEntry]]) -> None:
        rows: list[dict[str, Any]] = []
        for number, event in numbered:
            planned = event.get_dagster_event().asset_check_planned_data
            row = {
                "asset_key": planned.asset_key.to_string(),
                "check_name": planned.check_name,
                "run_id": event.run_id,
                "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
                "evaluation_event": serialize_value(event),
                "evaluation_event_timestamp": self._event_insert_timestamp(event),
                "evaluation_event_storage_id": number,
            }
            days = planned.partitions_subset
            rows += [row | {"partition": day} for day in (days.get_partition_keys() if days else (None,))]
        if rows:
            index.execute(insert(AssetCheckExecutionsTable), rows)


class BatchingSqliteEventLogStorage(Batching, SqliteEventLogStorage):
    """Dagster's storage of one machine. Without `base_dir` it is where Dagster itself has it: history/runs in DAGSTER_HOME."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        # SQLAlchemy keeps compiled SQL with its engine; a server that lives for months meets more runs than engines are worth
        # keeping. A connection is kept only while this process executes the run: others may remove an ended run's file.
        self._engine = lru_cache(maxsize=16)(_engine)
        self._known_tables: set[str] = set()
        self._executed: set[str] = set()
        self._kept: dict[str, Connection] = {}
        # The index is made on first use, by one process.
        with one_at_a_time(base_dir):
            super().__init__(base_dir, inst_data)
        # The run's database is written while the index is open.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(  # type: ignore[override]  # base_dir may be left out
        cls, inst_data: Any, config_value: Mapping[str, str]
    ) -> Self:
        folder = storage_folder("event_log_storage", config_value, "history", "runs")
        collect_batches()
        return cls(folder, inst_data)

    def store_run_shard(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for run_id in {row["run_id"] for row in rows}:
            with self.run_connection(run_id) as shard:
                shard.execute(insert(SqlEventLogStorageTable), [row for row in rows if row["run_id"] == run_id])

    def has_table(self, table_name: str) -> bool:
        """Tables come with an upgrade and never go."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    def store_event(self, event: EventLogEntry) -> None:
        """One event; while the connections are kept, what the index says of it is one transaction."""
        kind = event.dagster_event.event_type if event.dagster_event else None
        with self._db_lock:
            if kind is DagsterEventType.STEP_START:
                self._keep(event.run_id)
            both = kind in _IN_INDEX and INDEX_SHARD_NAME in self._kept
            with self.index_connection() if both else nullcontext():
                super().store_event(event)
            if kind in _ENDS:
                self._let_go(event.run_id)

    def dispose(self) -> None:
        with self._db_lock:
            for run_id in list(self._executed):
                self._let_go(run_id)
        super().dispose()

    def _keep(self, run_id: str) -> None:
        """Keeps the connections of a run whose steps this process executes. A database that is opened and closed for an event
        merges its write-ahead log each time, and waits for the disk several times."""
        self._executed.add(run_id)
        for shard in (INDEX_SHARD_NAME, run_id):
            if shard not in self._kept:
                self._kept[shard] = connection = self._open(shard)
                # The disk is waited for when the run ends. A machine that goes down before may lose the last events, never
                # the database; the run is over then, and its days are done again.
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
                connection.commit()

    def _let_go(self, run_id: str) -> None:
        self._executed.discard(run_id)
        for shard in (run_id, *(() if self._executed else (INDEX_SHARD_NAME,))):
            if shard in self._kept:
                self._kept.pop(shard).close()

    def _open(self, shard: str) -> Connection:
        engine = self._engine(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine.connect()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            kept = self._kept.get(shard) or self._open(shard)
            if kept.in_transaction():  # of an event that has rows in both databases
                yield kept
                return
            try:
                with kept.begin():
                    yield kept
            finally:
                if kept is not self._kept.get(shard):
                    kept.close()


def collect_batches() -> None:
    """Dagster hands batches over only when this variable says how large; what is set already stands."""
    os.environ.setdefault(_BATCH_SIZE_VARIABLE, str(BATCH_SIZE))


#: Threads share a kept connection one after another (`_db_lock`).
_CONNECT = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}


def _engine(connection: str) -> Any:
    return create_engine(connection, poolclass=NullPool, connect_args=_CONNECT)


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    ids = insert(SqlEventLogStorageTable).returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
    return list(connection.execute(ids, rows).scalars())


def _type(event: EventLogEntry) -> DagsterEventType:
    return event.get_dagster_event().event_type
