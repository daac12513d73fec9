"""The statements of a load, as text.

What belongs here: SQL of PUT, COPY and the load's transaction. What does not: running it in order (load.py). Values are
parameters (`%s`); names come from contracts and are quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.warehouse import ddl
from ecommerce_platform.warehouse.checksum import snowflake_checksum
from ecommerce_platform.warehouse.connection import quoted


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


def _from_parquet(column: Column, present: Sequence[str]) -> str:
    kind = "number(38, 0)" if column.snowflake_type == "NUMBER" else column.snowflake_type.lower()
    if column.name not in present:
        return f"null::{kind}"
    if column.type is LogicalType.TIMESTAMP:
        return f'$1:"{column.name}"::timestamp_ntz'
    return f'$1:"{column.name}"::{kind}'


def take_lock() -> str:
    """First statement of a load's transaction: whoever loads the same table waits, or is told of the conflict."""
    return f"update {ddl.LOAD_LOCK} set run_id = %s, taken_at = %s where table_name = %s"


def ledger_of_days(number_of_days: int) -> str:
    return (
        "select date, batch_id, iceberg_snapshot_id, row_count, checksum "
        f"from {ddl.LOAD_LEDGER} where table_name = %s and date in ({_dates(number_of_days)})"
    )


def keep_superseded(table: str, columns: Sequence[Column], number_of_days: int) -> str:
    """Keeps the rows that are about to be replaced, with the batch that brought them."""
    names = ddl.names_of(columns)
    return (
        f"insert into {ddl.superseded_table(table)} ({names})\n"
        f"select {names} from {ddl.raw_table(table)} where {quoted('date')} in ({_dates(number_of_days)})"
    )


def delete_days(table: str, number_of_days: int) -> str:
    return f"delete from {ddl.raw_table(table)} where {quoted('date')} in ({_dates(number_of_days)})"


def insert_days(table: str, loading: str, columns: Sequence[Column], number_of_days: int) -> str:
    """From the loading table into RAW with the load's stamps: parameters are loaded_at, then (day, batch id) of each day."""
    names = ddl.names_of(columns)
    selected = ", ".join(f"loading.{quoted(column.name)}" for column in columns)
    batches = ", ".join(["(%s, %s)"] * number_of_days)
    return (
        f"insert into {ddl.raw_table(table)} ({names}, {quoted('loaded_at')}, {quoted('batch_id')})\n"
        f"select {selected}, %s::timestamp_ntz, batches.batch_id\n"
        f"from {quoted(loading)} as loading\n"
        f"inner join (values {batches}) as batches (day, batch_id) on loading.{quoted('date')} = batches.day::date"
    )


def content_of_days(table: str, columns: Sequence[Column], number_of_days: int) -> str:
    """Rows and checksum of each day that has rows in RAW."""
    day = quoted("date")
    return (
        f"select {day}, count(*), {snowflake_checksum(columns)} from {ddl.raw_table(table)} "
        f"where {day} in ({_dates(number_of_days)}) group by {day}"
    )


def content_by_day(table: str, columns: Sequence[Column]) -> str:
    """Rows and checksum of every day that has rows in RAW."""
    day = quoted("date")
    return f"select {day}, count(*), {snowflake_checksum(columns)} from {ddl.raw_table(table)} group by {day}"


def delete_ledger(number_of_days: int) -> str:
    return f"delete from {ddl.LOAD_LEDGER} where table_name = %s and date in ({_dates(number_of_days)})"


def forget_applied(number_of_days: int) -> str:
    """The models do not hold the table's days any more: the next dbt run computes their keys again."""
    return f"delete from {ddl.APPLIED_DAYS} where table_name = %s and date in ({_dates(number_of_days)})"


def insert_ledger(number_of_days: int) -> str:
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * number_of_days)
    return (
        f"insert into {ddl.LOAD_LEDGER} "
        "(table_name, date, batch_id, iceberg_snapshot_id, row_count, checksum, run_id, loaded_at)\n"
        f"values {rows}"
    )


def _dates(number: int) -> str:
    return ", ".join(["%s::date"] * number)
