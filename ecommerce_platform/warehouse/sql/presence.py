"""Rows of a table that may not have been created yet, as distinct from a table that this role may not see.

What belongs here: the one question "is it missing?". What does not: every other trouble of Snowflake (no active warehouse, a
cancelled query, insufficient privileges): it is raised as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.warehouse.sql.connection import WarehouseError, fetch_all, is_missing_object

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def rows_or_none(
    connection: SnowflakeConnection,
    snowflake: SnowflakeSettings,
    table: str,
    sql: str,
    parameters: Sequence[object] = (),
) -> list[tuple[Any, ...]] | None:
    """The rows of a query of `table` (SCHEMA.TABLE); None when the table does not exist yet.

    Snowflake answers alike for what does not exist and for what the role may not see. The role that sees the schema, and not the
    table in it, sees all tables that the platform makes there: such a table is missing. Raises WarehouseError when the role does
    not see the schema either, and Snowflake's own error for everything else.
    """
    from snowflake.connector.errors import ProgrammingError

    try:
        return fetch_all(connection, sql, parameters)
    except ProgrammingError as error:
        if not is_missing_object(error):
            raise
        # The stand-in knows no grants.
        if snowflake.is_embedded or _sees_schema(connection, table.replace('"', "").split(".")[0]):
            return None
        raise WarehouseError(
            f"Snowflake has no {table} in database {snowflake.database}, or role {snowflake.role or 'of this user'} may not see "
            f"it, nor its schema: run `ecommerce-platform warehouse init` when the database is new, else grant the role USAGE "
            f"of the schema and SELECT on its tables ({error.msg})"
        ) from error


def _sees_schema(connection: SnowflakeConnection, schema: str) -> bool:
    sql = "select count(*) from information_schema.schemata where upper(schema_name) = upper(%s)"
    return bool(fetch_all(connection, sql, (schema,))[0][0])
