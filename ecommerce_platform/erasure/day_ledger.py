"""What the day ledger says after an erasure. Pure, but for reading the table's metadata.

What belongs here: the ledger's properties with the new names of contents. What does not: the commit (lake_commit.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyiceberg.table import Table
from pyiceberg.typedef import Record

from ecommerce_platform.lakehouse.days.ledger import (
    DayRecord,
    RefusedDay,
    TableLedger,
    published_properties,
    read_table_ledger,
    refused_properties,
)
from ecommerce_platform.lakehouse.ingest.audit import partition_day


def ledger_properties(
    table: str, renamed: Mapping[str, str], iceberg: Table, snapshot_id: int, partitions: Sequence[Record]
) -> dict[str, str]:
    """The ledger with the names that contents have now, its days at the new snapshot, without checksums of rows that were."""
    ledger, changed = read_table_ledger(table, iceberg), set(map(partition_day, partitions))
    records = [
        replace(
            item,
            snapshot_id=snapshot_id,
            content_id=renamed.get(item.content_id, item.content_id),
            checksum=None if item.day in changed else item.checksum,
        )
        for item in ledger.published.values()
    ]
    refused = [
        replace(
            item,
            content_id=renamed.get(item.content_id, item.content_id),
            audited=replace(item.audited, checksum=None) if item.audited and item.day in changed else item.audited,
        )
        for item in ledger.refused.values()
    ]
    properties = published_properties(ledger, records) if records else {}
    return properties | (refused_properties(refused) if refused else {})


def names_old_content(table: str, renamed: Mapping[str, str], iceberg: Table) -> bool:
    ledger: TableLedger = read_table_ledger(table, iceberg)
    days: tuple[DayRecord | RefusedDay, ...] = (*ledger.published.values(), *ledger.refused.values())
    return any(renamed.get(item.content_id, item.content_id) != item.content_id for item in days)
