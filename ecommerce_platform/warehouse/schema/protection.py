"""Who sees personal data in Snowflake: masking policies, and a role for analysts, made from the contracts' classification.

What belongs here: the statements, and running those of RAW and of Spark's copies. What does not: which columns of models are
personal (transformation/project/personal.py), and a model's own statements in a build (dbt's macros/protection.sql).

A policy shows a value to the platform's role and to those that the settings name, and hides it from all others, administrators
included. `create or replace table`, by which dbt makes its models, takes the policies off and the grants away: a table that has a
personal column is granted to analysts only after its columns are masked, so that at no moment they could see one.
RAW.PROTECTION says what `warehouse init` has set up; without its row builds mask and grant nothing, and analysts see nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import HIDDEN, Contract, personal_names
from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.sql.connection import WarehouseError, execute, fetch_all, is_missing_object, quoted

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: What analysts read: schemas with the models' tables. RAW has whole change events, and RECONCILIATION is the platform's own.
READ_BY_ANALYSTS = ("STAGING", "INTERMEDIATE", "MARTS")
_POLICY = "RAW.MASK_PERSONAL_"
#: Of every type that a personal column may have, so that a model's column finds one that no contract has.
_TYPES = ("STRING", "NUMBER", "DATE", "TIMESTAMP_NTZ", "BOOLEAN")


@dataclass(frozen=True)
class PersonalColumn:
    """A column to hide: `table` with its schema, quoted; `type` as in DDL."""

    table: str
    name: str
    type: str


@dataclass(frozen=True)
class Protection:
    """What `warehouse init` has set up."""

    analyst_role: str
    masked: bool


def personal_columns(definitions: Iterable[ddl.TableDefinition], names: Iterable[str] = ()) -> list[PersonalColumn]:
    """The columns of these tables that a contract classifies, or that have one of the `names`."""
    by_name = frozenset(names)
    return [
        PersonalColumn(definition.name, column.name, column.snowflake_type)
        for definition in definitions
        for column in definition.columns
        if column.personal or column.name in by_name
    ]


def policy_of(snowflake_type: str) -> str:
    """Name of the policy for columns of a type: Snowflake wants the policy's type to be the column's."""
    kind = snowflake_type.upper()
    if kind in ("STRING", "TEXT") or kind.startswith(("VARCHAR", "CHARACTER VARYING")):
        return f"{_POLICY}TEXT"
    if kind == "NUMBER":
        kind = "NUMBER(38,0)"
    return _POLICY + kind.replace("(", "_").replace(",", "_").replace(")", "").replace(" ", "")


def policies(snowflake: SnowflakeSettings, types: Iterable[str]) -> list[str]:
    """A policy for each type: made where it is missing, and brought to these roles where it is not."""
    seen_by = ", ".join(ddl.literal(role) for role in roles_that_see(snowflake))
    statements = []
    for name, kind in sorted({policy_of(kind): kind for kind in (*_TYPES, *types)}.items()):
        hidden = ddl.literal(HIDDEN) if name.endswith("_TEXT") else "null"
        # The role of the session itself: who has the right to change roles says so by changing it.
        body = f"case when val is null or current_role() in ({seen_by}) then val else {hidden} end"
        statements += [
            f"create masking policy if not exists {name} as (val {kind}) returns {kind} -> {body}",
            f"alter masking policy {name} set body -> {body}",
            f"grant apply on masking policy {name} to role {quoted(snowflake.role)}",
        ]
    return statements


def roles_that_see(snowflake: SnowflakeSettings) -> tuple[str, ...]:
    """The roles to which policies show values, as Snowflake stores their names."""
    return tuple(dict.fromkeys(role.upper() for role in (snowflake.role, *snowflake.personal_data_roles)))


def mask(column: PersonalColumn) -> str:
    """Attaches the policy, also where it is attached already."""
    return (
        f"alter table if exists {column.table} modify column {quoted(column.name)} "
        f"set masking policy {policy_of(column.type)} force"
    )


def grant_select(table: str, role: str) -> str:
    return f"grant select on table {table} to role {quoted(role)}"


def revoke_select(table: str, role: str) -> str:
    return f"revoke select on table {table} from role {quoted(role)}"


def role_of_analysts(snowflake: SnowflakeSettings) -> list[str]:
    """The role, and what it needs to ask at all: no table yet."""
    role, database = quoted(snowflake.analyst_role), quoted(snowflake.database)
    return [
        f"create role if not exists {role}",
        f"grant role {role} to role SYSADMIN",
        f"grant usage on warehouse {quoted(snowflake.warehouse)} to role {role}",
        f"grant usage on database {database} to role {role}",
        *(f"grant usage on schema {database}.{schema} to role {role}" for schema in READ_BY_ANALYSTS),
    ]


def statements(snowflake: SnowflakeSettings, contracts: Mapping[str, Contract]) -> list[str]:
    """All but the models' part, in order: the role, the policies, the masks of the platform's tables, then what analysts read."""
    columns = platform_columns(contracts)
    hidden = {column.table for column in columns} if not snowflake.masking else set()
    return [
        *role_of_analysts(snowflake),
        *(policies(snowflake, [column.type for column in columns]) if snowflake.masking else []),
        *(map(mask, columns) if snowflake.masking else []),
        *(
            (revoke_select if table in hidden else grant_select)(table, snowflake.analyst_role)
            for table in _read_by_analysts()
        ),
        *record(snowflake),
    ]


def platform_columns(contracts: Mapping[str, Contract]) -> list[PersonalColumn]:
    """Personal columns of RAW, of what later loads replaced there, and of Spark's copies, which keep the contracts' names."""
    names = personal_names(contracts.values())
    of_source = [definition for contract in contracts.values() for definition in ddl.raw_definitions(contract)]
    spark = [definition for definition in ddl.table_definitions(contracts) if definition.name in _spark_tables()]
    return [*personal_columns(of_source), *personal_columns(spark, names)]


def _spark_tables() -> list[str]:
    return [ddl.spark_table(name) for name in ddl.ANALYTICS_TABLES]


def _read_by_analysts() -> list[str]:
    return [*_spark_tables(), ddl.RESTATEMENTS]


def record(snowflake: SnowflakeSettings) -> list[str]:
    """Writes down what was set up, for builds."""
    role, roles = ddl.literal(snowflake.analyst_role.upper()), ddl.literal(",".join(roles_that_see(snowflake)))
    values = f"{role}, {str(snowflake.masking).lower()}, {roles}"
    return [
        f"delete from {ddl.PROTECTION}",
        f"insert into {ddl.PROTECTION} (analyst_role, masked, seen_by, applied_at) select {values}, sysdate()",
    ]


def protect(connection: SnowflakeConnection, to_run: Sequence[str]) -> None:
    """Runs the statements. Raises WarehouseError where the account's edition has no masking policies."""
    from snowflake.connector.errors import ProgrammingError

    for statement in to_run:
        try:
            execute(connection, statement)
        except ProgrammingError as error:
            if "masking policy" in statement and "unsupported feature" in str(error).lower():
                raise WarehouseError(
                    "this account has no masking policies, which need Snowflake's Enterprise edition; set "
                    "ECOMMERCE_SNOWFLAKE__MASKING=false: analysts then get no table that has a personal column"
                ) from error
            raise


def installed(connection: SnowflakeConnection) -> Protection | None:
    """What `warehouse init` has set up; None where it has not run since this release."""
    rows = fetch_all(connection, f"select analyst_role, masked from {ddl.PROTECTION}")
    return Protection(str(rows[0][0]), bool(rows[0][1])) if rows else None


def state_in_words(connection: SnowflakeConnection) -> str:
    """Who reads the models, for people; also of a database that has no tables yet."""
    from snowflake.connector.errors import ProgrammingError

    try:
        set_up = installed(connection)
    except ProgrammingError as error:
        if not is_missing_object(error):
            raise
        set_up = None
    if set_up is None:
        return "no table granted to analysts (`ecommerce-platform warehouse init` does it)"
    return f"role {set_up.analyst_role} reads the models" + (
        ", personal columns masked" if set_up.masked else " without personal columns"
    )


def column_of(table: str, name: str, data_type: str, precision: object, scale: object) -> PersonalColumn:
    """A column as information_schema names it."""
    kind = f"NUMBER({precision},{scale})" if data_type == "NUMBER" else data_type
    return PersonalColumn(table, name, kind)
