"""Whose turn it is: a row of RAW.LEASES says which process may do a piece of work on this warehouse, wherever it runs.

What belongs here: taking a lease, keeping it, giving it back, and proving in a transaction that it is still held. What does
not: what is done under it (transformation/builds/build.py, reconciliation/reconcile.py).

A lease has an owner, a token that no other holder ever has, and an expiry by Snowflake's clock, which the holder moves on
while it works. Whoever wants it waits for a stated time. It passes to another when it was given back, when it expired, or when
its holder was a process of this machine that no longer lives. `generation` counts how often it was taken.

Nothing stops a process that slept through its expiry from going on. Therefore what it concludes is written in a transaction
that begins with `require_held`: the row's lock is taken first, then the token is read, so that no other holder can have come
between. That is the same order of statements as in a load (load_sql.take_lock).
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ecommerce_platform.warehouse.schema.ddl import LEASED_WORK, LEASES
from ecommerce_platform.warehouse.sql.connection import (
    Opener,
    WarehouseError,
    execute,
    fetch_all,
    is_transient,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: Building the dbt models (dbt_project/macros/build_lease.sql names the same row), reconciling, a larger warehouse for a batch.
MODELS, RECONCILIATION, BATCH_SIZE = LEASED_WORK

_log = logging.getLogger(__name__)
#: A holder renews its lease so many times before it would expire.
_BEATS = 4
_LOOK_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_SAY_AGAIN_SECONDS = 60.0

Say = Callable[[str], None]


class LeaseBusy(WarehouseError):
    """Somebody else holds the lease, and did not give it back within the time that the caller would wait."""


class LeaseLost(WarehouseError):
    """The lease passed to another holder while this one worked; what this one did must not be recorded."""


@dataclass(frozen=True)
class Lease:
    """A lease that this process took. `token` is its own: no other holder has it, before or after."""

    name: str
    owner: str
    token: str


@dataclass(frozen=True)
class LeaseState:
    """What the row says. `owner` and what follows are None when nobody holds the lease; times are UTC."""

    generation: int
    owner: str | None = None
    token: str | None = None
    process: str | None = None
    acquired_at: datetime | None = None
    expires_at: datetime | None = None
    expired: bool = False

    @property
    def is_free(self) -> bool:
        """Whether the lease may be taken: nobody holds it, or its holder cannot be at work."""
        return self.token is None or self.expired or is_dead(self.process)

    def __str__(self) -> str:
        if self.token is None:
            return "nobody"
        until = f"until {self.expires_at:%H:%M:%S} UTC, unless renewed"
        return f"{self.owner} since {self.acquired_at:%Y-%m-%d %H:%M:%S} UTC ({until})"


@contextmanager
def leased(
    connection: SnowflakeConnection,
    open_connection: Opener,
    name: str,
    owner: str,
    *,
    wait_seconds: float,
    lease_seconds: float,
    say: Say = _log.info,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Lease]:
    """Holds the lease `name` while the context lasts.

    `connection` takes it and gives it back; a thread keeps it over a connection of its own. Raises LeaseBusy when another
    holds it for all of `wait_seconds`.
    """
    lease = Lease(name, owner, uuid4().hex)
    _wait_for(connection, lease, wait_seconds, lease_seconds, say, pause)
    keeper = _Keeper(open_connection, lease, lease_seconds)
    keeper.start()
    try:
        yield lease
    finally:
        keeper.stop()
        _give_back(connection, open_connection, lease)


def lock(connection: SnowflakeConnection, name: str) -> None:
    """First statement of a transaction: whoever does the same waits until this one ends. Raises WarehouseError without a row."""
    if not execute(connection, f"update {LEASES} set name = name where name = %s", (name,)):
        raise WarehouseError(f"{LEASES} has no row {name!r}; expected one. Run `ecommerce-platform warehouse init`")


def require_held(connection: SnowflakeConnection, lease: Lease) -> None:
    """First statement of a transaction that only the holder may commit. Raises LeaseLost when another has taken it since."""
    lock(connection, lease.name)
    state = lease_state(connection, lease.name)
    if state.token != lease.token:
        raise LeaseLost(
            f"{lease.owner} held {LEASES} {lease.name!r} until it expired, and lost it; it is held by {state}. Nothing was "
            "recorded: run again"
        )


def lease_state(connection: SnowflakeConnection, name: str) -> LeaseState:
    """What RAW.LEASES says of the lease now. The table must be there (schema.ensure_current)."""
    rows = fetch_all(
        connection,
        f"select generation, owner, token, process, acquired_at, expires_at, expires_at < sysdate() from {LEASES} "
        "where name = %s order by generation desc nulls last",
        (name,),
    )
    if not rows:
        return LeaseState(0)
    generation, owner, token, process, acquired_at, expires_at, expired = rows[0]
    return LeaseState(int(generation or 0), owner, token, process, acquired_at, expires_at, bool(expired))


def _wait_for(
    connection: SnowflakeConnection,
    lease: Lease,
    wait_seconds: float,
    lease_seconds: float,
    say: Say,
    pause: Callable[[float], None],
) -> None:
    deadline = time.monotonic() + wait_seconds
    reported_at, looks = None, 0
    while (held_by := _take(connection, lease, lease_seconds)) is not None:
        now = time.monotonic()
        if now >= deadline:
            raise LeaseBusy(
                f"{LEASES} {lease.name!r} is held by {held_by}; {lease.owner} waited {wait_seconds:g} s for it. Let that run "
                "finish, or end it: a lease that is not renewed passes on when it expires"
            )
        if reported_at is None or now - reported_at >= _SAY_AGAIN_SECONDS:
            say(f"waiting for {LEASES} {lease.name!r}, held by {held_by}; for {deadline - now:.0f} s at most")
            reported_at = now
        pause(min(_LOOK_AGAIN_SECONDS[min(looks, len(_LOOK_AGAIN_SECONDS) - 1)], max(deadline - now, 0.01)))
        looks += 1


def _take(connection: SnowflakeConnection, lease: Lease, lease_seconds: float) -> LeaseState | None:
    """None when the lease is taken now; else who holds it."""
    # A look first: whoever waits must not hold the row's lock again and again.
    state = lease_state(connection, lease.name)
    if not state.is_free:
        return state

    def take() -> LeaseState | None:
        with transaction(connection):
            lock(connection, lease.name)
            held = lease_state(connection, lease.name)
            if held.token == lease.token:
                return None  # the reply to an earlier COMMIT was lost
            if not held.is_free:
                return held
            execute(
                connection,
                f"update {LEASES} set owner = %s, token = %s, process = %s, generation = %s, acquired_at = sysdate(), "
                "expires_at = dateadd('millisecond', %s, sysdate()) where name = %s",
                (
                    lease.owner,
                    lease.token,
                    this_process(),
                    held.generation + 1,
                    round(lease_seconds * 1000),
                    lease.name,
                ),
            )
        return None

    return with_retries(take, worth_another=is_transient)


def _renew(connection: SnowflakeConnection, lease: Lease, lease_seconds: float) -> bool:
    """Whether the lease was still this holder's, and is for `lease_seconds` more."""
    sql = f"update {LEASES} set expires_at = dateadd('millisecond', %s, sysdate()) where name = %s and token = %s"
    return execute(connection, sql, (round(lease_seconds * 1000), lease.name, lease.token)) > 0


def _give_back(connection: SnowflakeConnection, open_connection: Opener, lease: Lease) -> None:
    sql = f"update {LEASES} set owner = null, token = null, process = null, expires_at = null where name = %s and token = %s"
    try:
        with ExitStack() as stack:
            usable = stack.enter_context(open_connection()) if connection.is_closed() else connection
            with_retries(lambda: execute(usable, sql, (lease.name, lease.token)), attempts=3)
    except Exception as error:  # noqa: BLE001 - the work is done; the lease passes on by itself
        _log.warning("%s %r was not given back and passes on when it expires: %s", LEASES, lease.name, error)


class _Keeper:
    """Renews a lease in a thread until it is stopped, or until the lease is another's."""

    def __init__(self, open_connection: Opener, lease: Lease, lease_seconds: float) -> None:
        self._open, self._lease, self._seconds = open_connection, lease, lease_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{lease.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.wait(self._seconds / _BEATS):
            try:
                with self._open() as connection:
                    while _renew(connection, self._lease, self._seconds):
                        if self._stopped.wait(self._seconds / _BEATS):
                            return
                _log.error("%s %r passed to another holder: nothing of this run is recorded", LEASES, self._lease.name)
                return
            except Exception as error:  # noqa: BLE001 - the next beat tries again; the work itself proves its lease
                _log.warning("%s %r could not be renewed: %s", LEASES, self._lease.name, error)


def owner_of(run_id: str) -> str:
    """How a run is named to whoever waits for it."""
    return f"run {run_id} on {socket.gethostname()}"


def this_process(proc: Path = Path("/proc")) -> str | None:
    """The machine's boot, its namespace of process ids, and this process with its start; None where /proc is missing."""
    try:
        pid = int((proc / "self").readlink().name)
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(proc / 'self/ns/pid').readlink()} {pid} {_started(proc / str(pid))}"
    except OSError:
        return None


def is_dead(process: str | None, proc: Path = Path("/proc")) -> bool:
    """Whether a holder was a process of this machine and no longer lives. A process elsewhere may be alive."""
    here = this_process(proc)
    if not process or not here:
        return False
    *place, pid, started = process.split(" ")
    if place != here.split(" ")[:2]:
        return False
    try:
        return _started(proc / pid) != started
    except OSError:
        return True


def _started(process: Path) -> str:
    """The process's start in clock ticks since boot; `-` for one that ended and was not waited for."""
    state, *others = (process / "stat").read_text().rpartition(")")[2].split()
    return "-" if state in ("Z", "X") else others[18]
