"""Replaced loads whose replacement no build has applied for long: removed, at the price of computing everything again.

What belongs here: finding and removing them. What does not: their ordinary end, when a build has applied the load (applied.py).

These rows show the next build which keys a day lost. So the recorded definition goes with them: the next build computes all
rows from what is loaded, and does not need these rows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.transformation.builds.applied import DEFINITION_TABLE, read_build_state
from ecommerce_platform.warehouse.schema.ddl import LOAD_LEDGER, superseded_table
from ecommerce_platform.warehouse.schema.lease import MODELS, Lease, LeaseBusy, leased, owner_of, require_held
from ecommerce_platform.warehouse.sql.connection import (
    Opener,
    execute,
    fetch_all,
    is_conflict,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def remove_superseded(
    snowflake: SnowflakeSettings,
    connection: SnowflakeConnection,
    open_connection: Opener,
    run_id: str,
    now: datetime,
    dry_run: bool = False,
) -> list[str]:
    """Removes rows of loads that were replaced more than `snowflake.superseded_retention_days` ago; one line for each table.

    Leaves them to a build that is at work.
    """
    before = (now.astimezone(UTC) - timedelta(days=snowflake.superseded_retention_days)).replace(tzinfo=None)
    due = {table: rows for table in source_tables() if (rows := _count(connection, table, before))}
    if not due or dry_run:
        return [
            f"would remove {rows} rows of {table} that were replaced before {before:%Y-%m-%d}"
            for table, rows in due.items()
        ]
    try:
        with leased(
            connection,
            open_connection,
            MODELS,
            owner_of(run_id),
            wait_seconds=0,
            lease_seconds=snowflake.lease_seconds,
            say=lambda _: None,
        ) as lease:
            read_build_state(connection)  # its table may not be there yet, and DDL would end the transaction
            with_retries(lambda: _remove(connection, lease, before), worth_another=is_conflict)
    except LeaseBusy as busy:
        return [f"rows that were replaced long ago are left to a build that is at work: {busy}"]
    return [
        f"removed {rows} rows of {table} that were replaced before {before:%Y-%m-%d}; the next build computes everything again"
        for table, rows in due.items()
    ]


def _remove(connection: SnowflakeConnection, lease: Lease, before: datetime) -> None:
    with transaction(connection):
        require_held(connection, lease)
        for table in source_tables():
            execute(connection, f"delete from {superseded_table(table)} where {_IS_DUE}", (table, before))
        execute(connection, f"delete from {DEFINITION_TABLE}")


def _count(connection: SnowflakeConnection, table: str, before: datetime) -> int:
    sql = f"select count(*) from {superseded_table(table)} where {_IS_DUE}"
    return int(fetch_all(connection, sql, (table, before))[0][0])


#: Replaced when the load that took the place came. Days without any load are left alone: a rebuild brings them back.
_IS_DUE = (
    f"date in (select ledger.date from {LOAD_LEDGER} as ledger where ledger.table_name = %s and ledger.loaded_at < %s)"
)
