"""What killed loads leave behind in Snowflake, and its removal: staged files by age, and the warehouse's batch size.

What belongs here: finding and removing it. What does not: what a load removes itself (copying.py, sizing.py), and the maintenance
of Iceberg tables (lakehouse/maintenance/work.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.sizing import restore_size, size_was_left
from ecommerce_platform.warehouse.sql.connection import Opener, execute, fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def clean_up(
    snowflake: SnowflakeSettings,
    connection: SnowflakeConnection,
    open_connection: Opener,
    run_id: str,
    dry_run: bool = False,
) -> list[str]:
    """Removes what killed loads left; one line for each thing. Safe beside loads: their files are younger, their size leased."""
    kept_for = timedelta(hours=snowflake.stage_retention_hours)
    verb = "would remove" if dry_run else "removed"
    done = []
    for path, files in left_on_stage(connection, kept_for).items():
        if not dry_run:
            execute(connection, load_sql.remove_staged(path))
        done.append(f"{verb} {files} staged files of a load that was killed: {path}")
    if dry_run and size_was_left(connection):
        done.append("would restore the warehouse's size")
    elif not dry_run and restore_size(snowflake, connection, open_connection, run_id):
        done.append(f"restored the warehouse's size to {snowflake.warehouse_size}")
    return done


def left_on_stage(connection: SnowflakeConnection, kept_for: timedelta) -> dict[str, int]:
    """Stage paths of loads whose youngest file is older than `kept_for` by Snowflake's clock, with their number of files."""
    now = fetch_all(connection, "select sysdate()")[0][0].replace(tzinfo=UTC)
    staged = staged_files(connection)
    return {path: len(staged[path]) for path in sorted(staged) if now - max(staged[path]) > kept_for}


def staged_files(connection: SnowflakeConnection) -> dict[str, list[datetime]]:
    """When each staged file was written, by load. A load removes its own: these are of killed ones, or of one at work."""
    staged: dict[str, list[datetime]] = {}
    for row in fetch_all(connection, load_sql.list_stage()):
        # `load_stage/<load>/<number>/<file>`; written at, as in HTTP.
        staged.setdefault(str(row[0]).split("/")[1], []).append(parsedate_to_datetime(str(row[3])))
    return staged
