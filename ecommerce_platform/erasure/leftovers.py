"""What is left of a person outside every table: staged files, scratch, and the sample shop's files.

What belongs here: finding and removing it. What does not: rows of tables.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ecommerce_platform.erasure.parquet import Change, count_rows, rewrite
from ecommerce_platform.warehouse.load.load_sql import remove_staged
from ecommerce_platform.warehouse.load.maintenance import staged_files
from ecommerce_platform.warehouse.sql.connection import execute

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def staged(connection: SnowflakeConnection) -> dict[str, int]:
    """Files on the load stage, by load."""
    return {path: len(files) for path, files in staged_files(connection).items()}


def remove_all_staged(connection: SnowflakeConnection) -> int:
    """Removes them; a load at work fails, and is tried again."""
    loads = staged(connection)
    for path in loads:
        execute(connection, remove_staged(path))
    return sum(loads.values())


def sample_files(folder: Path, change: Change) -> list[tuple[Path, int]]:
    """Files of the sample shop's speed layer, below its folder, that hold the person, with their rows."""
    files = [(path, count_rows(path, change)) for path in sorted(folder.rglob("*.parquet"))]
    return [(path, rows) for path, rows in files if rows]


def rewrite_sample(folder: Path, change: Change) -> None:
    for path, _ in sample_files(folder, change):
        draft = path.with_name(f".{path.name}.forget")
        rewrite(path, draft, change)
        draft.replace(path)


def scratch_folders(scratch_uri: str) -> list[Path]:
    """Folders with copies of the lake's files that killed loads left on this machine."""
    if "://" in scratch_uri:
        return []
    return sorted(path for path in (Path(scratch_uri) / "warehouse").glob("load-*") if path.is_dir())


def remove_scratch(scratch_uri: str) -> int:
    folders = scratch_folders(scratch_uri)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)
