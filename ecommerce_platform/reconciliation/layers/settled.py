"""Does the batch layer hold still while it is read? Its state before and after, and the wait for models that are being built.

What belongs here: recognising a dbt run that rewrites what is being compared. What does not: reading orders (batch.py).

A build of the models holds a lease from its first statement to its last (warehouse/schema/lease.py). It freezes the loads that it
applies in STAGING.BASE_LANDING_DAYS, and STAGING.APPLIED_DAYS becomes equal to that when it has finished
(transformation/builds/applied.py). While somebody holds the lease the models are half new and half old; while the two tables
differ they are so because a run broke off, or built some models alone. Readings of such a state are not findings, so none are
taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from ecommerce_platform.next_commands import launch_command
from ecommerce_platform.reconciliation.layers.batch import ORDERS, BatchOrders
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.warehouse.schema.lease import MODELS, lease_state
from ecommerce_platform.warehouse.sql.connection import fetch_all, is_missing_object

FROZEN = "staging.base_landing_days"
_APPLIED = "staging.applied_days"
_DEFINITION = "staging.applied_definition"
_LOOK_AGAIN_SECONDS = 2.0
_ALL_MODELS = '+key:"marts/*"'

Load = tuple[str, date, str]


@dataclass(frozen=True)
class BatchState:
    """Which loads the models hold, which the last dbt run set out to apply, and when it and the orders were last written.

    `builds` counts the builds that ever began; `builder` is who builds now.
    """

    applied: frozenset[Load]
    frozen: frozenset[Load]
    builds: int
    builder: str | None
    finished_at: datetime | None
    orders: int
    orders_written_at: datetime | None

    @property
    def being_built(self) -> bool:
        """Whether a dbt run has begun and not finished."""
        return self.builder is not None or self.frozen != self.applied


def batch_state(batch: BatchOrders) -> BatchState:
    """The state of the batch layer now. Raises ReconciliationError when it is not there."""
    orders, written = batch.rows(f"select count(*), max(processed_at) from {ORDERS}")[0]
    lease = lease_state(batch.connection, MODELS)
    return BatchState(
        applied=_loads(batch.rows(f"select lower(table_name), date, batch_id from {_APPLIED}")),
        frozen=_loads(batch.rows(f"select lower(table_name), date, batch_id from {FROZEN}")),
        builds=lease.generation,
        builder=None if lease.is_free else str(lease),
        finished_at=_finished_at(batch),
        orders=int(orders),
        orders_written_at=written,
    )


def _loads(rows: list[tuple[str, date, str]]) -> frozenset[Load]:
    return frozenset((table, day, batch_id) for table, day, batch_id in rows)


def _finished_at(batch: BatchOrders) -> datetime | None:
    """End of the last complete dbt run; None before the first, when its table is not there yet."""
    try:
        rows = fetch_all(batch.connection, f"select max(applied_at) from {_DEFINITION}")
    except Exception as error:
        if not is_missing_object(error):
            raise
        return None
    finished_at: datetime | None = rows[0][0]
    return finished_at


def settled_state(
    batch: BatchOrders,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> BatchState:
    """The state of the batch layer once no dbt run is at work on it, waiting for up to `seconds`.

    Raises ReconciliationError when the models are still half built then, or when no day was ever applied.
    """
    deadline = clock() + seconds
    while (state := batch_state(batch)).being_built:
        if clock() >= deadline:
            if state.builder:
                raise ReconciliationError(
                    f"the models are being built by {state.builder}, still so after {seconds:g} s; expected a finished build. "
                    "Wait for that run, or raise ECOMMERCE_RECONCILIATION__WAIT_FOR_MODELS_SECONDS"
                )
            days = sorted({day for _, day, _ in state.frozen ^ state.applied})
            raise ReconciliationError(
                "the models are being built, a build of them broke off, or only some of them were built: "
                f"STAGING.BASE_LANDING_DAYS and STAGING.APPLIED_DAYS differ for {len(days)} days (first {days[0]}) after "
                f"{seconds:g} s; expected all models to be built from the same days. Wait for the run that builds them, or build "
                f"all of them: {launch_command(_ALL_MODELS)} --partition {days[0]}"
            )
        pause(_LOOK_AGAIN_SECONDS)
    if not any(table == "orders" for table, _, _ in state.applied):
        raise ReconciliationError(
            "the batch layer has applied no day of orders (STAGING.APPLIED_DAYS is empty); expected at least one. "
            "Materialize a day up to marts/daily_business_metrics first"
        )
    return state
