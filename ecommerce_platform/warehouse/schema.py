"""Brings Snowflake's objects to what the contracts and this release ask for, and finds out cheaply that they are.

What belongs here: creating what is missing, adding and widening columns, migrations of the platform's own tables. What does
not: the statements' text (ddl.py). All of it is DDL, which in Snowflake commits an open transaction: never call this inside
one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse import ddl
from ecommerce_platform.warehouse.connection import (
    WarehouseError,
    connect,
    error_number,
    execute,
    fetch_all,
    transaction,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: Snowflake: an object named in the statement does not exist, or this role may not see it.
_NO_SUCH_OBJECT = frozenset({2003, 2043})


@dataclass(frozen=True)
class Migration:
    """A change of the platform's own tables that CREATE IF NOT EXISTS and ADD COLUMN cannot express."""

    version: int
    description: str
    statements: tuple[str, ...]


#: In order of version. Each runs once, on installations older than it; a new installation starts at the newest version.
MIGRATIONS: tuple[Migration, ...] = (Migration(1, "the first version", ()),)
CURRENT_VERSION = MIGRATIONS[-1].version

_TYPE_NAMES = {
    LogicalType.BIGINT: "NUMBER",
    LogicalType.INT: "NUMBER",
    LogicalType.DECIMAL: "NUMBER",
    LogicalType.TEXT: "TEXT",
    LogicalType.TIMESTAMP: "TIMESTAMP_NTZ",
    LogicalType.DATE: "DATE",
    LogicalType.BOOLEAN: "BOOLEAN",
}


@dataclass(frozen=True)
class FoundColumn:
    """A column as Snowflake has it."""

    type: str
    precision: int | None
    scale: int | None

    def __str__(self) -> str:
        return f"{self.type}({self.precision},{self.scale})" if self.type == "NUMBER" else self.type


def initialise(
    connection: SnowflakeConnection, settings: Settings, contracts: Mapping[str, Contract] | None = None
) -> list[str]:
    """Everything: warehouse, role, database, grants, schemas, tables. Returns what was done, one line each.

    Run by an administrator's role; safe to repeat. Lines of what the stand-in has none of begin with `skipped`.
    Raises WarehouseError when an existing object cannot be brought to what is asked.
    """
    snowflake = settings.snowflake
    done = []
    for statement in ddl.account_objects(snowflake):
        execute(connection, statement)
        done.append(_told(statement, settings))
    done += _bring_up_to_date(connection, contracts or load_contracts())
    for statement in ddl.grants(snowflake):
        execute(connection, statement)
        done.append(_told(statement, settings))
    return done


def initialise_account(settings: Settings) -> list[str]:
    """`initialise` over a connection of its own, in the administrator's role where the settings name one."""
    with connect(settings, role=settings.snowflake.admin_role) as connection:
        return initialise(connection, settings)


def ensure_current(connection: SnowflakeConnection, contracts: Mapping[str, Contract] | None = None) -> list[str]:
    """Before a load: brings schemas and tables up to date when they are not; one round trip when they are.

    Returns what was done. Raises WarehouseError as `initialise` does.
    """
    contracts = contracts or load_contracts()
    found = _found_version(connection)
    if found == (CURRENT_VERSION, fingerprint(contracts)):
        return []
    return _bring_up_to_date(connection, contracts)


def fingerprint(contracts: Mapping[str, Contract]) -> str:
    """Digest of every definition that the database is to have: changes when a contract or a table here changes."""
    text = "\n".join(ddl.schema_objects(contracts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _bring_up_to_date(connection: SnowflakeConnection, contracts: Mapping[str, Contract]) -> list[str]:
    found = _found_version(connection)
    if found and found[0] > CURRENT_VERSION:
        raise WarehouseError(
            f"{ddl.PLATFORM_VERSION} says version {found[0]}, and this release knows {CURRENT_VERSION}: the database was "
            "made by a newer release; use that one"
        )
    done = []
    for statement in ddl.schema_objects(contracts):
        execute(connection, statement)
        done.append(statement.splitlines()[0].rstrip(" ("))
    for statement in column_changes(ddl.table_definitions(contracts), _found_columns(connection)):
        execute(connection, statement)
        done.append(statement)
    for migration in MIGRATIONS:
        if found and migration.version > found[0]:
            for statement in migration.statements:
                execute(connection, statement)
            done.append(f"migration {migration.version}: {migration.description}")
    _record_version(connection, fingerprint(contracts))
    return done


def column_changes(
    definitions: tuple[ddl.TableDefinition, ...], found: Mapping[str, Mapping[str, FoundColumn]]
) -> list[str]:
    """ALTER statements that bring the found tables to their definitions: new columns, more digits.

    `found` maps `SCHEMA.TABLE` to its columns by name. Raises WarehouseError naming a column whose type cannot be reached
    without rewriting data.
    """
    changes = []
    for definition in definitions:
        schema, table = definition.name.replace('"', "").split(".")
        columns = found.get(f"{schema}.{table}")
        if columns is None:
            continue
        for column in definition.columns:
            there = columns.get(column.name.upper())
            if there is None:
                changes.append(ddl.add_column(definition.name, column))
            elif change := _type_change(definition.name, column, there):
                changes.append(change)
    return changes


def _type_change(table: str, column: Column, found: FoundColumn) -> str | None:
    wanted = _wanted(column)
    if found == wanted:
        return None
    if found.type == wanted.type == "NUMBER" and found.scale == wanted.scale:
        # A wider column than asked holds all values: nothing to do.
        return ddl.widen_column(table, column) if (found.precision or 0) < (wanted.precision or 0) else None
    raise WarehouseError(
        f"column {column.name} of {table} is {found}, the contract asks for {wanted}: such a change rewrites data. Rename "
        f"the table, run `ecommerce-platform warehouse init`, and load its days again"
    )


def _wanted(column: Column) -> FoundColumn:
    name = _TYPE_NAMES[column.type]
    if column.type is LogicalType.DECIMAL:
        return FoundColumn(name, column.precision, column.scale)
    return FoundColumn(name, 38, 0) if name == "NUMBER" else FoundColumn(name, None, None)


def _found_columns(connection: SnowflakeConnection) -> dict[str, dict[str, FoundColumn]]:
    rows = fetch_all(
        connection,
        "select table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale "
        "from information_schema.columns where table_schema in ('RAW', 'STAGING')",
    )
    tables: dict[str, dict[str, FoundColumn]] = {}
    for schema, table, column, kind, precision, scale in rows:
        is_number = kind == "NUMBER"
        found = FoundColumn(kind, int(precision) if is_number else None, int(scale) if is_number else None)
        tables.setdefault(f"{schema}.{table}", {})[column] = found
    return tables


def _found_version(connection: SnowflakeConnection) -> tuple[int, str] | None:
    from snowflake.connector.errors import ProgrammingError

    try:
        rows = fetch_all(
            connection, f"select version, fingerprint from {ddl.PLATFORM_VERSION} order by applied_at desc limit 1"
        )
    except ProgrammingError as error:
        if error_number(error) in _NO_SUCH_OBJECT:
            return None
        raise
    return (int(rows[0][0]), str(rows[0][1])) if rows else None


def _record_version(connection: SnowflakeConnection, current: str) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    with transaction(connection):
        execute(connection, f"delete from {ddl.PLATFORM_VERSION}")
        execute(
            connection,
            f"insert into {ddl.PLATFORM_VERSION} (version, fingerprint, applied_at) values (%s, %s, %s)",
            (CURRENT_VERSION, current, now),
        )


def _told(statement: str, settings: Settings) -> str:
    skipped = settings.snowflake_is_embedded and not statement.startswith("create database")
    return f"skipped (the stand-in has no such thing): {statement}" if skipped else statement
