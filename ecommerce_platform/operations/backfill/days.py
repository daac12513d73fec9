"""How far each day has come: landed, published, loaded, applied, or refused.

What belongs here: reading the records, and the verdict on a day (pure).

What does not belong here: what a backfill makes of it (plan.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import source_tables, tables_of_day
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import TableLedger, read_ledger
from ecommerce_platform.landing.emptied import past_retention
from ecommerce_platform.landing.files import LandingFile, LandingZone, list_table
from ecommerce_platform.settings import Settings, SnowflakeSettings

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


class Stage(StrEnum):
    """How far a day has come; each holds for the table that is furthest behind."""

    EMPTY = "no files, never processed"
    NEW = "landed, not published"
    CHANGED = "files changed since it was published"
    REFUSED = "refused"
    PUBLISHED = "published, not loaded"
    LOADED = "loaded, not in the marts"
    DONE = "in the marts"


@dataclass(frozen=True)
class StageRecords:
    """Each stage's records: landing files, the lakehouse's ledgers, and the batches loaded and applied, by table and day."""

    landed: Mapping[str, Mapping[date, tuple[LandingFile, ...]]] = field(default_factory=dict)
    lake: Mapping[str, TableLedger] = field(default_factory=dict)
    loaded: Mapping[tuple[str, date], str] = field(default_factory=dict)
    applied: Mapping[tuple[str, date], str] = field(default_factory=dict)
    retention_days: int | None = None


@dataclass(frozen=True)
class DayState:
    """One day as the records have it."""

    day: date
    stage: Stage
    files: int
    bytes: int
    missing_tables: tuple[str, ...]
    refused: Mapping[str, str]
    absent: Mapping[str, int] = field(default_factory=dict)
    """Published events of the tables whose files of the day are all gone: a run refuses the day."""


def read_stage_records(settings: Settings, first: date, last: date) -> StageRecords:
    """One look. Raises LandingError when the landing zone cannot be listed."""
    from ecommerce_platform.warehouse.sql.connection import connect

    zone = LandingZone.of(settings)
    landed = {table: list_table(zone, table, first, last).days for table in source_tables()}
    with connect(settings) as connection:
        loaded, applied = _batches(connection, settings.snowflake)
    return StageRecords(landed, read_ledger(Lake.of(settings)), loaded, applied, settings.landing.retention_days)


def _batches(
    connection: SnowflakeConnection, snowflake: SnowflakeSettings
) -> tuple[dict[tuple[str, date], str], dict[tuple[str, date], str]]:
    from ecommerce_platform.warehouse.schema.ddl import APPLIED_DAYS, LOAD_LEDGER
    from ecommerce_platform.warehouse.sql.presence import rows_or_none

    batches = []
    for table in (LOAD_LEDGER, APPLIED_DAYS):
        # None: nothing was ever loaded, so the table does not exist yet.
        rows = rows_or_none(connection, snowflake, table, f"select table_name, date, batch_id from {table}") or []
        batches.append({(str(name), day): str(batch) for name, day, batch in rows})
    return batches[0], batches[1]


def states(stages: StageRecords, days: Sequence[date]) -> tuple[DayState, ...]:
    """The state of each of the days."""
    return tuple(_state(stages, day) for day in days)


def _state(stages: StageRecords, day: date) -> DayState:
    files = {table: stages.landed.get(table, {}).get(day, ()) for table in tables_of_day(day)}
    refused = {
        table: ledger.refused[day].reason for table, ledger in sorted(stages.lake.items()) if day in ledger.refused
    }
    landed = [table for table in files if files[table]]
    return DayState(
        day,
        Stage.REFUSED if refused else _stage(stages, day, files),
        sum(len(listed) for listed in files.values()),
        sum(file.size for listed in files.values() for file in listed),
        tuple(table for table in files if landed and table not in landed),
        refused,
        _absent(stages, day, files),
    )


def _absent(stages: StageRecords, day: date, files: Mapping[str, tuple[LandingFile, ...]]) -> dict[str, int]:
    published = {
        table: stages.lake[table].published[day].published
        for table in files
        if not files[table] and table in stages.lake and day in stages.lake[table].published
    }
    return {table: events for table, events in published.items() if events and not _is_retained(stages, table, day)}


def _is_retained(stages: StageRecords, table: str, day: date) -> bool:
    """Whether landing need not keep the table's files of the day any more."""
    return past_retention(stages.lake[table].published, stages.retention_days)(day)


def _stage(stages: StageRecords, day: date, files: Mapping[str, tuple[LandingFile, ...]]) -> Stage:
    records = {table: stages.lake[table].published.get(day) if table in stages.lake else None for table in files}
    if any(record is None for record in records.values()):
        return Stage.NEW if any(files.values()) else Stage.EMPTY
    for table, record in records.items():
        # By number and size of the files: reading them is the run's work. What this overlooks, the run finds by content.
        if record and not files[table] and _is_retained(stages, table, day):
            continue  # what is published stays
        if record and (record.files, record.bytes) != (len(files[table]), sum(file.size for file in files[table])):
            return Stage.CHANGED
    batches = {table: f"{table}-{day}-{record.content_id}" for table, record in records.items() if record}
    if any(stages.loaded.get((table, day)) != batch for table, batch in batches.items()):
        return Stage.PUBLISHED
    if any(stages.applied.get((table, day)) != batch for table, batch in batches.items()):
        return Stage.LOADED
    return Stage.DONE
