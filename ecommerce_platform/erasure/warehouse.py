"""Snowflake without a person: RAW, what loads have replaced, Spark's tables, and the models.

What belongs here: the statements, their order, and the models computed again for the person's keys alone. What does not: rows
(subject.py) and the lake, whose ledger says which content a day has now.

Each table is one transaction: rows, ledger and checksum change together, so that no load sees a day that is not what its ledger
says. The models learn of the change as of any other: rows of the person's keys lie among those that loads have replaced, under a
batch of the erasure, until the build that computes these keys again has ended. Figures stay as they are: keys and amounts do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.contracts import Column, Contract
from ecommerce_platform.erasure.subject import Subject
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.landing.persons import Rows, erased_value
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.applied import full_refresh_reason, mark_applied, read_build_state
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.lake_files import contract_of_lake
from ecommerce_platform.warehouse.load.load_ledger import batch_id
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import ensure_current, ensure_raw_columns
from ecommerce_platform.warehouse.sql.conditions import key_condition
from ecommerce_platform.warehouse.sql.connection import (
    Opener,
    execute,
    fetch_all,
    is_conflict,
    quoted,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

Result = TypeVar("Result")
_MODEL_SCHEMAS = ("STAGING", "INTERMEDIATE", "MARTS", "RECONCILIATION")


@dataclass(frozen=True)
class TableHolding:
    """A table of the warehouse and how many of its rows still hold the person."""

    table: str
    rows: int


def find(connection: SnowflakeConnection, manifest: Mapping[str, Any], subject: Subject) -> list[TableHolding]:
    """Every table of the warehouse that holds the person, with its rows: RAW, what loads replaced, Spark's tables, models
    (those of dbt's manifest)."""
    columns, keys = _columns(connection), _keys_of_models(manifest)
    holdings = []
    for name, present in sorted(columns.items()):
        for table, rows in subject.rows.items():
            if condition := _holds(subject.contracts[table], rows, name, present, keys.get(name)):
                count = int(fetch_all(connection, f"select count(*) from {_quoted(name)} where {condition}")[0][0])
                if count:
                    holdings.append(TableHolding(name, count))
    return holdings


def erase(
    settings: Settings,
    open_connection: Opener,
    subject: Subject,
    contents: Mapping[str, Mapping[date, tuple[str, str]]],
    records: Mapping[str, Mapping[date, DayRecord]],
    batch: str,
    run_id: str,
    say: Callable[[str], None],
    reached: Callable[[str], None],
) -> None:
    """Takes the person out of every table. `contents` are the content ids that days had and have, `records` the lake's ledger,
    `batch` the erasure's name among loads. Raises LeaseBusy, DbtRunError.
    """
    with open_connection() as connection:
        ensure_current(connection, subject.contracts)
        with exclusive_build(settings.dbt, settings.snowflake, connection, open_connection, run_id, say) as lease:
            pending = False
            for table, rows in subject.rows.items():
                contract = contract_of_lake(Lake.of(settings), subject.contracts[table])
                ensure_raw_columns(connection, contract)
                part = _RawTable(connection, contract, rows, batch, run_id)
                pending |= _after_conflicts(partial(part.erase, contents.get(table, {}), records.get(table, {})))
                reached(f"raw {table}")
            _after_conflicts(partial(_erase_spark_tables, connection, subject))
            reached("spark tables")
            if not pending:
                return
            definition = definition_digest(DbtProject.of(settings))
            reason = full_refresh_reason(read_build_state(connection), definition)
            say(
                "computing the person's rows of the models again"
                if reason is None
                else f"computing everything again: {reason}"
            )
            run_dbt(settings, DbtRequest(full_refresh=reason is not None, cause=f"erasure {batch}"), run_id, lease)
            reached("models built")
            mark_applied(connection, definition, lease)
            reached("models applied")


def _after_conflicts(action: Callable[[], Result]) -> Result:
    """The action, tried again while another transaction is in the way: that of a killed erasure ends when its session does."""
    return with_retries(action, attempts=8, worth_another=is_conflict)


@dataclass(frozen=True)
class _RawTable:
    connection: SnowflakeConnection
    contract: Contract
    rows: Rows
    batch: str
    run_id: str

    def erase(self, contents: Mapping[date, tuple[str, str]], records: Mapping[date, DayRecord]) -> bool:
        """Whether the models have to compute anything again."""
        table, raw = self.contract.table, ddl.raw_table(self.contract.table)
        replaced, now = ddl.superseded_table(table), datetime.now(UTC).replace(tzinfo=None)
        with transaction(self.connection):
            execute(self.connection, load_sql.take_lock(), (self.run_id, now, table))
            days = self._touched_days(raw)
            for name in (raw, replaced):
                execute(self.connection, f"update {name} set {self._assignments()} where {self._still_personal()}")
            renamed = self._rename(raw, contents)
            self._write_ledger(sorted({*days, *renamed}), records)
            if days:
                self._mark_keys(raw, replaced)
            marked = fetch_all(self.connection, f"select count(*) from {replaced} where batch_id = %s", (self.batch,))
        return bool(renamed or int(marked[0][0]))

    def _touched_days(self, raw: str) -> list[date]:
        sql = f"select distinct {quoted('date')} from {raw} where {self._still_personal()}"
        return sorted(day for (day,) in fetch_all(self.connection, sql))

    def _assignments(self) -> str:
        return ", ".join(f"{quoted(column.name)} = {_erased(column)}" for column in self.contract.personal_columns)

    def _still_personal(self) -> str:
        return _condition(self.rows, self.contract.personal_columns)

    def _rename(self, raw: str, contents: Mapping[date, tuple[str, str]]) -> list[date]:
        """Days whose files were rewritten have another content: everything that names it follows, and nothing is loaded again."""
        table, done = self.contract.table, []
        for day, (before, after) in sorted(contents.items()):
            old, new = batch_id(table, day, before), batch_id(table, day, after)
            if old == new:
                continue
            ledger = f"update {ddl.LOAD_LEDGER} set batch_id = %s where table_name = %s and date = %s and batch_id = %s"
            if execute(self.connection, ledger, (new, table, day, old)):
                done.append(day)
            execute(
                self.connection,
                f"update {ddl.APPLIED_DAYS} set batch_id = %s where table_name = %s and date = %s and batch_id = %s",
                (new, table, day, old),
            )
            execute(
                self.connection,
                f"update {raw} set batch_id = %s where {quoted('date')} = %s and batch_id = %s",
                (new, day, old),
            )
        return done

    def _write_ledger(self, days: Sequence[date], records: Mapping[date, DayRecord]) -> None:
        if not days:
            return
        sql = load_sql.content_of_days(self.contract.table, self.contract.all_event_columns, days)
        for day, _, checksum in fetch_all(self.connection, sql):
            record = records.get(day)
            execute(
                self.connection,
                f"update {ddl.LOAD_LEDGER} set checksum = %s, iceberg_snapshot_id = coalesce(%s, iceberg_snapshot_id) "
                "where table_name = %s and date = %s",
                (str(checksum), record.snapshot_id if record else None, self.contract.table, day),
            )

    def _mark_keys(self, raw: str, replaced: str) -> None:
        """Rows of the person among those that loads have replaced: the next build computes their keys again."""
        execute(self.connection, f"delete from {replaced} where batch_id = %s", (self.batch,))
        columns = [column for column in self.contract.raw_columns if column.name != "batch_id"]
        names = ddl.names_of(columns)
        execute(
            self.connection,
            f"insert into {replaced} ({names}, batch_id) select {names}, %s from {raw} where {_about(self.rows)}",
            (self.batch,),
        )


def _erase_spark_tables(connection: SnowflakeConnection, subject: Subject) -> None:
    """What Spark computed of the person; the next load, of a later snapshot, finds the same."""
    rows = subject.rows.get(subject.table)
    contract = subject.contracts[subject.table]
    if rows is None:
        return
    for name, table in ANALYTICS_TABLES.items():
        present = {column.name for column in table.loaded_columns}
        shared = [column for column in contract.personal_columns if column.name in present]
        if shared and contract.key in present:
            assignments = ", ".join(f"{quoted(column.name)} = {_erased(column)}" for column in shared)
            condition = _condition(Rows(contract.key, rows.keys), shared)
            execute(connection, f"update {ddl.spark_table(name)} set {assignments} where {condition}")


def _columns(connection: SnowflakeConnection) -> dict[str, set[str]]:
    schemas = ", ".join(ddl.literal(name) for name in ("RAW", *_MODEL_SCHEMAS))
    sql = (
        "select c.table_schema, c.table_name, c.column_name from information_schema.columns as c "
        "inner join information_schema.tables as t on c.table_schema = t.table_schema and c.table_name = t.table_name "
        f"where c.table_schema in ({schemas}) and t.table_type = 'BASE TABLE'"
    )
    columns: dict[str, set[str]] = {}
    for schema, table, column in fetch_all(connection, sql):
        columns.setdefault(f"{schema}.{table}", set()).add(str(column).lower())
    return columns


def _keys_of_models(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The one column that is a model's unique key, by the model's table."""
    keys = {}
    for node in manifest["nodes"].values():
        key = node["config"].get("unique_key") if node["resource_type"] == "model" else None
        if isinstance(key, str):
            keys[f"{node['schema']}.{node['alias']}".upper()] = key.lower()
    return keys


def _holds(contract: Contract, rows: Rows, name: str, present: set[str], unique_key: str | None) -> str | None:
    """The condition of rows of a warehouse table that hold the person; None where it has none of the personal columns."""
    shared = [column for column in contract.personal_columns if column.name in present]
    own = name in (f"RAW.{contract.table.upper()}", f"RAW.SUPERSEDED_{contract.table.upper()}")
    if name.startswith("RAW."):
        return _condition(rows, shared) if own and shared else None
    key = rows.key if rows.key in present else unique_key
    return _condition(Rows(key, rows.keys | rows.orphans), shared) if shared and key else None


def _condition(rows: Rows, columns: Sequence[Column]) -> str:
    present = " or ".join(
        f"{quoted(column.name)} is not null"
        if erased_value(column) is None
        else f"{quoted(column.name)} <> {ddl.literal(erased_value(column) or '')}"
        for column in columns
    )
    return f"({_about(rows)}) and ({present})"


def _about(rows: Rows) -> str:
    """The rows about the person; keys are whole numbers."""
    conditions = [key_condition(quoted(rows.key), sorted(rows.keys))] if rows.keys else []
    references = rows.references or {}
    conditions += [key_condition(quoted(name), sorted(keys)) for name, keys in references.items() if keys]
    if references and rows.orphans:
        unreadable = " and ".join(f"{quoted(name)} is null" for name in references)
        conditions.append(f"({unreadable} and {key_condition(quoted(rows.key), sorted(rows.orphans))})")
    return " or ".join(conditions) or "1 = 0"


def _erased(column: Column) -> str:
    value = erased_value(column)
    return "null" if value is None else ddl.literal(value)


def _quoted(name: str) -> str:
    schema, _, table = name.partition(".")
    return f"{schema}.{quoted(table)}"
