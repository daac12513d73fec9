"""One reconciliation of a warehouse at a time: a job and the command line take turns.

What belongs here: how long one waits for the other. What does not: the lease itself (warehouse/schema/lease.py), and what makes a
reconciliation that was overtaken all the same measure again (storage.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import ReconciliationSettings
from ecommerce_platform.warehouse.schema.lease import RECONCILIATION, LeaseBusy, leased, owner_of
from ecommerce_platform.warehouse.sql.connection import Opener


@contextmanager
def turn(
    store: Store,
    open_connection: Opener,
    run_id: str,
    limits: ReconciliationSettings,
    lease_seconds: float,
    say: Callable[[str], None],
) -> Iterator[None]:
    """Waits for other reconciliations of the warehouse, and holds the next ones off while the context lasts.

    Raises ReconciliationError when another does not end within ECOMMERCE_RECONCILIATION__WAIT_FOR_OTHER_SECONDS.
    """
    lease = leased(
        store.connection,
        open_connection,
        RECONCILIATION,
        owner_of(run_id),
        wait_seconds=limits.wait_for_other_seconds,
        lease_seconds=lease_seconds,
        say=say,
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(lease)
        except LeaseBusy as error:
            raise ReconciliationError(f"another reconciliation is at work: {error}") from error
        yield
