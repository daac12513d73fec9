"""Refused days as people look at them: the list, and all that is known of one.

What belongs here: reading, through PyIceberg and without Spark. What does not: deciding (refused.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyiceberg.expressions import EqualTo

from ecommerce_platform.contracts import Contract, source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.by_hand.inspection import quarantined_of
from ecommerce_platform.lakehouse.by_hand.refused import standing
from ecommerce_platform.lakehouse.days.ledger import (
    AuditedCounts,
    DayRecord,
    RefusedDay,
    read_ledger,
    read_table_ledger,
)
from ecommerce_platform.lakehouse.ingest.audit import may_be_overruled
from ecommerce_platform.lakehouse.ingest.tables import open_catalog

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class DecidedDay:
    """A line of `refused list`: a refused day, or one that a person has published."""

    table: str
    day: date
    state: str
    reason: str
    landed: int | None
    quarantined: int | None
    branch: str
    content_id: str
    run_id: str
    published_because: str = ""
    published_by: str = ""
    published_at: str = ""
    events_gone: int | None = None


@dataclass(frozen=True)
class RefusedStory:
    """All that is known of a refused day. `rows_published_before` is of the last good state, None when there is none."""

    table: str
    day: date
    reason: str
    content_id: str
    branch: str
    snapshot_id: str
    run_id: str
    audited: AuditedCounts | None
    may_be_published: bool
    rows_published_before: int | None
    quarantined: tuple[dict[str, Any], ...]
    sample: tuple[dict[str, Any], ...]


def decided_days(lake: Lake, *, published: bool = False) -> list[DecidedDay]:
    """The refused days of all tables; with `published`, those too that a person has published and that still are."""
    lines = []
    for table in source_tables():
        ledger = read_ledger(lake, [table])[table]
        lines += [_refused_line(item) for item in ledger.refused.values()]
        if published:
            lines += [_published_line(record) for record in ledger.published.values() if record.by_hand]
    return sorted(lines, key=lambda line: (source_tables().index(line.table), line.day, line.state))


def _refused_line(item: RefusedDay) -> DecidedDay:
    audited = item.audited
    return DecidedDay(
        item.table,
        item.day,
        "refused",
        item.reason,
        audited.landed if audited else None,
        audited.quarantined if audited else None,
        item.branch,
        item.content_id,
        item.run_id,
        events_gone=audited.gone if audited else None,
    )


def _published_line(record: DayRecord) -> DecidedDay:
    by_hand = record.by_hand
    assert by_hand is not None, "asked for days published by hand only"
    return DecidedDay(
        record.table,
        record.day,
        "withdrawn by hand" if by_hand.withdrawn else "published by hand",
        by_hand.refusal,
        record.landed,
        record.quarantined,
        "",
        record.content_id,
        record.run_id,
        by_hand.reason,
        by_hand.by,
        by_hand.at,
        by_hand.withdrawn,
    )


def show_refused(lake: Lake, contract: Contract, day: date) -> RefusedStory:
    """The refusal, its measures, and what lies on the branch and in quarantine. Raises OverruleError when there is none."""
    table = open_catalog(lake).load_table(lake.events(contract.table))
    ledger = read_table_ledger(contract.table, table)
    item = standing(ledger, contract.table, day)
    head = table.metadata.refs.get(item.branch)
    sample = (
        table.scan(row_filter=EqualTo(term="date", value=day), snapshot_id=head.snapshot_id, limit=SAMPLE_ROWS)
        .to_arrow()
        .to_pylist()
        if head
        else []
    )
    reasons = Counter((row.reason, row.column) for row in quarantined_of(lake, contract.table, item.content_id))
    before = ledger.published.get(day)
    return RefusedStory(
        item.table,
        day,
        item.reason,
        item.content_id,
        item.branch,
        str(head.snapshot_id) if head else "",
        item.run_id,
        item.audited,
        bool(head and item.audited and may_be_overruled(item.audited)),
        before.published if before else None,
        tuple({"reason": key[0], "column": key[1], "rows": rows} for key, rows in sorted(reasons.items())),
        tuple(sample),
    )
