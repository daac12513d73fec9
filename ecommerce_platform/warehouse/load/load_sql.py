"""The statements of a load, as text.

What belongs here: SQL of PUT, COPY and the load's transaction. What does not: running it in order (days.py). Values are
parameters (`%s`), but for dates, which are ranges in the text; names come from contracts and are quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.row_hash import snowflake_rows_hash
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.sql.conditions import date_condition, rows_of
from ecommerce_platform.warehouse.sql.connection import quoted


def create_loading_table(name: str, columns: Sequence[Column]) -> str:
    """A table that only this session sees; it takes the files' rows before the transaction begins."""
    described = ", ".join(f"{quoted(column.name)} {column.snowflake_type}" for column in columns)
    return f"create temporary table {quoted(name)} ({described})"


def drop_loading_table(name: str) -> str:
    return f"drop table if exists {quoted(name)}"


def put(folder: Path, stage_path: str) -> str:
    """Uploads a folder's Parquet files as they are: they are compressed inside."""
    return (
        f"put {ddl.literal(f'file://{folder}/*.parquet')} @{ddl.LOAD_STAGE}/{stage_path} "
        "auto_compress = false source_compression = none overwrite = true parallel = 4"
    )


def copy(name: str, columns: Sequence[Column], present: Sequence[str], stage_path: str) -> str:
    """Reads the staged files into the loading table; a column that the files lack is null. Removes the files read."""
    selected = ", ".join(_from_parquet(column, present) for column in columns)
    return (
        f"copy into {quoted(name)} ({ddl.names_of(columns)})\n"
        f"from (select {selected} from @{ddl.LOAD_STAGE}/{stage_path}/)\n"
        "file_format = (type = parquet use_logical_type = true)\n"
        "on_error = abort_statement force = true purge = true"
    )


def list_stage() -> str:
    """All staged files: name, size, md5, last_modified."""
    return f"list @{ddl.LOAD_STAGE}"


def remove_staged(stage_path: str) -> str:
    """Removes the files under a path of the stage; it is not an error when there are none."""
    return f"remove {ddl.literal(f'@{ddl.LOAD_STAGE}/{stage_path}/')}"


def _from_parquet(column: Column, present: Sequence[str]) -> str:
    kind = "number(38, 0)" if column.snowflake_type == "NUMBER" else column.snowflake_type.lower()
    if column.name not in present:
        return f"null::{kind}"
    if column.type is LogicalType.TIMESTAMP:
        return f'$1:"{column.name}"::timestamp_ntz'
    return f'$1:"{column.name}"::{kind}'


def take_lock() -> str:
    """First statement of a load's transaction: whoever loads the same table waits, or gets an error about the conflict."""
    return f"update {ddl.LOAD_LOCK} set run_id = %s, taken_at = %s where table_name = %s"


def ledger_of_days(days: Sequence[date]) -> str:
    """Its parameter is the table."""
    return (
        "select date, batch_id, iceberg_snapshot_id, row_count, checksum "
        f"from {ddl.LOAD_LEDGER} where table_name = %s and {date_condition('date', days)}"
    )


def keep_superseded(table: str, columns: Sequence[Column], days: Sequence[date]) -> str:
    """Keeps the rows that are about to be replaced, with the batch that brought them."""
    names = ddl.names_of(columns)
    return (
        f"insert into {ddl.superseded_table(table)} ({names})\n"
        f"select {names} from {ddl.raw_table(table)} where {_on(days)}"
    )


def delete_days(table: str, days: Sequence[date]) -> str:
    return f"delete from {ddl.raw_table(table)} where {_on(days)}"


def insert_days(table: str, loading: str, columns: Sequence[Column]) -> str:
    """From the loading table into RAW with the load's stamps: parameters are loaded_at, then rows (day, batch_id) as one."""
    names = ddl.names_of(columns)
    selected = ", ".join(f"loading.{quoted(column.name)}" for column in columns)
    batches = rows_of({"day": "date", "batch_id": "varchar"})
    return (
        f"insert into {ddl.raw_table(table)} ({names}, {quoted('loaded_at')}, {quoted('batch_id')})\n"
        f"select {selected}, %s::timestamp_ntz, batches.batch_id\n"
        f"from {quoted(loading)} as loading\n"
        f"inner join ({batches}) as batches on loading.{quoted('date')} = batches.day"
    )


def content_of_days(table: str, columns: Sequence[Column], days: Sequence[date]) -> str:
    """Rows and checksum of each day that has rows in RAW."""
    day = quoted("date")
    return (
        f"select {day}, count(*), {snowflake_rows_hash(columns, quoted)} from {ddl.raw_table(table)} "
        f"where {_on(days)} group by {day}"
    )


def content_by_day(table: str, columns: Sequence[Column]) -> str:
    """Rows and checksum of every day that has rows in RAW."""
    day = quoted("date")
    return f"select {day}, count(*), {snowflake_rows_hash(columns, quoted)} from {ddl.raw_table(table)} group by {day}"


def delete_ledger(days: Sequence[date]) -> str:
    """Its parameter is the table."""
    return f"delete from {ddl.LOAD_LEDGER} where table_name = %s and {date_condition('date', days)}"


def forget_applied(days: Sequence[date]) -> str:
    """The models no longer hold the table's days: the next dbt run computes their keys again. Its parameter is the table."""
    return f"delete from {ddl.APPLIED_DAYS} where table_name = %s and {date_condition('date', days)}"


def insert_ledger() -> str:
    """Parameters are table, run id and loaded_at, then rows (day, batch_id, snapshot_id, row_count, checksum) as one."""
    days = rows_of(
        {
            "day": "date",
            "batch_id": "varchar",
            "snapshot_id": "number(38, 0)",
            "row_count": "number(38, 0)",
            "checksum": "varchar",
        }
    )
    return (
        f"insert into {ddl.LOAD_LEDGER} "
        "(table_name, run_id, loaded_at, date, batch_id, iceberg_snapshot_id, row_count, checksum)\n"
        "select %s, %s, %s::timestamp_ntz, days.day, days.batch_id, days.snapshot_id, days.row_count, days.checksum\n"
        f"from ({days}) as days"
    )


def _on(days: Sequence[date]) -> str:
    return date_condition(quoted("date"), days)
