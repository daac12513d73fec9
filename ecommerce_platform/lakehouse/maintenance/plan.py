"""What the Iceberg tables need so that they stay fast and small: pure decisions.

What belongs here: which days to compact, which snapshots to expire, which quarantined rows nobody needs, and what is reported.
What does not: doing it (work.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ecommerce_platform.lakehouse.days.ledger import TableLedger
from ecommerce_platform.landing.emptied import past_retention

#: Files of at least this share of the target are left alone: rewriting them would gain nothing.
_NEARLY_FULL = 3 / 4
#: So many manifests are read in a moment; more are put together.
MANY_MANIFESTS = 20


@dataclass(frozen=True)
class FileSizes:
    """Data files of one day, in bytes."""

    sizes: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return sum(self.sizes)


@dataclass(frozen=True)
class SnapshotAge:
    """A snapshot and when it was committed, UTC."""

    snapshot_id: int
    committed_at: datetime


@dataclass(frozen=True)
class MaintenanceReport:
    """What maintenance did to one table, or would do. Counts of files and bytes are of what readers see."""

    table: str
    days_compacted: tuple[date, ...] = ()
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    snapshots_before: int = 0
    snapshots_expired: int = 0
    manifests_before: int = 0
    manifests_after: int = 0
    orphan_files_removed: int = 0
    quarantined_contents_dropped: int = 0
    remark: str = ""
    #: Why the table, or its orphans, were left as they are: a person has to look.
    refused: str = ""


def files_needed(size: int, target: int) -> int:
    """How many files of the target size hold so many bytes."""
    return max(1, -(-size // target))


def days_to_compact(days: Mapping[date, FileSizes], ledger: TableLedger, target: int) -> dict[date, int]:
    """The published days that have more files than they need, two of them small, with the number that they need.

    A day whose newest content is refused waits: whoever decides on it compares it with what is published.
    """
    chosen = {}
    for day, files in sorted(days.items()):
        small = [size for size in files.sizes if size < target * _NEARLY_FULL]
        needed = files_needed(files.bytes, target)
        if day in ledger.published and day not in ledger.refused and len(small) > 1 and len(files.sizes) > needed:
            chosen[day] = needed
    return chosen


def expirable(
    snapshots: Iterable[SnapshotAge], named: Iterable[int], now: datetime, retention: timedelta
) -> tuple[int, ...]:
    """Snapshots older than the retention, but for those that are kept: the ends of branches."""
    kept = set(named)
    return tuple(
        snapshot.snapshot_id
        for snapshot in snapshots
        if snapshot.snapshot_id not in kept and snapshot.committed_at < now - retention
    )


def contents_to_drop(
    written: Mapping[str, datetime | None], ledger: TableLedger, now: datetime, retention: timedelta
) -> tuple[str, ...]:
    """Contents in quarantine that no longer belong to a day, published or refused.

    A run writes quarantined rows before it publishes their day: what is younger than the retention may be of a run at work.
    `written` says when each content was written, None when its snapshot is gone.
    """
    current = {item.content_id for days in (ledger.published, ledger.refused) for item in days.values()}
    return tuple(
        content
        for content, at in sorted(written.items())
        if content not in current and (at is None or at < now - retention)
    )


def contents_past_retention(
    written: Mapping[str, datetime | None], ledger: TableLedger, now: datetime, keep_days: int, grace: timedelta
) -> tuple[str, ...]:
    """Contents in quarantine of published days that are more than `keep_days` before the table's highest published day.

    Counted by landing days, as landing's own retention is. What was written within the grace stays: somebody may want to look at
    the rows of an old day that was processed yesterday. Refused days keep theirs until somebody has decided.
    """
    past = past_retention(ledger.published, keep_days)
    due = {record.content_id for day, record in ledger.published.items() if past(day)}
    waiting = {refused.content_id for refused in ledger.refused.values()}
    return tuple(
        content
        for content, at in sorted(written.items())
        if content in due - waiting and (at is None or at < now - grace)
    )


def refusals(reports: Iterable[MaintenanceReport]) -> tuple[str, ...]:
    """What maintenance left alone and why, a line for each table."""
    return tuple(report.refused for report in reports if report.refused)


def total(reports: Sequence[MaintenanceReport]) -> dict[str, int]:
    """The sums over all tables."""
    names = ("files_before", "files_after", "snapshots_before", "snapshots_expired", "orphan_files_removed")
    return {name: sum(getattr(report, name) for report in reports) for name in names}
