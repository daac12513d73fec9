"""Versions of the platform's own tables in Snowflake, and the steps from one version to the next.

What belongs here: what a set of tables must say of itself (SchemaVersion), and bringing an older set to the newest version.
What does not: the tables' DDL (each room has its own) and columns that follow a contract (upgrade.py).

A room declares its set once and calls `ensure_version` before it reads or writes:

    VERSION = SchemaVersion(
        "reconciliation",
        version_table="RECONCILIATION.SCHEMA_VERSION",
        first_table="RECONCILIATION.RUNS",
        migrations=(
            Migration(1, "the first version"),
            Migration(2, "findings say who closed them", (
                "alter table RECONCILIATION.FINDINGS add column if not exists closed_by string",
            )),
        ),
    )
    ensure_version(connection, VERSION, create=statements_that_create_what_is_missing)

In Snowflake every DDL commits, so a migration cannot be one transaction. Instead each of its statements must be safe to run
again on its own result (`if not exists`, `where … is null`), and the version is written after its last one: a migration that
broke off anywhere is run again from its first statement, by whoever comes next. Two at once do the same work twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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


@dataclass(frozen=True)
class Migration:
    """The step to `version` from the one before it. Every statement must be safe to run twice.

    A step without statements says that creating what is missing is all that the version needs.
    """

    version: int
    description: str
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class SchemaVersion:
    """A set of tables with one version.

    `version_table` holds it: columns version, fingerprint, applied_at, one row. `first_table` is a table that version 1 had;
    where it is there and no version is written, the set is of version 1.
    """

    name: str
    version_table: str
    first_table: str
    migrations: tuple[Migration, ...]

    def __post_init__(self) -> None:
        versions = [migration.version for migration in self.migrations]
        if versions != list(range(1, len(versions) + 1)):
            raise ValueError(f"migrations of {self.name} have versions {versions}; expected 1, 2, 3, … without a gap")

    @property
    def newest(self) -> int:
        return len(self.migrations)


@dataclass(frozen=True)
class StoredVersion:
    """What the database says of a set: its version, and a digest of the definitions that it was made from."""

    version: int
    fingerprint: str | None


def create_version_table(of: SchemaVersion) -> str:
    """DDL of the table that holds the version."""
    return (
        f"create table if not exists {of.version_table} (version number, fingerprint string, applied_at timestamp_ntz)\n"
        "comment = 'One row: the version of the tables beside it, and a digest of the definitions behind them.'"
    )


def fingerprint(create: Sequence[str]) -> str:
    """Digest of definitions: changes when one of them does."""
    return hashlib.sha256("\n".join(create).encode()).hexdigest()[:16]


def stored_version(connection: SnowflakeConnection, of: SchemaVersion) -> StoredVersion | None:
    """What is there: None when the set is not there at all. One query where a version is written."""
    written = _rows_or_none(
        connection, f"select version, fingerprint from {of.version_table} order by applied_at desc limit 1"
    )
    if written:
        return StoredVersion(int(str(written[0][0])), str(written[0][1]))
    if _rows_or_none(connection, f"select 1 from {of.first_table} limit 1") is not None:
        return StoredVersion(1, None)
    return None


def refuse_newer(stored: StoredVersion | None, of: SchemaVersion) -> None:
    """Raises WarehouseError when the tables are of a version that this release does not know."""
    if stored and stored.version > of.newest:
        raise WarehouseError(
            f"{of.version_table} says version {stored.version} of {of.name}, and this release knows {of.newest}: the tables "
            "were made by a newer release; use that one"
        )


def ensure_version(connection: SnowflakeConnection, of: SchemaVersion, create: Sequence[str]) -> list[str]:
    """Brings the set to its newest version; one query when it is there already. Returns what was done, one line each.

    `create` makes what is missing and changes nothing that is there. All of it is DDL: never call this in a transaction.
    Raises WarehouseError when a newer release made the tables.
    """
    stored = stored_version(connection, of)
    refuse_newer(stored, of)
    if stored == StoredVersion(of.newest, fingerprint(create)):
        return []
    done = []
    for statement in (*create, create_version_table(of)):
        execute(connection, statement)
        done.append(statement.splitlines()[0].rstrip(" ("))
    done += migrate(connection, of, stored)
    record_version(connection, of, of.newest, fingerprint(create))
    return done


def migrate(connection: SnowflakeConnection, of: SchemaVersion, stored: StoredVersion | None) -> list[str]:
    """Runs the steps that an older set lacks, in order; a new set needs none. The version table must be there."""
    done = []
    for migration in of.migrations:
        if stored is None or migration.version <= stored.version:
            continue
        for statement in migration.statements:
            execute(connection, statement)
        record_version(connection, of, migration.version, None)
        done.append(f"{of.name}: migration {migration.version}: {migration.description}")
    return done


def record_version(connection: SnowflakeConnection, of: SchemaVersion, version: int, digest: str | None) -> None:
    """Writes the version, unless a newer release has been here meanwhile (WarehouseError)."""

    def write() -> None:
        with transaction(connection):
            rows = fetch_all(connection, f"select max(version) from {of.version_table}")
            if rows and rows[0][0] is not None:
                refuse_newer(StoredVersion(int(rows[0][0]), None), of)
            execute(connection, f"delete from {of.version_table}")
            execute(
                connection,
                f"insert into {of.version_table} (version, fingerprint, applied_at) values (%s, %s, %s)",
                (version, digest, datetime.now(UTC).replace(tzinfo=None)),
            )

    with_retries(write, worth_another=is_conflict)


def _rows_or_none(connection: SnowflakeConnection, sql: str) -> list[tuple[object, ...]] | None:
    """None when the table is not there."""
    from snowflake.connector.errors import ProgrammingError

    try:
        return fetch_all(connection, sql)
    except ProgrammingError as error:
        if is_missing_object(error):
            return None
        raise
