"""The warehouse's size: larger while days are loaded in a batch, and back afterwards, whoever was killed meanwhile.

What belongs here: when the size changes. What does not: the statement (ddl.py), the load (days.py).

A load of several days takes the lease `batch_size`, makes the warehouse larger, and gives both back. Where another batch holds
the lease, the size is as wanted and left to that one. A lease that its holder can no longer give back says that the size was left
behind: the next load of any length, and maintenance, put it right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ecommerce_platform.settings import SnowflakeSettings
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.lease import BATCH_SIZE, LeaseBusy, lease_state, leased, owner_of
from ecommerce_platform.warehouse.sql.connection import Opener, execute

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

_log = logging.getLogger(__name__)


@contextmanager
def batch_sized(
    snowflake: SnowflakeSettings, connection: SnowflakeConnection, open_connection: Opener, days: int, run_id: str
) -> Iterator[None]:
    """The warehouse at its batch size while more than one day is loaded, as the design document has it."""
    if snowflake.batch_warehouse_size == snowflake.warehouse_size:
        yield
        return
    if days < 2:
        restore_size(snowflake, connection, open_connection, run_id)
        yield
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(_size_lease(snowflake, connection, open_connection, run_id))
        except LeaseBusy:
            _log.info("another batch has set the warehouse's size, and restores it")
            yield
            return
        execute(connection, ddl.resize_warehouse(snowflake, snowflake.batch_warehouse_size))
        try:
            yield
        finally:
            execute(connection, ddl.resize_warehouse(snowflake, snowflake.warehouse_size))


def restore_size(
    snowflake: SnowflakeSettings, connection: SnowflakeConnection, open_connection: Opener, run_id: str
) -> bool:
    """Puts back the size that a killed batch left behind; whether there was one. One query when there was none."""
    if not size_was_left(connection):
        return False
    try:
        with _size_lease(snowflake, connection, open_connection, run_id):
            execute(connection, ddl.resize_warehouse(snowflake, snowflake.warehouse_size))
    except LeaseBusy:
        return False  # a batch has begun since, and restores it at its end
    return True


def size_was_left(connection: SnowflakeConnection) -> bool:
    """Whether a batch set the size and can no longer put it back."""
    state = lease_state(connection, BATCH_SIZE)
    return state.token is not None and state.is_free


@contextmanager
def _size_lease(
    snowflake: SnowflakeSettings, connection: SnowflakeConnection, open_connection: Opener, run_id: str
) -> Iterator[None]:
    with leased(
        connection,
        open_connection,
        BATCH_SIZE,
        owner_of(run_id),
        wait_seconds=0,
        lease_seconds=snowflake.lease_seconds,
        say=_log.debug,
    ):
        yield
