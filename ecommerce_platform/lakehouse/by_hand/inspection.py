"""What people look at: rows in quarantine, and what landing files have that the contract lacks.

What belongs here: reading, without Spark. What does not: changing anything (ingest/, days/), refused days (refused.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyiceberg.expressions import In

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival, Intake, scan
from ecommerce_platform.lakehouse.days.absence import Gone, absence_reason
from ecommerce_platform.lakehouse.days.ledger import TableLedger, read_ledger
from ecommerce_platform.lakehouse.decode.evolution import merged
from ecommerce_platform.lakehouse.decode.plans import event_columns
from ecommerce_platform.lakehouse.decode.schemas import schema_problem
from ecommerce_platform.lakehouse.errors import DayRefusedError
from ecommerce_platform.lakehouse.ingest.tables import with_extra_columns
from ecommerce_platform.landing.emptied import past_retention
from ecommerce_platform.landing.files import list_days
from ecommerce_platform.landing.unread import unread


@dataclass(frozen=True)
class QuarantineCount:
    """Rows in quarantine of one table and day, by reason and column."""

    table: str
    day: date
    reason: str
    column: str
    rows: int


@dataclass(frozen=True)
class QuarantinedRow:
    """One row that could not be true as an event, with its original values as JSON text."""

    table: str
    day: date
    file: str
    row: int
    reason: str
    column: str
    detail: str
    original_values: str


@dataclass(frozen=True)
class ContractDifference:
    """How the landing files of a table differ from its contract on some days.

    `kind` is "unknown column" (in files, not in the contract), "ignored column" (dropped, as the contract says), "missing column"
    (in the contract, in none of a file), "epoch unit" (what a timestamp's whole numbers count, as the files show), "refused"
    (the day cannot be taken; `found` says why), or "not read" (something in the table's folder that belongs to no partition).
    """

    table: str
    kind: str
    column: str
    found: str
    days: tuple[date, ...]
    files: int


def quarantined_rows(lake: Lake, tables: Iterable[str], days: Sequence[date] = ()) -> list[QuarantinedRow]:
    """Rows in quarantine of the content that each day has now, published or refused; all days when `days` is empty."""
    ledgers = read_ledger(lake, tables)
    rows = []
    for table, ledger in ledgers.items():
        contents = _contents(ledger, days)
        if contents:
            rows += [_row(table, item) for item in _scan(lake, table, contents)]
    return sorted(rows, key=lambda row: (row.table, row.day, row.file, row.row))


def count_quarantined(rows: Iterable[QuarantinedRow]) -> list[QuarantineCount]:
    """The rows by table, day, reason and column."""
    counts = Counter((row.table, row.day, row.reason, row.column) for row in rows)
    return [QuarantineCount(*key, rows=count) for key, count in sorted(counts.items())]


def quarantined_of(lake: Lake, table: str, content_id: str) -> list[QuarantinedRow]:
    """The rows in quarantine of one content of a day."""
    rows = [_row(table, item) for item in _scan(lake, table, [content_id])] if content_id else []
    return sorted(rows, key=lambda row: (row.file, row.row))


def contract_differences(
    lake: Lake, intake: Intake, contract: Contract, partitions: tuple[date, date], days: Sequence[date] = ()
) -> list[ContractDifference]:
    """What the landing files of the table have and the contract has not, and the other way round; reads footers only.
    `partitions` are the first and the last day that there can be.
    """
    checked_days = sorted(days or list_days(intake.zone, contract.table))
    not_read = [
        ContractDifference(contract.table, "not read", "", line, (), 0)
        for line in unread(intake.zone, contract.table, *partitions)
    ]
    absent = _absent_days(lake, intake, contract, checked_days, days)
    return not_read + absent + (_differences(lake, intake, contract, checked_days) if checked_days else [])


def _absent_days(
    lake: Lake, intake: Intake, contract: Contract, landed: Sequence[date], days: Sequence[date]
) -> list[ContractDifference]:
    """Days of which events are published and no file is left, unless landing need not keep them any more."""
    published = read_ledger(lake, [contract.table])[contract.table].published
    listed = set(list_days(intake.zone, contract.table)) if days else set(landed)
    retained = past_retention(published, intake.section.retention_days)
    return [
        ContractDifference(
            contract.table, "refused", "", absence_reason(contract.table, day, Gone(record.published, 0)), (day,), 0
        )
        for day, record in published.items()
        if record.published and day not in listed and (not days or day in days) and not retained(day)
    ]


def _differences(lake: Lake, intake: Intake, contract: Contract, days: Sequence[date]) -> list[ContractDifference]:
    arrivals = scan(intake, contract, days)
    seen: dict[tuple[str, str, str], list[date]] = {}
    for day, arrival in arrivals.days.items():
        for file in arrival.files:
            columns = {column.name.lower(): column for column in file.footer.columns}
            for name in arrival.unknown_columns:
                if name.lower() in columns:
                    description = f"{columns[name.lower()]}; {_becomes(intake.unknown_columns, arrival, name)}"
                    seen.setdefault(("unknown column", name, description), []).append(day)
            for physical in file.footer.columns:
                if contract.ignores(physical.name):
                    seen.setdefault(("ignored column", physical.name, f"{physical}; dropped"), []).append(day)
                if physical.unit is not None:
                    description = f"{physical.unit.value}, by the file's values; the contract states none"
                    seen.setdefault(("epoch unit", physical.name, description), []).append(day)
            for column in event_columns(contract):
                if column.name not in columns:
                    seen.setdefault(("missing column", column.name, "not in the file"), []).append(day)
            problem = schema_problem(contract, file.footer)
            if problem:
                seen.setdefault(("refused", "", problem), []).append(day)
        problem = _table_problem(lake, contract, arrival)
        if problem:
            seen.setdefault(("refused", "", problem), []).append(day)
    for day, item in arrivals.refused.items():
        seen.setdefault(("refused", "", item.reason), []).append(day)
    return [
        ContractDifference(contract.table, kind, column, description, tuple(sorted(set(on))), len(on))
        for (kind, column, description), on in sorted(seen.items())
    ]


def _becomes(mode: str, arrival: DayArrival, name: str) -> str:
    """What the platform does with a column that the contract does not name."""
    if mode == "ignore":
        return "left in the files"
    if mode == "withhold":
        return "left in the files: production adds no column that no contract classifies"
    added = {column.name: column.spark_type for column in arrival.extra}.get(name.lower())
    return f"added as {added}" if added else "added when it has a type"


def _table_problem(lake: Lake, contract: Contract, arrival: DayArrival) -> str | None:
    """Why the table cannot take the day's columns beyond the contract."""
    if not arrival.extra:
        return None
    table = lake.find(lake.events(contract.table))
    if table is None:
        return None
    try:
        merged(with_extra_columns(contract, table).extra, arrival.extra)
    except DayRefusedError as error:
        return str(error)
    return None


def _contents(ledger: TableLedger, days: Sequence[date]) -> list[str]:
    ids = {record.content_id for day, record in ledger.published.items() if not days or day in days}
    ids |= {item.content_id for day, item in ledger.refused.items() if not days or day in days}
    return sorted(content for content in ids if content)


def _scan(lake: Lake, table: str, contents: Sequence[str]) -> list[dict[str, Any]]:
    iceberg = lake.find(lake.quarantine(table))
    if iceberg is None:
        return []
    return iceberg.scan(row_filter=In(term="content_id", literals=set(contents))).to_arrow().to_pylist()


def _row(table: str, item: dict[str, Any]) -> QuarantinedRow:
    return QuarantinedRow(
        table,
        item["date"],
        item["source_file"],
        item["source_row"],
        item["reason"],
        item["column_name"] or "",
        item["detail"] or "",
        item["original_values"] or "",
    )
