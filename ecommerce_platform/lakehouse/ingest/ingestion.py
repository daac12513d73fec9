"""Landing days into published days: the tables side by side, and each one's attempts until its days are through.

What belongs here: starting an ingestion, and giving it up. What does not: one attempt (attempts.py), and Dagster (assets.py).

A crash between any two steps leaves `main` and the ledger as they were, or as they must become; running again mends the rest. A
branch that a crash left behind is dropped by the next publication.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.errors import LakehouseError
from ecommerce_platform.lakehouse.ingest.attempts import Attempts
from ecommerce_platform.lakehouse.ingest.job import Ingest, TableResult
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog

#: How often a table's days are written again because `main` or the files moved meanwhile.
MAX_CONFLICTS = 5


def ingest(job: Ingest, days: Sequence[date], tables: Sequence[str] | None = None) -> dict[str, TableResult]:
    """Brings the days of these tables into Iceberg; tables side by side, all days of a table in one commit.

    Days that cannot be published are in the results' `refused`. Raises what made a whole table impossible, after the other tables
    are done.
    """
    tables = tuple(job.contracts) if tables is None else tables
    catalog = open_catalog(job.lake)
    for table in tables:
        ensure_event_table(catalog, job.lake, job.contracts[table])
    with ThreadPoolExecutor(len(tables), thread_name_prefix="ingest") as pool:
        futures = {table: pool.submit(ingest_table, job, job.contracts[table], sorted(set(days))) for table in tables}
    return {table: future.result() for table, future in futures.items()}


def ingest_table(job: Ingest, contract: Contract, days: Sequence[date]) -> TableResult:
    """All the days of one table, which is there already."""
    started = time.monotonic()
    state = Attempts(job, contract, open_catalog(job.lake), list(days))
    for _ in range(MAX_CONFLICTS + 2 * len(days)):
        if state.attempt():
            break
    else:
        raise LakehouseError(
            f"table {contract.table}: main or the landing files moved during each of {state.attempts} attempts to publish "
            f"{days[0]} to {days[-1]}; expected one quiet moment: look for another run of these days, then run again"
        )
    state.record_refusals()
    return state.result(time.monotonic() - started)
