"""Which lake fills a Snowflake database: the id of its installation, in RAW.INSTALLATION.

What belongs here: recording it, comparing it, and giving the database to another lake. What does not: the id itself, which
lies in the lake (iceberg/installation.py).

Two lakes that load one database replace each other's days silently: their loads are sound, each by its own ledger. So
whoever loads proves that the lake is the one that has loaded before. Who only builds models reads what is there, and proves
nothing: several builders of one warehouse are meant to be possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ecommerce_platform.iceberg.installation import Marker
from ecommerce_platform.warehouse.schema.ddl import INSTALLATION
from ecommerce_platform.warehouse.sql.connection import (
    WarehouseError,
    execute,
    fetch_all,
    is_conflict,
    is_missing_object,
    transaction,
    with_retries,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


class ForeignLakeError(WarehouseError):
    """The database holds the days of another installation's lake."""


def require_own_lake(connection: SnowflakeConnection, marker: Marker | None, database: str) -> None:
    """Before RAW or Spark's copies are written: raises ForeignLakeError when another lake fills this database.

    The first lake that loads leaves its id. A lake that got a new one since (`lakehouse register`) is known by its earlier
    ones. A lake without an id (a REST catalog that keeps none, or nothing published yet) is not asked.
    """
    if marker is None:
        return
    recorded = _recorded(connection)
    if recorded is None or recorded[0] in marker.previous:
        expected = recorded[0] if recorded else None
        _record(connection, marker, lambda now: now == expected)
        recorded = _recorded(connection)
    if recorded is None or recorded[0] != marker.id:
        raise ForeignLakeError(_foreign(database, marker, recorded))


def refuse_foreign_lake(connection: SnowflakeConnection, marker: Marker | None, database: str) -> None:
    """The same question by somebody who loads nothing: records nothing, and a database without tables has no owner."""
    from snowflake.connector.errors import ProgrammingError

    try:
        recorded = _recorded(connection)
    except ProgrammingError as error:
        if is_missing_object(error):
            return
        raise
    if marker and recorded and recorded[0] not in (marker.id, *marker.previous):
        raise ForeignLakeError(_foreign(database, marker, recorded))


def take_over(connection: SnowflakeConnection, marker: Marker | None, database: str) -> str:
    """Gives the database to this installation's lake, whoever filled it before. Returns one line.

    Raises WarehouseError where the lake has no id yet.
    """
    if marker is None:
        raise WarehouseError(
            "this installation's lake has no id yet, which its first ingestion makes; materialize a day of iceberg/users, then "
            "run it again"
        )
    _record(connection, marker, lambda now: True)
    return f"{database} is filled by the lake of the catalog {marker.catalog} from now on"


def _recorded(connection: SnowflakeConnection) -> tuple[str, str] | None:
    rows = fetch_all(connection, f"select installation_id, catalog from {INSTALLATION} order by recorded_at limit 1")
    return (str(rows[0][0]), str(rows[0][1])) if rows else None


def _record(connection: SnowflakeConnection, marker: Marker, may_replace: Callable[[str | None], bool]) -> None:
    """The lake's id instead of the one that is recorded, or instead of none, where it may replace that one.

    A transaction in the way is waited for: a killed process's session ends only when the server notices.
    """

    def record() -> None:
        with transaction(connection):
            # Its lock row first: of two lakes that are the first at once, the second sees what the first has written.
            execute(connection, "update RAW.LOAD_LOCK set table_name = table_name where table_name = 'users'")
            recorded = _recorded(connection)
            if not may_replace(recorded[0] if recorded else None):
                return
            execute(connection, f"delete from {INSTALLATION}")
            execute(
                connection,
                f"insert into {INSTALLATION} (installation_id, catalog, recorded_at) select %s, %s, sysdate()",
                (marker.id, marker.catalog),
            )

    with_retries(record, worth_another=is_conflict)


def _foreign(database: str, marker: Marker, recorded: tuple[str, str] | None) -> str:
    other = f"the lake of the catalog {recorded[1]}" if recorded else "another lake"
    return (
        f"the Snowflake database {database} is filled by {other}, and this installation's lake is that of "
        f"the catalog {marker.catalog}: loading would replace the other's days. Set ECOMMERCE_SNOWFLAKE__DATABASE to a database "
        "of your own; if the other lake is gone for good, run `ecommerce-platform warehouse init --take-over`"
    )
