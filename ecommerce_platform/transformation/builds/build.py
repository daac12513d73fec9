"""One build of a warehouse's models at a time, wherever it runs: a job, the command line, a rebuild, dbt by hand.

What belongs here: who builds, and how long the next waits. What does not: the lease itself (warehouse/schema/lease.py), what a
build does (assets.py, rebuild.py), and the same lease in dbt by hand (dbt_project/macros/build_lease.sql).

A build reads what is applied, runs dbt and marks what it froze, all under one lease: what it read at the start is still so at
the end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ecommerce_platform.settings import DbtSettings, SnowflakeSettings
from ecommerce_platform.warehouse.schema.lease import MODELS, Lease, leased, owner_of
from ecommerce_platform.warehouse.sql.connection import Opener

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def exclusive_build(
    dbt: DbtSettings,
    snowflake: SnowflakeSettings,
    connection: SnowflakeConnection,
    open_connection: Opener,
    run_id: str,
    say: Callable[[str], None],
) -> AbstractContextManager[Lease]:
    """The lease of the models, held while the context lasts. RAW.LEASES must be there (schema.ensure_current).

    Raises LeaseBusy when another build holds it for longer than ECOMMERCE_DBT__WAIT_FOR_BUILD_SECONDS.
    """
    return leased(
        connection,
        open_connection,
        MODELS,
        owner_of(run_id),
        wait_seconds=dbt.wait_for_build_seconds,
        lease_seconds=snowflake.lease_seconds,
        say=say,
    )
