"""Snowflake's objects as statements, rendered from the contracts and the settings.

What belongs here: text of DDL and grants, and the columns of the platform's own tables. What does not: running it and finding
out what is there (upgrade.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.contracts import Column, Contract, LogicalType
from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.warehouse.sql.connection import quoted

SCHEMAS = ("RAW", "STAGING", "INTERMEDIATE", "MARTS", "RECONCILIATION")
LOAD_STAGE = "RAW.LOAD_STAGE"
LOAD_LEDGER = "RAW.LOAD_LEDGER"
LOAD_LOCK = "RAW.LOAD_LOCK"
LEASES = "RAW.LEASES"
#: Work that one process at a time may do; a row of RAW.LEASES each.
LEASED_WORK = ("models", "reconciliation", "batch_size")
PLATFORM_VERSION = "RAW.PLATFORM_VERSION"
APPLIED_DAYS = "STAGING.APPLIED_DAYS"
SPARK_LOADS = "STAGING.SPARK_LOADS"
RESTATEMENTS = "MARTS.RESTATEMENTS"
PROTECTION = "RAW.PROTECTION"
INSTALLATION = "RAW.INSTALLATION"

#: What the macro `row_key` gives for the entries of before, whose keys are three columns at most. Safe to run again.
ROW_KEYS_OF_BEFORE = rf"""
update {RESTATEMENTS}
set row_key = '{{' || ltrim(
    iff(
        customer_tier is null, '',
        ',"customer_tier":"' || replace(replace(customer_tier, '\\', '\\\\'), '"', '\\"') || '"'
    )
    || iff(date is null, '', ',"date":"' || to_varchar(date, 'YYYY-MM-DD') || '"')
    || iff(product_id is null, '', ',"product_id":' || to_varchar(product_id)), ','
) || '}}'
where row_key is null
""".strip()

_TEXT, _NUMBER, _TIMESTAMP, _DATE = LogicalType.TEXT, LogicalType.BIGINT, LogicalType.TIMESTAMP, LogicalType.DATE


@dataclass(frozen=True)
class TableDefinition:
    """A table as it should be: full name, columns, clustering."""

    name: str
    columns: tuple[Column, ...]
    cluster_by: str | None = None
    comment: str = ""


_OWN_TABLES = (
    TableDefinition(
        LOAD_LEDGER,
        (
            Column("table_name", _TEXT, required=True),
            Column("date", _DATE, required=True),
            Column("batch_id", _TEXT, required=True),
            Column("iceberg_snapshot_id", _NUMBER),
            Column("row_count", _NUMBER),
            Column("checksum", _TEXT),
            Column("run_id", _TEXT),
            Column("loaded_at", _TIMESTAMP),
        ),
        comment="One row a table and day: which published day its rows in RAW come from.",
    ),
    TableDefinition(
        LOAD_LOCK,
        (Column("table_name", _TEXT, required=True), Column("run_id", _TEXT), Column("taken_at", _TIMESTAMP)),
        comment="One row a table; a load updates it first, so that loads of one table follow one another.",
    ),
    TableDefinition(
        LEASES,
        (
            Column("name", _TEXT, required=True),
            Column("generation", _NUMBER),
            Column("owner", _TEXT),
            Column("token", _TEXT),
            Column("process", _TEXT),
            Column("acquired_at", _TIMESTAMP),
            Column("expires_at", _TIMESTAMP),
        ),
        comment="One row for each piece of work that one process at a time may do: who does it, since when, until when.",
    ),
    TableDefinition(
        APPLIED_DAYS,
        (
            Column("table_name", _TEXT, required=True),
            Column("date", _DATE, required=True),
            Column("batch_id", _TEXT, required=True),
            Column("applied_at", _TIMESTAMP),
        ),
        comment="What the dbt run that last finished had applied.",
    ),
    TableDefinition(
        SPARK_LOADS,
        (
            Column("table_name", _TEXT, required=True),
            Column("iceberg_snapshot_id", _NUMBER),
            Column("as_of_day", _DATE),
            Column("applied_days", _NUMBER),
            Column("basis", _TEXT),
            Column("row_count", _NUMBER),
            Column("checksum", _TEXT),
            Column("run_id", _TEXT),
            Column("loaded_at", _TIMESTAMP),
        ),
        comment="One row for each STAGING.SPARK_ table: the Iceberg snapshot that it holds, and the days that it knew.",
    ),
    TableDefinition(
        RESTATEMENTS,
        (
            Column("restated_at", _TIMESTAMP, required=True),
            Column("model", _TEXT, required=True),
            Column("date", _DATE),
            Column("customer_tier", _TEXT),
            Column("product_id", _NUMBER),
            Column("change", _TEXT, required=True),
            Column("column_name", _TEXT, required=True),
            Column("old_value", _TEXT),
            Column("new_value", _TEXT),
            Column("closed_month", LogicalType.BOOLEAN),
            Column("as_of_day", _DATE),
            Column("cause", _TEXT),
            Column("run_id", _TEXT),
            Column("invocation_id", _TEXT),
            Column("row_key", _TEXT),
        ),
        comment="One row for each published figure that changed: when, from what to what, and why. Never changed itself.",
    ),
    TableDefinition(
        PROTECTION,
        (
            Column("analyst_role", _TEXT, required=True),
            Column("masked", LogicalType.BOOLEAN),
            Column("seen_by", _TEXT),
            Column("applied_at", _TIMESTAMP),
        ),
        comment="One row: who reads the models, and whether personal columns are masked, as `warehouse init` has set it up.",
    ),
    TableDefinition(
        INSTALLATION,
        (
            Column("installation_id", _TEXT, required=True),
            Column("catalog", _TEXT),
            Column("recorded_at", _TIMESTAMP),
        ),
        comment="One row: the installation whose lake fills RAW. Another's loads are refused.",
    ),
    TableDefinition(
        PLATFORM_VERSION,
        (Column("version", _NUMBER), Column("fingerprint", _TEXT), Column("applied_at", _TIMESTAMP)),
        comment="One row: the version of the platform's own tables, and a digest of the definitions behind them.",
    ),
)


def raw_table(table: str) -> str:
    """Full name of a source table's raw table."""
    return f"RAW.{quoted(table)}"


def superseded_table(table: str) -> str:
    """Full name of the table that keeps the rows which a later load of the same day replaced."""
    return f"RAW.{quoted(f'superseded_{table}')}"


def spark_table(table: str) -> str:
    """Full name of the Snowflake copy of an Iceberg analytics table."""
    return f"STAGING.{quoted(f'spark_{table}')}"


def raw_definitions(contract: Contract) -> tuple[TableDefinition, TableDefinition]:
    """The raw table of a source table, and the one that keeps what later loads replaced."""
    name = contract.table
    return (
        TableDefinition(raw_table(name), contract.raw_columns, contract.cluster_by, contract.description),
        TableDefinition(
            superseded_table(name),
            contract.raw_columns,
            comment=f"Rows of {name} that a later load of their day replaced; kept until dbt has applied that load.",
        ),
    )


def table_definitions(contracts: Mapping[str, Contract]) -> tuple[TableDefinition, ...]:
    """All tables that the platform creates outside dbt and the reconciliation room."""
    of_source = [raw_definitions(contract) for contract in contracts.values()]
    raw = [definition for definition, _ in of_source]
    superseded = [definition for _, definition in of_source]
    spark = [
        TableDefinition(
            spark_table(name), table.loaded_columns, comment=f"Iceberg analytics.{name}, computed by Spark."
        )
        for name, table in ANALYTICS_TABLES.items()
    ]
    return (*raw, *superseded, *spark, *_OWN_TABLES)


def create_table(definition: TableDefinition) -> str:
    columns = ",\n  ".join(f"{quoted(column.name)} {_column_type(column)}" for column in definition.columns)
    cluster = f"\ncluster by ({definition.cluster_by})" if definition.cluster_by else ""
    comment = f"\ncomment = {literal(definition.comment)}" if definition.comment else ""
    return f"create table if not exists {definition.name} (\n  {columns}\n){cluster}{comment}"


def _column_type(column: Column) -> str:
    # An audit stamp that Snowflake fills when a person inserts by hand, as the design document has it.
    default = " default current_timestamp()" if column.name == "loaded_at" else ""
    return column.snowflake_type + default


def add_column(table: str, column: Column) -> str:
    return f"alter table {table} add column if not exists {quoted(column.name)} {column.snowflake_type}"


def widen_column(table: str, column: Column) -> str:
    return f"alter table {table} alter column {quoted(column.name)} set data type {column.snowflake_type}"


def create_rows(table: str, column: str, names: Iterable[str]) -> str:
    """A row for each name that has none, in a table whose rows are locks."""
    values = ", ".join(f"({literal(name)})" for name in names)
    return (
        f"insert into {table} ({column})\n"
        f"select known.name from (values {values}) as known (name)\n"
        f"where not exists (select 1 from {table} as held where held.{column} = known.name)"
    )


def schema_objects(contracts: Mapping[str, Contract]) -> list[str]:
    """Statements that create schemas, stage and tables where they are missing, in order."""
    return [
        *(f"create schema if not exists {name}" for name in SCHEMAS),
        f"create stage if not exists {LOAD_STAGE}",
        *(create_table(definition) for definition in table_definitions(contracts)),
        create_rows(LOAD_LOCK, "table_name", (*contracts, *(f"spark_{name}" for name in ANALYTICS_TABLES))),
        create_rows(LEASES, "name", LEASED_WORK),
    ]


def account_objects(snowflake: SnowflakeSettings) -> list[str]:
    """Statements for an administrator: warehouse, role and database. Run by `ecommerce-platform warehouse init`."""
    warehouse, role, database = quoted(snowflake.warehouse), quoted(snowflake.role), quoted(snowflake.database)
    properties = (
        f"warehouse_size = {literal(snowflake.warehouse_size)} auto_suspend = {int(snowflake.auto_suspend_seconds)} "
        "auto_resume = true"
    )
    return [
        f"create warehouse if not exists {warehouse} with {properties} initially_suspended = true",
        f"alter warehouse {warehouse} set {properties}",
        f"create role if not exists {role}",
        f"create database if not exists {database}",
    ]


def grants(snowflake: SnowflakeSettings) -> list[str]:
    """What the role may do: use and resize the warehouse, and all that loads and dbt need in the database."""
    warehouse, role, database = quoted(snowflake.warehouse), quoted(snowflake.role), quoted(snowflake.database)
    statements = [
        f"grant usage, operate, modify on warehouse {warehouse} to role {role}",
        f"grant usage, create schema on database {database} to role {role}",
        f"grant role {role} to role SYSADMIN",
    ]
    for schema in SCHEMAS:
        name = f"{database}.{schema}"
        statements += [
            f"grant usage, create table, create view, create stage on schema {name} to role {role}",
            # The role adds columns as contracts grow, and dbt replaces its tables: both need ownership.
            f"grant ownership on all tables in schema {name} to role {role} copy current grants",
        ]
    return [*statements, f"grant read, write on stage {database}.{LOAD_STAGE} to role {role}"]


def resize_warehouse(snowflake: SnowflakeSettings, size: str) -> str:
    """The document's statement around batch loads: MEDIUM before, SMALL after."""
    return (
        f"alter warehouse {quoted(snowflake.warehouse)} set warehouse_size = {literal(size)} "
        f"auto_suspend = {int(snowflake.auto_suspend_seconds)} auto_resume = true"
    )


def literal(text: str) -> str:
    """A string constant in Snowflake, where a backslash escapes. For DDL, which takes no parameters."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def names_of(columns: Sequence[Column]) -> str:
    """A column list."""
    return ", ".join(quoted(column.name) for column in columns)
