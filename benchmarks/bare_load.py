"""PUT and COPY of an Iceberg table's files, and nothing more: what the platform's load is measured beside."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyiceberg.table import Table
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import Column
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.lake_files import LakeFile, collect
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.sql.connection import execute


def put_and_copy(
    connection: SnowflakeConnection,
    table: Table,
    files: Sequence[LakeFile],
    target: str,
    columns: tuple[Column, ...],
    stamps: Mapping[str, str] | None = None,
) -> None:
    """`files` of `table` into the quoted table `target`; `stamps` are further columns, each with the SQL value of all rows."""
    stamps = stamps or {}
    names = ddl.names_of(columns)
    with tempfile.TemporaryDirectory() as folder:
        for number, group in enumerate(collect(table, files, Path(folder))):
            stage_path = f"bare-{time.monotonic_ns()}-{number}"
            execute(connection, load_sql.put(group.paths[0].parent, stage_path))
            copy = load_sql.copy("target", columns, group.columns, stage_path).replace('"TARGET"', target, 1)
            if stamps:
                copy = copy.replace(f"({names})", f"({names}, {', '.join(stamps)})", 1)
                copy = copy.replace(" from @", f", {', '.join(stamps.values())} from @", 1)
            execute(connection, copy)
