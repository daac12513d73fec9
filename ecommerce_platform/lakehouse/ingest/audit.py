"""Is a written day good? Measured from what was written, judged by a pure function.

What belongs here: the measures of a day on its branch, the verdict, and the warning about volume. What does not: writing and
publishing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from pyiceberg.expressions import In
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival
from ecommerce_platform.lakehouse.days.absence import Gone, absence_reason
from ecommerce_platform.lakehouse.days.ledger import AuditedCounts, DayRecord, PublicationByHand
from ecommerce_platform.lakehouse.ingest.write import Written

_EPOCH = date(1970, 1, 1)

#: A day's volume is compared with the same weekday of as many weeks.
VOLUME_WEEKS = 4


@dataclass(frozen=True)
class DayAudit:
    """What is known of one written day of one table. Counts are rows.

    `landed` comes from the files' footers, `published` and `quarantined` from Iceberg's manifests, `duplicates` from the writing
    job: four counts by three routes. `gone` are published events that the day's files no longer have. `checksum` is the hash of
    the rows that were written, from the writing job; None where that wrote too many days at once to add it up.
    """

    table: str
    day: date
    landed: int
    published: int
    quarantined: int
    duplicates: int
    null_keys: int = 0
    null_metadata: int = 0
    files: int = 0
    bytes: int = 0
    gone: Gone | None = None
    checksum: str | None = "0"

    @property
    def quarantined_share(self) -> Decimal:
        return Decimal(self.quarantined) / self.landed if self.landed else Decimal(0)


def verdict(audit: DayAudit, max_quarantined_share: Decimal) -> str | None:
    """Why the day must not be published, or None when it may."""
    where = f"{audit.table}, {audit.day}"
    if not _conserved(audit):
        return (
            f"{where}: {audit.landed} rows landed, but {audit.published} were written, {audit.quarantined} quarantined and "
            f"{audit.duplicates} are duplicates; expected the three to add up: a file changed while it was read, or "
            "rows were lost; materialize the day again"
        )
    if audit.null_keys:
        return (
            f"{where}: {audit.null_keys} written rows have a null key; expected none; report this with the day's files"
        )
    if audit.null_metadata:
        return (
            f"{where}: {audit.null_metadata} written rows lack __op, __ts_ms or __source_ts_ms; expected none; report this "
            "with the day's files"
        )
    reasons = [absence_reason(audit.table, audit.day, audit.gone)] if audit.gone else []
    if audit.quarantined_share > max_quarantined_share:
        reasons.append(
            f"{where}: {audit.quarantined} of {audit.landed} rows ({audit.quarantined_share:.2%}) cannot be read as events; "
            f"expected at most {max_quarantined_share:.2%} (ECOMMERCE_LANDING__MAX_QUARANTINED_SHARE); see the table "
            f"quarantine.{audit.table} for the rows and their reasons, correct the files, and materialize the day again"
        )
    return "; ".join(reasons) or None


def may_be_overruled(audit: DayAudit | AuditedCounts) -> bool:
    """Whether a person may publish the day nevertheless: too many unreadable rows are a judgement, and so are events that the
    source withdraws; rows that the platform lost never are.
    """
    return _conserved(audit) and not audit.null_keys and not audit.null_metadata


def _conserved(audit: DayAudit | AuditedCounts) -> bool:
    return audit.landed == audit.published + audit.quarantined + audit.duplicates


def audited_counts(audit: DayAudit, arrival: DayArrival) -> AuditedCounts:
    """What the ledger keeps of a refused day's audit."""
    return AuditedCounts(
        landed=audit.landed,
        published=audit.published,
        quarantined=audit.quarantined,
        duplicates=audit.duplicates,
        null_keys=audit.null_keys,
        null_metadata=audit.null_metadata,
        files=len(arrival.files),
        bytes=arrival.bytes,
        gone=audit.gone.events if audit.gone else 0,
        checksum=audit.checksum,
    )


def day_record(
    arrival: DayArrival,
    audit: DayAudit,
    snapshot_id: int,
    run_id: str,
    by_hand: PublicationByHand | None,
    withhold: bool,
) -> DayRecord:
    """What the ledger keeps of a published day. With `withhold`, the columns that no contract names are named in it."""
    return DayRecord(
        table=arrival.table,
        day=arrival.day,
        snapshot_id=snapshot_id,
        content_id=arrival.content_id,
        landed=audit.landed,
        published=audit.published,
        quarantined=audit.quarantined,
        duplicates=audit.duplicates,
        files=len(arrival.files),
        bytes=arrival.bytes,
        run_id=run_id,
        by_hand=by_hand,
        withheld=(arrival.unknown_columns or None) if withhold else None,
        checksum=audit.checksum,
    )


def empty_audit(arrival: DayArrival) -> DayAudit:
    """The audit of a day without rows."""
    return DayAudit(arrival.table, arrival.day, 0, 0, 0, 0)


def volume_warning(records: Mapping[date, DayRecord], day: date, landed: int) -> str | None:
    """A warning when far fewer or more rows landed than on the same weekday of recent weeks; None without history."""
    earlier = [day - timedelta(weeks=week) for week in range(1, VOLUME_WEEKS + 1)]
    history = [records[item].landed for item in earlier if item in records]
    if not history:
        history = [records[item].landed for item in sorted(records) if item < day][-7:]
    if len(history) < 2:
        return None
    usual = median(history)
    if usual and not landed:
        return f"no rows landed on {day}; usually there are {usual:.0f}"
    if usual and not usual / 2 <= landed <= usual * 2:
        return f"{landed} rows landed on {day}; usually there are {usual:.0f}"
    return None


@dataclass(frozen=True)
class PartitionCount:
    """Rows, nulls in columns of the key, and files of one day, as the manifests have them."""

    rows: int = 0
    null_keys: int = 0
    null_metadata: int = 0
    files: int = 0
    bytes: int = 0


def count_days(table: Table, snapshot_id: int, contract: Contract, days: Sequence[date]) -> dict[date, PartitionCount]:
    """Counts of the event table at a snapshot by day, from manifests: what was written, without reading it again."""
    keys = [table.schema().find_field(name).field_id for name in contract.key_names]
    metadata = [table.schema().find_field(name).field_id for name in ("__op", "__ts_ms", "__source_ts_ms")]
    counts: dict[date, PartitionCount] = {}
    for task in table.scan(snapshot_id=snapshot_id, row_filter=In(term="date", literals=set(days))).plan_files():
        day, file = partition_day(task.file.partition), task.file
        old = counts.get(day, PartitionCount())
        nulls = file.null_value_counts or {}
        counts[day] = PartitionCount(
            rows=old.rows + file.record_count,
            null_keys=old.null_keys + sum(nulls.get(key) or 0 for key in keys),
            null_metadata=old.null_metadata + sum(nulls.get(field) or 0 for field in metadata),
            files=old.files + 1,
            bytes=old.bytes + file.file_size_in_bytes,
        )
    return counts


def partition_day(partition: Record) -> date:
    """The day of a data file; Iceberg keeps a date as days since 1970."""
    value = partition[0]
    return value if isinstance(value, date) else _EPOCH + timedelta(days=int(value))


def measure(
    arrival: DayArrival,
    counted: Mapping[date, PartitionCount],
    quarantined: Mapping[str, int],
    written: Written,
    gone: Gone | None = None,
) -> DayAudit:
    """The day's measures put together."""
    count = counted.get(arrival.day, PartitionCount())
    return DayAudit(
        table=arrival.table,
        day=arrival.day,
        landed=arrival.rows,
        published=count.rows,
        quarantined=quarantined.get(arrival.content_id, 0),
        duplicates=written.duplicates.get(arrival.day, 0),
        null_keys=count.null_keys,
        null_metadata=count.null_metadata,
        files=count.files,
        bytes=count.bytes,
        gone=gone,
        checksum=_checksum(count.rows, written.checksums.get(arrival.day)),
    )


def _checksum(rows: int, hashes: int | None) -> str | None:
    """Decimal digits; a day without rows has a checksum, whoever wrote it."""
    if not rows:
        return "0"
    return None if hashes is None else str(hashes)
