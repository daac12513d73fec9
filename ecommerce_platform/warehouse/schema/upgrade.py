"""Brings Snowflake's objects to what the contracts and this release ask for, and finds out cheaply that they are.

What belongs here: creating what is missing, adding and widening columns, the migrations of these tables. What does not: the
statements' text (ddl.py) and how migrations run (migrations.py). All of it is DDL, which in Snowflake commits an open
transaction: never call this inside one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts
from ecommerce_platform.settings import Settings, SnowflakeSettings
from ecommerce_platform.warehouse.schema import ddl, migrations, protection
from ecommerce_platform.warehouse.schema.migrations import Migration, SchemaVersion, StoredVersion
from ecommerce_platform.warehouse.sql.connection import WarehouseError, connect, execute, fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: The tables of RAW and what else the platform creates outside dbt and the reconciliation room.
PLATFORM = SchemaVersion(
    "the platform's tables",
    version_table=ddl.PLATFORM_VERSION,
    first_table=ddl.LOAD_LEDGER,
    migrations=(
        Migration(1, "the first version"),
        Migration(2, "MARTS.RESTATEMENTS: which published figures changed"),
        Migration(3, "RAW.LEASES: whose turn it is to build the models, and to reconcile"),
        Migration(4, "MARTS.RESTATEMENTS names a row by its key as one JSON text", (ddl.ROW_KEYS_OF_BEFORE,)),
        Migration(5, "RAW.PROTECTION: who reads the models, and whether personal columns are masked"),
        Migration(6, "RAW.INSTALLATION: whose lake fills the database"),
    ),
)

_TYPE_NAMES = {
    LogicalType.BIGINT: "NUMBER",
    LogicalType.INT: "NUMBER",
    LogicalType.DECIMAL: "NUMBER",
    LogicalType.TEXT: "TEXT",
    LogicalType.TIMESTAMP: "TIMESTAMP_NTZ",
    LogicalType.DATE: "DATE",
    LogicalType.BOOLEAN: "BOOLEAN",
    LogicalType.UUID: "TEXT",
}


@dataclass(frozen=True)
class ExistingColumn:
    """A column as Snowflake has it."""

    type: str
    precision: int | None
    scale: int | None

    def __str__(self) -> str:
        return f"{self.type}({self.precision},{self.scale})" if self.type == "NUMBER" else self.type


def initialise(
    connection: SnowflakeConnection, snowflake: SnowflakeSettings, contracts: Mapping[str, Contract] | None = None
) -> list[str]:
    """Everything: warehouse, roles, database, grants, schemas, tables, masking policies. Returns what was done, one line each.

    Run by an administrator's role; safe to repeat. Lines of what the stand-in has none of begin with `skipped`.
    Raises WarehouseError when an existing object cannot be brought to what is asked.
    """
    contracts = contracts or load_contracts()
    done = []
    for statement in ddl.account_objects(snowflake):
        execute(connection, statement)
        done.append(_shown(statement, snowflake))
    done += bring_up_to_date(connection, contracts)
    for statement in ddl.grants(snowflake):
        execute(connection, statement)
        done.append(_shown(statement, snowflake))
    protecting = protection.statements(snowflake, contracts)
    protection.protect(connection, protecting)
    return [*done, *protecting]


def initial_statements(snowflake: SnowflakeSettings, contracts: Mapping[str, Contract] | None = None) -> list[str]:
    """What `initialise` sends to a new account, for an administrator who runs it by hand. In order; no connection is made."""
    contracts = contracts or load_contracts()
    return [
        *ddl.account_objects(snowflake),
        f"use database {ddl.quoted(snowflake.database)}",
        *ddl.schema_objects(contracts),
        *ddl.grants(snowflake),
        *protection.statements(snowflake, contracts),
    ]


def initialise_account(settings: Settings) -> list[str]:
    """`initialise` over a connection of its own, in the administrator's role where the settings name one."""
    with connect(settings, role=settings.snowflake.admin_role) as connection:
        return initialise(connection, settings.snowflake)


def ensure_current(connection: SnowflakeConnection, contracts: Mapping[str, Contract] | None = None) -> list[str]:
    """Before a load: brings schemas and tables up to date when they are not; one round trip when they are.

    Returns what was done. Raises WarehouseError as `initialise` does.
    """
    contracts = contracts or load_contracts()
    stored = migrations.stored_version(connection, PLATFORM)
    if stored == StoredVersion(PLATFORM.newest, fingerprint(contracts)):
        return []
    return bring_up_to_date(connection, contracts)


def ensure_raw_columns(connection: SnowflakeConnection, contract: Contract) -> list[str]:
    """Before a load of a table that landing files gave columns beyond its contract: adds and widens those of RAW.

    Returns what was done. Raises WarehouseError as `initialise` does.
    """
    if not contract.extra:
        return []
    statements = column_changes(ddl.raw_definitions(contract), _existing_columns(connection))
    for statement in statements:
        execute(connection, statement)
    return statements


def fingerprint(contracts: Mapping[str, Contract]) -> str:
    """Digest of every definition that the database is to have: changes when a contract or a table here changes, and when a
    column becomes personal."""
    classified = [f"{column.table} {column.name}" for column in protection.platform_columns(contracts)]
    return migrations.fingerprint([*ddl.schema_objects(contracts), *classified])


def bring_up_to_date(connection: SnowflakeConnection, contracts: Mapping[str, Contract]) -> list[str]:
    """Makes what is missing, whatever the version table says: a table may have been dropped since. Returns what was done."""
    stored = migrations.stored_version(connection, PLATFORM)
    migrations.refuse_newer(stored, PLATFORM)
    done = []
    for statement in ddl.schema_objects(contracts):
        execute(connection, statement)
        done.append(statement.splitlines()[0].rstrip(" ("))
    for statement in column_changes(ddl.table_definitions(contracts), _existing_columns(connection)):
        execute(connection, statement)
        done.append(statement)
    done += migrations.migrate(connection, PLATFORM, stored)
    if (set_up := protection.installed(connection)) and set_up.masked:
        # Columns that are new, or newly personal. The tables are this role's own, and it may apply the policies.
        for column in protection.platform_columns(contracts):
            execute(connection, protection.mask(column))
    migrations.record_version(connection, PLATFORM, PLATFORM.newest, fingerprint(contracts))
    return done


def column_changes(
    definitions: tuple[ddl.TableDefinition, ...], existing: Mapping[str, Mapping[str, ExistingColumn]]
) -> list[str]:
    """ALTER statements that bring the found tables to their definitions: new columns, more digits.

    `found` maps `SCHEMA.TABLE` to its columns by name. Raises WarehouseError naming a column whose type cannot be reached
    without rewriting data.
    """
    changes = []
    for definition in definitions:
        schema, table = definition.name.replace('"', "").split(".")
        columns = existing.get(f"{schema}.{table}")
        if columns is None:
            continue
        for column in definition.columns:
            present = columns.get(column.name.upper())
            if present is None:
                changes.append(ddl.add_column(definition.name, column))
            elif change := _type_change(definition.name, column, present):
                changes.append(change)
    return changes


def _type_change(table: str, column: Column, existing: ExistingColumn) -> str | None:
    expected = _declared_type(column)
    if existing == expected:
        return None
    if existing.type == expected.type == "NUMBER" and existing.scale == expected.scale:
        # A wider column than asked holds all values: nothing to do.
        return ddl.widen_column(table, column) if (existing.precision or 0) < (expected.precision or 0) else None
    raise WarehouseError(
        f"column {column.name} of {table} is {existing}, the contract asks for {expected}: such a change rewrites data. Rename "
        f"the table, run `ecommerce-platform warehouse init`, and load its days again"
    )


def _declared_type(column: Column) -> ExistingColumn:
    name = _TYPE_NAMES[column.type]
    if column.type is LogicalType.DECIMAL:
        return ExistingColumn(name, column.precision, column.scale)
    return ExistingColumn(name, 38, 0) if name == "NUMBER" else ExistingColumn(name, None, None)


def _existing_columns(connection: SnowflakeConnection) -> dict[str, dict[str, ExistingColumn]]:
    rows = fetch_all(
        connection,
        "select table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale "
        "from information_schema.columns where table_schema in ('RAW', 'STAGING', 'MARTS')",
    )
    tables: dict[str, dict[str, ExistingColumn]] = {}
    for schema, table, column, kind, precision, scale in rows:
        is_number = kind == "NUMBER"
        column_type = ExistingColumn(kind, int(precision) if is_number else None, int(scale) if is_number else None)
        tables.setdefault(f"{schema}.{table}", {})[column] = column_type
    return tables


def _shown(statement: str, snowflake: SnowflakeSettings) -> str:
    skipped = snowflake.is_embedded and not statement.startswith("create database")
    return f"skipped (the stand-in has no such thing): {statement}" if skipped else statement
