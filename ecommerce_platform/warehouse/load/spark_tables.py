"""Spark's analytics from Iceberg into STAGING.SPARK_*: the months that differ from what is loaded, or the whole table.

What belongs here: the load of the three analytics tables. What does not: their columns, and what they mean
(analytics/declared.py). The safety is that of days.py: files into a table of the session first, then one transaction with the
table's lock, a second look at what is loaded, the rows, their comparison with the files, and the record in STAGING.SPARK_LOADS.

What is compared is the whole table, in both cases: a row that somebody changed by hand in a month that stays is found, and then
the table is replaced as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

from ecommerce_platform.analytics.declared import APPLIED_DAYS, AS_OF, BASIS
from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.contracts import LogicalType
from ecommerce_platform.iceberg.installation import read_marker
from ecommerce_platform.row_hash import snowflake_rows_hash
from ecommerce_platform.warehouse.load.changed_months import ChangedMonths, changed_months
from ecommerce_platform.warehouse.load.checksum import NO_ROWS, Content
from ecommerce_platform.warehouse.load.copying import copy_to_loading_table, drop_loading_table
from ecommerce_platform.warehouse.load.lake_files import LoadSource, collect, content, whole_table_files
from ecommerce_platform.warehouse.load.load_sql import take_lock
from ecommerce_platform.warehouse.load.mismatch import ContentMismatch
from ecommerce_platform.warehouse.load.outcome import LedgerMoved
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.owner import require_own_lake
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.connection import (
    Opener,
    WarehouseError,
    execute,
    fetch_all,
    is_transient,
    quoted,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from snowflake.connector import SnowflakeConnection


@dataclass(frozen=True)
class SparkTableLoad:
    """A Spark table as it is in Snowflake now."""

    table: str
    snapshot_id: int
    as_of_day: date | None
    applied_days: int | None
    basis: str | None
    content: Content
    already_loaded: bool
    #: Rows that this load brought; those of months that did not change stayed.
    rows_loaded: int = 0
    #: What was wrong with the rows that were to stay; the table was replaced as a whole because of it.
    mended: str | None = None
    seconds: float = 0.0


def load_spark_tables(
    source: LoadSource, open_connection: Opener, tables: Sequence[str], run_id: str
) -> dict[str, SparkTableLoad | None]:
    """Loads the current snapshot of each `analytics.<table>`; None for one that Spark has not written yet.

    Raises WarehouseError when a table does not have the expected columns or does not arrive as it is.
    """

    def load_all() -> dict[str, SparkTableLoad | None]:
        with open_connection() as connection:
            ensure_current(connection)
            require_own_lake(connection, read_marker(source.lake), source.snowflake.database)
            return {table: _load(source, connection, table, run_id) for table in tables}

    return with_retries(
        load_all, attempts=8, worth_another=lambda error: is_transient(error) or isinstance(error, LedgerMoved)
    )


def _load(source: LoadSource, connection: SnowflakeConnection, table: str, run_id: str) -> SparkTableLoad | None:
    started = time.perf_counter()
    seen = _loaded_snapshot(connection, table)
    iceberg = source.lake.find(source.lake.analytics(table))
    snapshot = iceberg.current_snapshot() if iceberg is not None else None
    if iceberg is None or snapshot is None:
        return None
    summary = snapshot.summary.additional_properties if snapshot.summary else {}
    as_of, applied_days = summary.get(AS_OF), summary.get(APPLIED_DAYS)
    load = SparkTableLoad(
        table,
        snapshot.snapshot_id,
        date.fromisoformat(as_of) if as_of else None,
        int(applied_days) if applied_days else None,
        summary.get(BASIS),
        seen[1] if seen else NO_ROWS,
        already_loaded=True,
    )
    if seen and seen[0] == snapshot.snapshot_id:
        return load
    _require_columns(iceberg, table)
    load = replace(load, already_loaded=False)
    changed = changed_months(iceberg, seen[0]) if seen else None
    bring = partial(_bring, source, connection, iceberg, load, run_id, seen)
    try:
        load = bring(changed)
    except ContentMismatch as mismatch:
        if changed is None:
            raise
        load = replace(bring(None), mended="; ".join(mismatch.problems.values()))
    return replace(load, seconds=time.perf_counter() - started)


def _bring(
    source: LoadSource,
    connection: SnowflakeConnection,
    iceberg: Table,
    load: SparkTableLoad,
    run_id: str,
    seen: tuple[int, Content] | None,
    changed: ChangedMonths | None,
) -> SparkTableLoad:
    """Brings the rows of the changed months, or of the whole table, in the place of those that are there."""
    columns = ANALYTICS_TABLES[load.table].columns
    with source.scratch_folder() as earlier, source.scratch_folder() as folder:
        stays = NO_ROWS
        if seen and changed:
            stays = seen[1] - content(collect(iceberg, changed.before, earlier), columns)
        groups = collect(iceberg, changed.after if changed else whole_table_files(iceberg), folder)
        coming = content(groups, columns)
        loading = copy_to_loading_table(connection, f"spark_{load.table}", columns, groups)
    load = replace(load, content=stays + coming, rows_loaded=coming.rows)
    _replace(connection, loading, load, run_id, seen[0] if seen else None, changed)
    drop_loading_table(connection, loading)
    return load


def _loaded_snapshot(connection: SnowflakeConnection, table: str) -> tuple[int, Content] | None:
    rows = fetch_all(
        connection,
        f"select iceberg_snapshot_id, row_count, checksum from {ddl.SPARK_LOADS} where table_name = %s",
        (table,),
    )
    return (int(rows[0][0]), Content(int(rows[0][1]), str(rows[0][2]))) if rows else None


def _replace(
    connection: SnowflakeConnection,
    loading: str,
    load: SparkTableLoad,
    run_id: str,
    seen: int | None,
    changed: ChangedMonths | None,
) -> None:
    """Puts the rows of `loading` in the place of all rows, or of those of the changed months."""
    columns = ANALYTICS_TABLES[load.table].columns
    target, names = ddl.spark_table(load.table), ddl.names_of(columns)
    now = datetime.now(UTC).replace(tzinfo=None)
    with transaction(connection):
        execute(connection, take_lock(), (run_id, now, f"spark_{load.table}"))
        current = _loaded_snapshot(connection, load.table)
        if (current[0] if current else None) != seen:
            raise LedgerMoved(f"another load of {target} finished first")
        if changed is None:
            execute(connection, f"delete from {target}")
        else:
            months = ", ".join(["%s::date"] * len(changed.months))
            of_months = f"date_trunc('month', {quoted(changed.column)}) in ({months})"
            execute(connection, f"delete from {target} where {of_months}", changed.months)
        execute(
            connection,
            f"insert into {target} ({names}, {quoted('loaded_at')}, {quoted('batch_id')})\n"
            f"select {names}, %s::timestamp_ntz, %s from {quoted(loading)}",
            (now, f"{load.table}-{load.snapshot_id}"),
        )
        content = fetch_all(connection, f"select count(*), {snowflake_rows_hash(columns, quoted)} from {target}")[0]
        arrived = Content(int(content[0]), str(content[1]))
        if arrived != load.content:
            raise ContentMismatch(target, {load.as_of_day or date.min: (load.content, arrived)})
        execute(connection, f"delete from {ddl.SPARK_LOADS} where table_name = %s", (load.table,))
        execute(
            connection,
            f"insert into {ddl.SPARK_LOADS} (table_name, iceberg_snapshot_id, as_of_day, applied_days, basis, "
            "row_count, checksum, run_id, loaded_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(load.table, load.snapshot_id, load.as_of_day, load.applied_days, load.basis),
                *(load.content.rows, load.content.checksum, run_id, now),
            ),
        )


def _require_columns(iceberg: Table, table: str) -> None:
    """A decimal of another scale would be rounded on the way, and a missing column would be null: refuse both."""
    from pyiceberg.types import DecimalType

    types = {field.name: field.field_type for field in iceberg.schema().fields}
    for column in ANALYTICS_TABLES[table].columns:
        kind = types.get(column.name)
        if kind is None:
            raise WarehouseError(
                f"Iceberg table analytics.{table} has no column {column.name}; it has {', '.join(types)}"
            )
        scale = kind.scale if isinstance(kind, DecimalType) else 0
        if (column.type is LogicalType.DECIMAL) != isinstance(kind, DecimalType) or scale != (column.scale or 0):
            raise WarehouseError(
                f"column {column.name} of Iceberg table analytics.{table} is {kind}; expected {column.spark_type}: "
                "docs/definitions.md and analytics/declared.py say which is right"
            )
