"""Files into a table of the session: PUT on the stage, COPY from it.

What belongs here: the part of a load that happens before its transaction. What does not: the transaction (days.py,
spark_tables.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import Column
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.lake_files import FileGroup
from ecommerce_platform.warehouse.sql.connection import execute

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def copy_to_loading_table(
    connection: SnowflakeConnection, table: str, columns: Sequence[Column], groups: Sequence[FileGroup]
) -> str:
    """Name of a new temporary table that holds the files' rows. It ends with the session at the latest.

    The name, and the stage path of the same name, are new each time: no earlier attempt's files can be read again. The staged
    files are removed in any case; those of a process that was killed go with maintenance (maintenance.py).
    """
    loading = f"loading_{table}_{uuid.uuid4().hex[:12]}"
    execute(connection, load_sql.create_loading_table(loading, columns))
    try:
        for number, group in enumerate(groups):
            stage_path = f"{loading}/{number}"
            execute(connection, load_sql.put(group.paths[0].parent, stage_path))
            execute(connection, load_sql.copy(loading, columns, group.columns, stage_path))
    except Exception:
        # COPY removes what it has read; a load that fails has files left, and this session may be gone.
        with suppress(Exception):
            execute(connection, load_sql.remove_staged(loading))
        raise
    return loading


def drop_loading_table(connection: SnowflakeConnection, loading: str) -> None:
    """After success only: it is DDL, which would commit what a failed ROLLBACK left open."""
    execute(connection, load_sql.drop_loading_table(loading))
