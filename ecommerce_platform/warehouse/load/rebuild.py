"""RAW held against Iceberg's published files, and loaded again from them, whatever the load ledger says.

What belongs here: comparing each day with the files themselves, the forced load, rows of days that Iceberg does not have. What
does not: the load's steps (days.py), the models (transformation/builds/rebuild.py), the command line.

The check after each load (verify.py) asks the ledgers what Iceberg held; this one reads Iceberg's files again, because the
load ledger may be lost or wrong, and the files changed since they were published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.installation import read_marker
from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.checksum import NO_ROWS, Content, checked_columns, published_content
from ecommerce_platform.warehouse.load.days import load_table
from ecommerce_platform.warehouse.load.lake_files import (
    LoadSource,
    collect,
    contents_by_day,
    contract_of_lake,
    files_of_days,
    in_parts,
    open_table,
)
from ecommerce_platform.warehouse.load.load_ledger import LedgerRow, batch_id
from ecommerce_platform.warehouse.load.outcome import TableLoad
from ecommerce_platform.warehouse.load.spark_tables import load_spark_tables
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.owner import require_own_lake
from ecommerce_platform.warehouse.schema.upgrade import bring_up_to_date, ensure_raw_columns
from ecommerce_platform.warehouse.sql.connection import (
    Opener,
    error_number,
    execute,
    fetch_all,
    is_missing_object,
    quoted,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

Say = Callable[[str], None]
#: Snowflake: invalid identifier.
_NO_SUCH_COLUMN = 904


@dataclass(frozen=True)
class Range:
    """Landing days from `first` to `last`, both included; None is open."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)

    def __str__(self) -> str:
        if self == Range():
            return "all days"
        return f"{self.first or 'the first day'} … {self.last or 'the last day'}"

    @property
    def is_everything(self) -> bool:
        return self == Range()


@dataclass(frozen=True)
class DayVerdict:
    """A landing day of a table, compared. `problem` is None when RAW and its ledger hold exactly what Iceberg published."""

    table: str
    day: date
    rows_in_iceberg: int | None
    problem: str | None


def verify_raw(
    source: LoadSource,
    connection: SnowflakeConnection,
    tables: Sequence[str],
    days: Range,
    reached: Reached = unseen,
    step: str = "compare",
) -> list[DayVerdict]:
    """Every published day of the range, and every other that RAW or the ledger has rows of. Reads Iceberg's files."""
    contracts = load_contracts()
    return [
        verdict
        for table in tables
        for verdict in _verify_table(source, connection, contracts[table], days, partial(reached, f"{step} {table}"))
    ]


def _verify_table(
    source: LoadSource,
    connection: SnowflakeConnection,
    contract: Contract,
    days: Range,
    compared: Callable[[int, int], None],
) -> Iterator[DayVerdict]:
    contract = contract_of_lake(source.lake, contract)
    expected = dict(_published_contents(source, contract, days, compared))
    held, ledger = _held(connection, contract, days), _ledger(connection, contract.table, days)
    for day in sorted({*expected, *(held or {}), *ledger}):
        record, content = expected.get(day, (None, None))
        in_raw = (held or {}).get(day, NO_ROWS)
        if held is None:
            problem: str | None = f"{ddl.raw_table(contract.table)}, or a column of it, does not exist"
        elif record is None or content is None:
            problem = f"Iceberg has not published the day, RAW holds {in_raw}"
        else:
            problem = _problem(record, content, in_raw, ledger.get(day, ()))
        yield DayVerdict(contract.table, day, content.rows if content else None, problem)


def _problem(record: DayRecord, expected: Content, in_raw: Content, ledger: Sequence[LedgerRow]) -> str | None:
    if (published := published_content(record)) not in (None, expected):
        return f"the lakehouse published {published}; Iceberg's files hold {expected}: restore them from a copy of the lake"
    if expected != in_raw:
        return f"Iceberg has {expected}; RAW holds {in_raw}"
    if not ledger:
        return "RAW.LOAD_LEDGER does not have the day"
    if len(ledger) > 1:
        return f"RAW.LOAD_LEDGER has the day {len(ledger)} times"
    expected_batch = batch_id(record.table, record.day, record.content_id)
    if ledger[0].batch_id != expected_batch:
        return f"RAW.LOAD_LEDGER says batch {ledger[0].batch_id}, Iceberg has published {expected_batch}"
    if ledger[0].content != expected:
        return f"RAW.LOAD_LEDGER says {ledger[0].content}; Iceberg has {expected}"
    return None


def _published_contents(
    source: LoadSource, contract: Contract, days: Range, compared: Callable[[int, int], None]
) -> Iterator[tuple[date, tuple[DayRecord, Content]]]:
    """Each published day with what its files hold, some days at a time."""
    opened = open_table(source.lake, contract.table)
    if opened is None:
        return
    iceberg, ledger = opened
    records = [record for day, record in ledger.published.items() if day in days]
    done = 0
    for part in in_parts(records, source.snowflake.days_per_transaction):
        compared(done, len(records))
        files = files_of_days(iceberg, part)
        with source.scratch_folder() as folder:
            groups = collect(iceberg, [file for of_day in files.values() for file in of_day], folder)
            contents = contents_by_day(groups, contract, [record.day for record in part])
        for record in part:
            yield record.day, (record, contents[record.day])
        done += len(part)
        compared(done, len(records))


def _held(connection: SnowflakeConnection, contract: Contract, days: Range) -> dict[date, Content] | None:
    """What RAW holds by day; None when the table is not there."""
    sql = load_sql.content_by_day(contract.table, checked_columns(contract))
    rows = _rows_or_none(connection, sql)
    if rows is None:
        return None
    return {day: Content(int(count), str(checksum)) for day, count, checksum in rows if day is not None and day in days}


def _ledger(connection: SnowflakeConnection, table: str, days: Range) -> dict[date, list[LedgerRow]]:
    sql = (
        f"select date, batch_id, iceberg_snapshot_id, row_count, checksum from {ddl.LOAD_LEDGER} where table_name = %s"
    )
    rows_by_day: dict[date, list[LedgerRow]] = {}
    for day, batch, snapshot, count, checksum in _rows_or_none(connection, sql, (table,)) or ():
        if day in days:
            row = LedgerRow(batch, int(snapshot or 0), Content(int(count or 0), str(checksum)))
            rows_by_day.setdefault(day, []).append(row)
    return rows_by_day


def _rows_or_none(
    connection: SnowflakeConnection, sql: str, parameters: Sequence[object] = ()
) -> list[tuple[Any, ...]] | None:
    try:
        return fetch_all(connection, sql, parameters)
    except Exception as error:
        if is_missing_object(error) or error_number(error) == _NO_SUCH_COLUMN:
            return None
        raise


def rebuild_raw(
    source: LoadSource,
    open_connection: Opener,
    tables: Sequence[str],
    days: Range,
    run_id: str,
    say: Say,
    reached: Reached = unseen,
) -> bool:
    """Loads every published day of the range again, takes away what Iceberg does not have, and compares.

    A table keeps its old rows for readers until the transaction that replaces them. Returns whether RAW then is what Iceberg
    published; says what was wrong before, what was done, and what is still wrong.
    """
    contracts = load_contracts()
    with open_connection() as connection:
        done = bring_up_to_date(connection, contracts)
        require_own_lake(connection, read_marker(source.lake), source.snowflake.database)
        for line in done:
            if "if not exists" not in line and not line.startswith("insert into"):
                say(line)
        for table in tables:
            ensure_raw_columns(connection, contract_of_lake(source.lake, contracts[table]))
        before = verify_raw(source, connection, tables, days, reached)
        for verdict in before:
            if verdict.problem:
                say(f"found: {verdict.table} {verdict.day}: {verdict.problem}")
    for table in tables:
        of_table = [verdict for verdict in before if verdict.table == table]
        published = [verdict.day for verdict in of_table if verdict.rows_in_iceberg is not None]
        strays = [verdict.day for verdict in of_table if verdict.rows_in_iceberg is None]
        load = load_table(source, open_connection, contracts[table], published, run_id, force=True, reached=reached)
        _tell(load, say)
        contract = contract_of_lake(source.lake, contracts[table])
        with_retries(partial(_remove_strays, open_connection, contract, strays, days, run_id))
        if strays:
            say(f"{table}: removed what Iceberg has not published: {', '.join(map(str, strays))}")
    with open_connection() as connection:
        after = verify_raw(source, connection, tables, days, reached, "compare again")
    wrong = [verdict for verdict in after if verdict.problem]
    for verdict in wrong:
        say(f"still wrong: {verdict.table} {verdict.day}: {verdict.problem}")
    say(f"RAW compared with Iceberg: {len(after) - len(wrong)} of {len(after)} days of {len(tables)} tables are equal")
    return not wrong


def _tell(load: TableLoad, say: Say) -> None:
    rows = sum(day.content.rows for day in load.loaded)
    say(f"{load.table}: {len(load.loaded)} days loaded again, {rows} rows, {load.seconds:.1f} s")
    for day, problem in load.failed.items():
        say(f"{load.table} {day} not loaded: {problem}")


def _remove_strays(
    open_connection: Opener, contract: Contract, strays: Sequence[date], days: Range, run_id: str
) -> None:
    """Rows and ledger rows of days that Iceberg has not published, and, over all days, rows without a day."""
    table = contract.table
    with open_connection() as connection, transaction(connection):
        execute(connection, load_sql.take_lock(), (run_id, datetime.now(UTC).replace(tzinfo=None), table))
        if days.is_everything:
            execute(connection, f"delete from {ddl.raw_table(table)} where {quoted('date')} is null")
        if strays:
            execute(connection, load_sql.keep_superseded(table, contract.raw_columns, strays))
            execute(connection, load_sql.delete_days(table, strays))
            execute(connection, load_sql.delete_ledger(strays), (table,))
            execute(connection, load_sql.forget_applied(strays), (table,))


def rebuild_spark_copies(source: LoadSource, open_connection: Opener, run_id: str, say: Say) -> None:
    """STAGING.SPARK_* from Iceberg again; their record goes first, so that a break leaves them to the next load."""
    with open_connection() as connection:
        execute(connection, f"delete from {ddl.SPARK_LOADS}")
    for table, load in load_spark_tables(source, open_connection, list(ANALYTICS_TABLES), run_id).items():
        say(f"spark_{table}: {load.content}" if load else f"spark_{table}: Spark has not written it yet")
