"""Masks and grants of the models' tables, outside a build: what `warehouse init` does to tables that are there already.

What belongs here: which statements, and running them. What does not: the rule (personal.py), the statements' text
(warehouse/schema/protection.py), and the same within a build (dbt's macros/protection.sql).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecommerce_platform.contracts import Contract, load_contracts, personal_names
from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest
from ecommerce_platform.transformation.project.personal import ModelTable, model_tables
from ecommerce_platform.warehouse.schema import protection
from ecommerce_platform.warehouse.schema.protection import PersonalColumn
from ecommerce_platform.warehouse.sql.connection import fetch_all, quoted

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def protect_models(connection: SnowflakeConnection, project: DbtProject, snowflake: SnowflakeSettings) -> list[str]:
    """Masks the personal columns of the models' tables, and lets analysts read those that they may. Safe to repeat.

    Returns the statements. Raises DbtProjectError when there is no project, WarehouseError as `protection.protect` does.
    """
    tables = list(_tables(load_manifest(project), _present(connection)))
    statements = []
    if snowflake.masking:
        statements += protection.policies(snowflake, {column.type for _, columns in tables for column in columns})
    for table, columns in tables:
        statements += table_statements(snowflake, table, columns)
    protection.protect(connection, statements)
    return statements


def table_statements(
    snowflake: SnowflakeSettings, table: ModelTable, personal: Sequence[PersonalColumn]
) -> Iterator[str]:
    """What a table with these personal columns needs: masks first, then what analysts may read."""
    name = f"{table.schema}.{quoted(table.table)}"
    if snowflake.masking:
        yield from map(protection.mask, personal)
    if table.internal:
        return
    if snowflake.masking or not personal:
        yield protection.grant_select(name, snowflake.analyst_role)
    else:
        yield protection.revoke_select(name, snowflake.analyst_role)


def masks_of_new_models(manifest: Mapping[str, Any], contracts: Mapping[str, Contract]) -> list[str]:
    """Masks of the models' columns as the project describes them, of tables that need not be there: for an administrator to read.

    Builds attach them, and grant, whenever they make a table.
    """
    return [protection.mask(column) for _, columns in described(manifest, contracts) for column in columns]


def described(
    manifest: Mapping[str, Any], contracts: Mapping[str, Contract]
) -> Iterator[tuple[ModelTable, list[PersonalColumn]]]:
    """Each model's table with its personal columns, by the project's properties and, of latest states, by the contract."""
    names = personal_names(contracts.values())
    types = {
        column.name: column.snowflake_type for contract in contracts.values() for column in contract.personal_columns
    }
    for table in model_tables(manifest):
        columns = {name.lower(): str(item.get("data_type") or "") for name, item in _columns(manifest, table).items()}
        if contract := contracts.get(table.name.removeprefix("base_")):
            columns = {column.name: column.snowflake_type for column in contract.columns} | columns
        yield (
            table,
            [
                PersonalColumn(f"{table.schema}.{quoted(table.table)}", name, kind or types.get(name, "STRING"))
                for name, kind in columns.items()
                if table.is_personal(name, names)
            ],
        )


def _columns(manifest: Mapping[str, Any], table: ModelTable) -> Mapping[str, Any]:
    columns: Mapping[str, Any] = manifest["nodes"][table.unique_id]["columns"]
    return columns


def _tables(
    manifest: Mapping[str, Any], present: Mapping[str, Sequence[PersonalColumn]]
) -> Iterator[tuple[ModelTable, list[PersonalColumn]]]:
    names = personal_names(load_contracts().values())
    for table in model_tables(manifest):
        columns = present.get(f"{table.schema}.{table.table}")
        if columns is not None:
            yield table, [column for column in columns if table.is_personal(column.name, names)]


def _present(connection: SnowflakeConnection) -> dict[str, list[PersonalColumn]]:
    """All columns of the tables in the models' schemas, by SCHEMA.TABLE."""
    schemas = ", ".join(f"'{schema}'" for schema in protection.READ_BY_ANALYSTS)
    rows = fetch_all(
        connection,
        "select table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale "
        f"from information_schema.columns where table_schema in ({schemas})",
    )
    present: dict[str, list[PersonalColumn]] = {}
    for schema, table, column, *kind in rows:
        if column.replace("_", "a").isalnum():
            present.setdefault(f"{schema}.{table}", []).append(
                protection.column_of(f"{schema}.{quoted(table)}", column, *kind)
            )
    return present
