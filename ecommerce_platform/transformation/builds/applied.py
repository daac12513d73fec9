"""Which landing days the models hold, and what follows from that for the next run.

What belongs here: reading and writing that state. What does not: dbt (runner.py).

A run freezes what it applies in STAGING.BASE_LANDING_DAYS when it starts. Only after all models were built does it become
STAGING.APPLIED_DAYS; a run that broke off, or that built some of the models, changes no state, and the next run computes the
same keys again from their events. A run marks what it froze itself, under the lease that it froze it by, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import source_tables, tables_of_day
from ecommerce_platform.warehouse.schema.ddl import APPLIED_DAYS, LOAD_LEDGER, superseded_table
from ecommerce_platform.warehouse.schema.lease import Lease, require_held
from ecommerce_platform.warehouse.sql.connection import (
    WarehouseError,
    execute,
    fetch_all,
    is_conflict,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

DEFINITION_TABLE = "STAGING.APPLIED_DEFINITION"
#: What the last build of the models froze: it has applied it when it has ended.
FROZEN_DAYS = "STAGING.BASE_LANDING_DAYS"


class FreezeReplaced(WarehouseError):
    """Days, replaced loads or changed keys are not those that this run froze; nothing was marked as applied."""


@dataclass(frozen=True)
class BuildState:
    """What the last finished run left: its definition digest, and per table and day the batch that it applied."""

    definition: str | None
    applied: frozenset[tuple[str, date, str]]
    loaded: frozenset[tuple[str, date, str]]

    @property
    def complete_days(self) -> tuple[date, ...]:
        """Days that all source tables have loaded which the day needs."""
        tables: dict[date, set[str]] = {}
        for table, day, _ in self.loaded:
            tables.setdefault(day, set()).add(table)
        return tuple(sorted(day for day, names in tables.items() if names >= set(tables_of_day(day))))


def full_refresh_reason(state: BuildState, definition: str) -> str | None:
    """Why everything must be computed again, or None when the changed keys are enough."""
    if not state.applied:
        return "no day is applied yet"
    if state.definition != definition:
        return "models or thresholds changed since the last run"
    complete = set(state.complete_days)
    gone = sorted({day for _, day, _ in state.applied} - complete)
    if gone:
        return f"days that were applied are no longer loaded: {', '.join(map(str, gone[:5]))}"
    return None


def read_build_state(connection: SnowflakeConnection) -> BuildState:
    """The state as it is now; makes its table when it is missing."""
    execute(
        connection,
        f"create table if not exists {DEFINITION_TABLE} (definition string, applied_at timestamp_ntz)",
    )
    definition = fetch_all(connection, f"select definition from {DEFINITION_TABLE}")
    return BuildState(
        str(definition[0][0]) if definition else None,
        loads_in(connection, APPLIED_DAYS),
        loads_in(connection, LOAD_LEDGER),
    )


def loads_in(connection: SnowflakeConnection, table: str) -> frozenset[tuple[str, date, str]]:
    """Source table, day and batch of each row of a table of loads."""
    rows = fetch_all(connection, f"select table_name, date, batch_id from {table}")
    return frozenset((name, day, batch) for name, day, batch in rows if name in source_tables())


def mark_applied(connection: SnowflakeConnection, definition: str, lease: Lease) -> None:
    """After all models were built: what the run froze is applied, and what it knew as superseded is done with.

    One transaction. A superseded load whose content is current again (a day loaded as A, B and A) is kept if its day was
    loaded again while dbt ran: then its rows show the next run which keys that day lost.

    Raises LeaseLost when another build took the lease of the models meanwhile, FreezeReplaced when the frozen days are not
    this build's.
    """
    with_retries(lambda: _mark(connection, definition, lease), worth_another=is_conflict)


def _mark(connection: SnowflakeConnection, definition: str, lease: Lease) -> None:
    with transaction(connection):
        require_held(connection, lease)
        _require_own_freeze(connection, lease)
        execute(connection, f"delete from {APPLIED_DAYS}")
        execute(
            connection,
            f"insert into {APPLIED_DAYS} (table_name, date, batch_id, applied_at) "
            "select table_name, date, batch_id, sysdate() from STAGING.BASE_LANDING_DAYS",
        )
        for table in source_tables():
            execute(
                connection,
                f"""
                delete from {superseded_table(table)}
                where batch_id in (
                    select frozen.batch_id
                    from STAGING.BASE_SUPERSEDED_BATCHES as frozen
                    where frozen.table_name = %s
                )
                and batch_id not in (
                    select days.batch_id
                    from STAGING.BASE_LANDING_DAYS as days
                    left join {LOAD_LEDGER} as ledger
                        on days.table_name = ledger.table_name
                        and days.date = ledger.date
                        and days.batch_id = ledger.batch_id
                    where days.table_name = %s and ledger.batch_id is null
                )
                """,
                (table, table),
            )
        execute(connection, f"delete from {DEFINITION_TABLE}")
        execute(
            connection,
            f"insert into {DEFINITION_TABLE} (definition, applied_at) select %s, sysdate()",
            (definition,),
        )


def _require_own_freeze(connection: SnowflakeConnection, lease: Lease) -> None:
    """What the build read of days, replaced loads and changed keys is what it wrote itself.

    A process that slept through its lease between the question for it and a statement still runs that statement: it may replace
    one of these tables while the next build is at work.
    """
    rows = fetch_all(
        connection,
        "select count(*), min(date), max(date) from STAGING.BASE_LANDING_DAYS where frozen_by is distinct from %s",
        (lease.token,),
    )
    count, first, last = rows[0]
    if count:
        raise _replaced("BASE_LANDING_DAYS", f"has {count} rows (days {first} to {last})", lease)
    superseded = "select count(*) from STAGING.BASE_SUPERSEDED_BATCHES where frozen_by is distinct from %s"
    ((count,),) = fetch_all(connection, superseded, (lease.token,))
    if count:
        raise _replaced("BASE_SUPERSEDED_BATCHES", f"has {count} rows", lease)
    stamps = fetch_all(connection, "select entity from STAGING.BASE_CHANGED_KEYS where entity like 'frozen by %'")
    if stamps != [(f"frozen by {lease.token}",)]:
        raise _replaced("BASE_CHANGED_KEYS", "has keys", lease)


def _replaced(table: str, what: str, lease: Lease) -> FreezeReplaced:
    return FreezeReplaced(
        f"STAGING.{table} {what} that {lease.owner} did not freeze: something wrote it without the lease of the models, such as "
        "dbt of an older release, or a build that woke up after it had lost its turn. No day was marked as applied; end that "
        "run, then build all models again"
    )
