"""Loads published days into Snowflake RAW, exactly once.

What belongs here: the order of the steps and what makes them safe. What does not: statements (load_sql.py), files
(lake_files.py), Dagster (assets.py).

A table's days go through three steps. Files are put on the stage and copied into a table of this session (nothing of RAW is
touched). Then, in one transaction: take the table's lock, look at the load ledger again, keep the rows about to be replaced,
delete and insert the days' rows, compare rows and checksum with the day ledger, replace the ledger rows. A day's rows and its
ledger row are always of the same transaction; a range's days share one, at most `days_per_transaction` of those that
have rows.

After a crash nothing but the ledger is asked: a day whose batch id is there is loaded, any other is not. The same answer
serves a lost reply to COMMIT. Two runs of one day take turns by the lock; the second finds the ledger changed since it
planned, plans again, and has nothing left to do.

A forced load (rebuild.py) does not believe the ledger: each published day is loaded, and one whose rows were not what Iceberg
holds is taken off STAGING.APPLIED_DAYS, so that the models compute again what may rest on the wrong rows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.installation import read_marker
from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.lakehouse.ingest.tables import with_extra_columns
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.checksum import NO_ROWS, Content
from ecommerce_platform.warehouse.load.copying import copy_to_loading_table, drop_loading_table
from ecommerce_platform.warehouse.load.lake_files import (
    LakeFile,
    LoadSource,
    collect,
    expected_contents,
    files_of_days,
    in_parts,
    open_table,
)
from ecommerce_platform.warehouse.load.load_ledger import LedgerRow, batch_id, ledger_rows
from ecommerce_platform.warehouse.load.mismatch import ContentMismatch, explained
from ecommerce_platform.warehouse.load.outcome import LedgerMoved, LoadedDay, PlannedDay, TableLoad
from ecommerce_platform.warehouse.load.sizing import batch_sized
from ecommerce_platform.warehouse.schema.owner import require_own_lake
from ecommerce_platform.warehouse.schema.upgrade import ensure_current, ensure_raw_columns
from ecommerce_platform.warehouse.sql.conditions import as_parameter
from ecommerce_platform.warehouse.sql.connection import (
    Opener,
    WarehouseError,
    execute,
    fetch_all,
    is_transient,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from snowflake.connector import SnowflakeConnection


def load_tables(
    source: LoadSource,
    open_connection: Opener,
    tables: Sequence[str],
    days: Sequence[date],
    run_id: str,
    contracts: Mapping[str, Contract] | None = None,
) -> dict[str, TableLoad]:
    """Loads what is published of `days` into each table, tables side by side, each over a connection of its own.

    Raises WarehouseError naming every table that failed; what others loaded stays. Raises ForeignLakeError where another
    installation's lake fills the database.
    """
    contracts = contracts or load_contracts()
    with open_connection() as connection:
        ensure_current(connection, contracts)
        require_own_lake(connection, read_marker(source.lake), source.snowflake.database)
        with (
            batch_sized(source.snowflake, connection, open_connection, len(days), run_id),
            ThreadPoolExecutor(max_workers=len(tables) or 1) as pool,
        ):
            running = {
                table: pool.submit(load_table, source, open_connection, contracts[table], days, run_id)
                for table in tables
            }
            errors = {table: future.exception() for table, future in running.items()}
    failed = {table: error for table, error in errors.items() if error is not None}
    if failed:
        listed = "; ".join(f"{table}: {type(error).__name__}: {error}" for table, error in failed.items())
        raise WarehouseError(f"raw load failed for {listed}") from next(iter(failed.values()))
    return {table: future.result() for table, future in running.items()}


def load_table(
    source: LoadSource,
    open_connection: Opener,
    contract: Contract,
    days: Sequence[date],
    run_id: str,
    force: bool = False,
    reached: Reached = unseen,
) -> TableLoad:
    """Loads one table's published days. A lost connection or a conflict starts over, a bounded number of times.

    Days whose content does not arrive as it is are named in `failed`; the others are loaded without them. `force` loads what
    the ledger says is there, too; `reached` hears of the days that are in.
    """
    started = time.perf_counter()
    failed: dict[date, str] = {}
    loaded: dict[date, LoadedDay] = {}  # by this call, in whichever attempt

    def attempt() -> TableLoad:
        with open_connection() as connection:
            return _TableLoader(source, connection, contract, run_id, failed, loaded, force, reached).load(days)

    result = with_retries(attempt, attempts=8, worth_another=lambda error: is_transient(error) or _moved(error))
    return TableLoad(result.table, result.loaded, result.not_published, result.failed, time.perf_counter() - started)


def _moved(error: BaseException) -> bool:
    return isinstance(error, LedgerMoved)


@dataclass
class _TableLoader:
    """One attempt at one table's days, over one connection."""

    source: LoadSource
    connection: SnowflakeConnection
    contract: Contract
    run_id: str
    failed: dict[date, str]
    loaded: dict[date, LoadedDay]
    force: bool = False
    reached: Reached = unseen

    @property
    def table(self) -> str:
        return self.contract.table

    def load(self, days: Sequence[date]) -> TableLoad:
        # Snowflake's ledger is read before the lakehouse's: a load that another run commits after this point shows as a
        # change of Snowflake's ledger, so older content can never replace newer.
        seen = ledger_rows(self.connection, self.table, days)
        opened = open_table(self.source.lake, self.table)
        if opened:
            self.contract = with_extra_columns(self.contract, opened[0])
            ensure_raw_columns(self.connection, self.contract)
        published = opened[1].published if opened else {}
        records = [published[day] for day in days if day in published]
        pending = []
        for record in records:
            row = seen.get(record.day)
            is_loaded = row is not None and row.batch_id == batch_id(self.table, record.day, record.content_id)
            if row is None or not is_loaded or (self.force and record.day not in self.loaded):
                pending.append(record)
            elif record.day not in self.loaded:
                self.loaded[record.day] = self._loaded(record, row.content, already=True)
        if opened and pending:
            self._load_pending(opened[0], [record for record in pending if record.day not in self.failed], seen)
        return TableLoad(
            self.table,
            tuple(self.loaded[day] for day in sorted(self.loaded)),
            tuple(day for day in days if day not in published),
            dict(self.failed),
        )

    def _load_pending(self, iceberg: Table, pending: list[DayRecord], seen: Mapping[date, LedgerRow]) -> None:
        files = files_of_days(iceberg, pending)
        for part in in_parts(pending, self.source.snowflake.days_per_transaction):
            planned = [
                PlannedDay(
                    record,
                    files[record.day],
                    batch_id(self.table, record.day, record.content_id),
                    seen[record.day].batch_id if record.day in seen else None,
                )
                for record in part
            ]
            self.reached(f"load {self.table}", len(self.loaded), len(self.loaded) + len(pending))
            self._load_together(iceberg, planned)

    def _load_together(self, iceberg: Table, planned: list[PlannedDay]) -> None:
        """PUT and COPY for all the days, then the transaction; again without the days that did not arrive intact."""
        with self.source.scratch_folder() as folder:
            groups = collect(iceberg, [file for day in planned for file in day.files], folder)
            expected = expected_contents(groups, self.contract, [day.record for day in planned])
            loading = copy_to_loading_table(self.connection, self.table, self.contract.all_event_columns, groups)
            while planned:
                try:
                    self._commit(loading, planned, expected)
                    break
                except ContentMismatch as mismatch:
                    self.failed.update(
                        explained(mismatch, groups, self.contract, {day.record.day: day.files for day in planned})
                    )
                    planned = [day for day in planned if day.record.day not in mismatch.problems]
        drop_loading_table(self.connection, loading)

    def _commit(self, loading: str, planned: list[PlannedDay], expected: Mapping[date, Content]) -> None:
        days = [day.record.day for day in planned]
        now = datetime.now(UTC).replace(tzinfo=None)
        with transaction(self.connection):
            execute(self.connection, load_sql.take_lock(), (self.run_id, now, self.table))
            current = ledger_rows(self.connection, self.table, days)
            if {day: row.batch_id for day, row in current.items()} != {
                day.record.day: day.seen for day in planned if day.seen is not None
            }:
                raise LedgerMoved(f"another load of {self.table} finished first")
            replaced = self._damaged(planned, current, expected) if self.force else sorted(current)
            if replaced:
                columns = self.contract.raw_columns
                execute(self.connection, load_sql.keep_superseded(self.table, columns, replaced))
            if replaced and self.force:
                execute(self.connection, load_sql.forget_applied(replaced), (self.table,))
            execute(self.connection, load_sql.delete_days(self.table, days))
            self._insert(loading, planned, now)
            self._compare(days, expected)
            self._write_ledger(planned, expected, now)
        for day in planned:
            self.loaded[day.record.day] = self._loaded(day.record, expected[day.record.day], files=day.files)

    def _damaged(
        self, planned: list[PlannedDay], current: Mapping[date, LedgerRow], expected: Mapping[date, Content]
    ) -> list[date]:
        """Days whose rows or ledger row are not what they should be."""
        held = self._held([day.record.day for day in planned])
        return [
            day.record.day
            for day in planned
            if held.get(day.record.day, NO_ROWS) != expected[day.record.day]
            or day.record.day not in current
            or current[day.record.day].batch_id != day.batch_id
        ]

    def _held(self, days: list[date]) -> dict[date, Content]:
        """What RAW holds of the days that have rows there."""
        sql = load_sql.content_of_days(self.table, self.contract.all_event_columns, days)
        return {day: Content(int(rows), str(checksum)) for day, rows, checksum in fetch_all(self.connection, sql)}

    def _insert(self, loading: str, planned: list[PlannedDay], now: datetime) -> None:
        batches = as_parameter({"day": day.record.day, "batch_id": day.batch_id} for day in planned)
        sql = load_sql.insert_days(self.table, loading, self.contract.all_event_columns)
        execute(self.connection, sql, (now, batches))

    def _compare(self, days: list[date], expected: Mapping[date, Content]) -> None:
        in_raw = self._held(days)
        differences = {
            day: (expected[day], in_raw.get(day, NO_ROWS)) for day in days if in_raw.get(day, NO_ROWS) != expected[day]
        }
        if differences:
            raise ContentMismatch(f"RAW.{self.table.upper()}", differences)

    def _write_ledger(self, planned: list[PlannedDay], expected: Mapping[date, Content], now: datetime) -> None:
        days = [day.record.day for day in planned]
        execute(self.connection, load_sql.delete_ledger(days), (self.table,))
        rows = as_parameter(
            {
                "day": day.record.day,
                "batch_id": day.batch_id,
                "snapshot_id": day.record.snapshot_id,
                "row_count": expected[day.record.day].rows,
                "checksum": expected[day.record.day].checksum,
            }
            for day in planned
        )
        execute(self.connection, load_sql.insert_ledger(), (self.table, self.run_id, now, rows))

    def _loaded(
        self, record: DayRecord, content: Content, files: Sequence[LakeFile] = (), already: bool = False
    ) -> LoadedDay:
        name = batch_id(self.table, record.day, record.content_id)
        size = sum(file.bytes for file in files)
        return LoadedDay(self.table, record.day, name, record.snapshot_id, content, size, already)
