"""Builds of the models as generators that can be stopped between any two steps: the platform's lease, memory and statements.

What belongs here: the course of a build, a load and a reconciliation, statement by statement. What does not: who runs when
(shop.py). Of dbt's models the four that decide what is applied and one on top of them are run, with the statements that dbt
compiles; dbt itself and the other models are run by the trials of whole installations (faults/).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ecommerce_platform.transformation.builds.applied import full_refresh_reason, mark_applied, read_build_state
from ecommerce_platform.transformation.builds.rebuild import _forget_applied
from ecommerce_platform.warehouse.load.rebuild import Range
from ecommerce_platform.warehouse.schema.lease import MODELS, Lease, lease_state, leased
from ecommerce_platform.warehouse.sql.connection import WarehouseError, execute, fetch_all, transaction
from ecommerce_platform_tests.interleavings.mortal import Mortal

#: In the order in which dbt builds them; all but the last are tables that every run replaces.
FREEZE = ("base_landing_days", "base_superseded_batches", "base_changed_keys")
COMPILED = (*FREEZE, "base_moved_texts", "base_orders")
DEFINITION = "the definition of these trials"
_CHANGED = "id in (select id from STAGING.BASE_CHANGED_KEYS where entity = 'orders')"


@dataclass(frozen=True)
class Compiled:
    """The models' statements as dbt compiles them: for a run over changed keys, and for one that computes everything."""

    incremental: Mapping[str, str]
    full: Mapping[str, str]


@dataclass(frozen=True)
class Build:
    """What a build is to do: the job's step, `rebuild` of everything or of some days, or dbt by hand, which marks nothing."""

    owner: str
    everything: bool = False
    days: Range | None = None
    marks: bool = True


def build(connection: Mortal, compiled: Compiled, what: Build) -> Generator[None, None, None]:
    """One build; it can be stopped, or die, at each `yield` and at each statement. Raises what the platform raises."""
    with _turn(connection, what.owner) as lease:
        yield
        if what.days is not None:
            _forget_applied(connection, what.days)  # type: ignore[arg-type]
            yield
        reason = full_refresh_reason(read_build_state(connection), DEFINITION)  # type: ignore[arg-type]
        full = what.everything or reason is not None
        for model in COMPILED:
            yield from _model(connection, compiled, lease, model, full)
        _require_token(connection, lease)
        yield
        execute(
            connection,  # type: ignore[arg-type]
            "create or replace table STAGING.ORDERS_ENHANCED as select id, status, total_amount, sysdate() as processed_at "
            "from STAGING.BASE_ORDERS",
        )
        yield
        if what.marks:
            mark_applied(connection, DEFINITION, lease)  # type: ignore[arg-type]


def _turn(connection: Mortal, owner: str) -> AbstractContextManager[Lease]:
    return leased(connection, lambda: connection, MODELS, owner, wait_seconds=0, lease_seconds=3600)  # type: ignore[arg-type, return-value]


def _model(connection: Mortal, compiled: Compiled, lease: Lease, model: str, full: bool) -> Generator[None, None, None]:
    """The statements of one model's materialization, its hooks included (dbt_project.yml, macros/materializations)."""
    connection.last_question = model
    _require_token(connection, lease)
    yield
    name = f"STAGING.{model.upper()}"
    sql = (compiled.full if full else compiled.incremental)[model]
    if model != "base_orders" or full:
        execute(connection, f"create or replace table {name} as {sql}")  # type: ignore[arg-type]
    else:
        columns = (
            "id, user_id, status, total_amount, shipping_address, created_at, updated_at, business_date, delivered_at"
        )
        with transaction(connection):  # type: ignore[arg-type]
            execute(connection, f"delete from {name} where {_CHANGED}")  # type: ignore[arg-type]
            execute(connection, f"insert into {name} ({columns}) select {columns} from ({sql})")  # type: ignore[arg-type]
    yield
    if model in ("base_landing_days", "base_superseded_batches"):
        execute(connection, f"update {name} set frozen_by = %s", (lease.token,))  # type: ignore[arg-type]
        yield
    if model == "base_changed_keys":
        execute(connection, f"insert into {name} (entity) select %s", (f"frozen by {lease.token}",))  # type: ignore[arg-type]
        yield


def _require_token(connection: Mortal, lease: Lease) -> None:
    """What the hook before each model asks."""
    if lease_state(connection, MODELS).token != lease.token:  # type: ignore[arg-type]
        raise WarehouseError("this build does not hold the lease 'models', and writes no model")


def rows_of(connection: Any, table: str) -> dict[int, tuple[Any, ...]]:
    """Orders by key."""
    return {row[0]: row[1:] for row in fetch_all(connection, f"select id, status, total_amount from {table}")}
