"""The day ledger: which day of which table is published, at which snapshot, with which content and counts.

What belongs here: the ledger's records, reading them, and how they are written into a commit. What does not: deciding what is
published (audit.py) and doing it (publish.py).

The ledger lives in the properties of the event table itself, one property a month (`ecommerce.days.2026-01`), and is changed
by the same commit that moves `main`: no crash falls between a publication and its record, every catalog type has it, and it
is read without a JVM by loading the table's metadata. The commit requires that `main` has not moved, which is what keeps two
writers from losing each other's records. A refused day has a property of its own (`ecommerce.refused.2026-01-05`).

`ecommerce.ledger-version` says how the records are written. A release reads older versions and refuses newer ones by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pyiceberg.table import Table

from ecommerce_platform.contracts import source_tables, tables_of_day
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.errors import LakehouseError

#: How records are written. A change that an older release would misread raises it, and `_parsed` learns to read both.
#: Version 2: events that are gone, and their withdrawal. Version 3: columns that were withheld. Version 4: checksums.
LEDGER_VERSION = 4
VERSION_PROPERTY = "ecommerce.ledger-version"
_DAYS = "ecommerce.days."
_REFUSED = "ecommerce.refused."
#: The name that lakes of every release have for `DayRecord.by_hand`.
_STORED_BY_HAND = "override"


@dataclass(frozen=True)
class PublicationByHand:
    """A person's decision to publish a day that the audit had refused; it belongs to the day's content id.

    `withdrawn` counts the published events that the decision gave up.
    """

    reason: str
    by: str
    at: str
    audited_snapshot_id: int
    refusal: str
    withdrawn: int = 0


@dataclass(frozen=True)
class DayRecord:
    """A published day. `snapshot_id` is the snapshot that published it; later ones hold the same rows for the day.

    `checksum` is the hash of its rows (row_hash.py), decimal digits; None where an earlier release published the day, where
    it was one of many in a commit, or where an erasure has changed rows of it since.
    """

    table: str
    day: date
    snapshot_id: int
    content_id: str
    landed: int
    published: int
    quarantined: int
    duplicates: int
    files: int
    bytes: int
    run_id: str
    by_hand: PublicationByHand | None = None
    #: Columns of its files that no contract names and production did not add.
    withheld: tuple[str, ...] | None = None
    checksum: str | None = None

    @property
    def conserved(self) -> bool:
        """Nothing was lost and nothing was made up."""
        return self.landed == self.published + self.quarantined + self.duplicates


@dataclass(frozen=True)
class AuditedCounts:
    """What the audit measured of a day that it refused; `files` and `bytes` are those that landed, `gone` counts published
    events that the day's files lack; `checksum` is as of a published day.
    """

    landed: int
    published: int
    quarantined: int
    duplicates: int
    null_keys: int
    null_metadata: int
    files: int
    bytes: int
    gone: int = 0
    checksum: str | None = None


@dataclass(frozen=True)
class RefusedDay:
    """A day that was not published. What was published of it before stays. `branch` holds what was written, if anything was;
    `audited` what was measured there, None where nothing could be written.
    """

    table: str
    day: date
    reason: str
    content_id: str
    branch: str
    run_id: str
    audited: AuditedCounts | None = None


@dataclass(frozen=True)
class TableLedger:
    """What the ledger says of one table, from one state of its metadata."""

    published: Mapping[date, DayRecord]
    refused: Mapping[date, RefusedDay]

    def knows(self, content_id: str) -> bool:
        """Whether some day has this content, published or refused."""
        days: tuple[DayRecord | RefusedDay, ...] = (*self.published.values(), *self.refused.values())
        return any(day.content_id == content_id for day in days)


EMPTY = TableLedger({}, {})


def read_table_ledger(table: str, iceberg: Table) -> TableLedger:
    """The ledger of a loaded table: it and the table's snapshots are of the same moment."""
    _refuse_newer(table, iceberg.properties.get(VERSION_PROPERTY, str(LEDGER_VERSION)))
    published: dict[date, DayRecord] = {}
    refused: dict[date, RefusedDay] = {}
    for name, value in iceberg.properties.items():
        if name.startswith(_DAYS):
            month = name.removeprefix(_DAYS)
            for day, fields in _parsed(table, name, value).items():
                day_of_property = date.fromisoformat(f"{month}-{day}")
                published[day_of_property] = _record(table, day_of_property, fields)
        elif name.startswith(_REFUSED):
            day_of_property = date.fromisoformat(name.removeprefix(_REFUSED))
            refused[day_of_property] = _refused(table, day_of_property, _parsed(table, name, value))
    return TableLedger(dict(sorted(published.items())), dict(sorted(refused.items())))


def _record(table: str, day: date, fields: Mapping[str, Any]) -> DayRecord:
    by_hand, withheld = fields.get(_STORED_BY_HAND), fields.get("withheld")
    read = {
        "by_hand": PublicationByHand(**by_hand) if by_hand else None,
        "withheld": tuple(withheld) if withheld else None,
    }
    rest = {name: value for name, value in fields.items() if name != _STORED_BY_HAND}
    return DayRecord(**{**rest, **read, "table": table, "day": day})


def _refused(table: str, day: date, fields: Mapping[str, Any]) -> RefusedDay:
    audited = fields.get("audited")
    counts = AuditedCounts(**audited) if audited else None
    return RefusedDay(**{**fields, "table": table, "day": day, "audited": counts})


def _refuse_newer(table: str, version: str) -> None:
    if not version.isdigit() or int(version) > LEDGER_VERSION:
        raise LakehouseError(
            f"property {VERSION_PROPERTY} of Iceberg table {table} says {version}, and this release knows {LEDGER_VERSION}: the "
            "day ledger was written by a newer release; use that one"
        )


def _parsed(table: str, name: str, value: str) -> dict[str, Any]:
    try:
        return dict(json.loads(value))
    except (ValueError, TypeError) as error:
        raise LakehouseError(
            f"property {name} of Iceberg table {table} is not a ledger ({error}); it was changed by hand: restore it from an "
            "earlier metadata file of the table"
        ) from error


def published_properties(ledger: TableLedger, records: Iterable[DayRecord]) -> dict[str, str]:
    """The properties to set so that `records` are in the ledger beside what it holds."""
    new = {record.day: record for record in records}
    merged = {**ledger.published, **new}
    months = sorted({f"{day:%Y-%m}" for day in new})
    return {VERSION_PROPERTY: str(LEDGER_VERSION)} | {
        f"{_DAYS}{month}": _json(
            {f"{day:%d}": _fields(record) for day, record in sorted(merged.items()) if f"{day:%Y-%m}" == month}
        )
        for month in months
    }


def refused_property(refused: RefusedDay) -> tuple[str, str]:
    """The property that records the refusal: name and value."""
    return refused_property_name(refused.day), _json(_fields(refused))


def refused_properties(refusals: Iterable[RefusedDay]) -> dict[str, str]:
    """The properties to set so that the refusals are in the ledger."""
    return {VERSION_PROPERTY: str(LEDGER_VERSION)} | dict(map(refused_property, refusals))


def refused_property_name(day: date) -> str:
    return f"{_REFUSED}{day.isoformat()}"


def named_as_stored(record: DayRecord | RefusedDay) -> dict[str, Any]:
    """The record's fields by the names that the tables' properties have, and whatever prints a record."""
    return {_STORED_BY_HAND if name == "by_hand" else name: value for name, value in asdict(record).items()}


def _fields(record: DayRecord | RefusedDay) -> dict[str, Any]:
    # Absent values are left out: most days were not published by hand, and a month's property stays small.
    return {
        name: value
        for name, value in named_as_stored(record).items()
        if name not in ("table", "day") and value is not None
    }


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def event_tables(lake: Lake) -> dict[str, Table]:
    """The source tables' event tables that exist, as the catalog has them now."""
    opened = {table: lake.find(lake.events(table)) for table in source_tables()}
    return {table: iceberg for table, iceberg in opened.items() if iceberg is not None}


def read_ledger(lake: Lake, tables: Iterable[str] | None = None) -> dict[str, TableLedger]:
    """The ledger of each table, by default of all; empty for one that does not exist yet. Reads metadata only, no JVM."""
    ledgers = {}
    for table in source_tables() if tables is None else tables:
        iceberg = lake.find(lake.events(table))
        ledgers[table] = read_table_ledger(table, iceberg) if iceberg is not None else EMPTY
    return ledgers


def published_days(lake: Lake) -> dict[str, dict[date, DayRecord]]:
    """The published days of each source table."""
    return {table: dict(ledger.published) for table, ledger in read_ledger(lake).items()}


def published_events(lake: Lake) -> dict[str, dict[date, int]]:
    """How many events of each published day each source table has."""
    return {
        table: {day: record.published for day, record in days.items()} for table, days in published_days(lake).items()
    }


def refused_days(lake: Lake) -> dict[str, dict[date, RefusedDay]]:
    """The days of each source table whose newest content was refused."""
    return {table: dict(ledger.refused) for table, ledger in read_ledger(lake).items()}


def complete_days(lake: Lake) -> tuple[date, ...]:
    """The days that all tables have published which the day needs, in order: what may be joined downstream."""
    return complete(published_days(lake))


def complete(published: Mapping[str, Mapping[date, DayRecord]]) -> tuple[date, ...]:
    """Pure part of `complete_days`."""
    days = {day for of_table in published.values() for day in of_table}
    return tuple(sorted(day for day in days if all(day in published.get(table, {}) for table in tables_of_day(day))))
