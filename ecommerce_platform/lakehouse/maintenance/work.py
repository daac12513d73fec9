"""Does the maintenance of the Iceberg tables, beside writers and without ever changing what readers see.

What belongs here: the order of the steps and their safety. What does not: what is due (plan.py), and who calls it.

Compacting a day is a publication like any other: its rows are written to an audit branch that starts at `main`, counted there,
and published only if `main` has not moved; a run that comes between wins, and the day is tried again, a bounded number of
times. A snapshot is expired if it is old and no branch ends at it. The ledgers say of a day which content it has; that they also
name the snapshot which published it keeps no file alive, or those of a replaced day could never go. Files that no table knows
are removed when they are older than any write could take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract, load_contracts, source_tables
from ecommerce_platform.iceberg.backoff import Backoff
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import LostTableError, refuse_newer_metadata, tables_of
from ecommerce_platform.iceberg.writing import CLUSTERED
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.ledger import DayRecord, TableLedger, read_table_ledger
from ecommerce_platform.lakehouse.errors import LakehouseError, PublishConflictError
from ecommerce_platform.lakehouse.ingest import quarantine
from ecommerce_platform.lakehouse.ingest.audit import count_days, partition_day
from ecommerce_platform.lakehouse.ingest.tables import (
    TABLE_PROPERTIES,
    open_catalog,
)
from ecommerce_platform.lakehouse.maintenance.orphans import OrphanError, refuse_foreign_history, remove_orphans
from ecommerce_platform.lakehouse.maintenance.plan import (
    MANY_MANIFESTS,
    FileSizes,
    MaintenanceReport,
    SnapshotAge,
    contents_past_retention,
    contents_to_drop,
    days_to_compact,
    expirable,
)

_ATTEMPTS = 3
_DAYS_A_COMMIT = 31
_TARGET = "write.target-file-size-bytes"
_NOTHING_BY_AGE = "timestamp '1970-01-01 00:00:00'"


@dataclass(frozen=True)
class Maintenance:
    """One maintenance run: where, and at what time. `reached` is called with each step."""

    lake: Lake
    session: Callable[[], SparkSession]
    run_id: str
    now: datetime
    dry_run: bool = False
    reached: Callable[[str, str], None] = lambda table, step: None


def run_maintenance(
    job: Maintenance, tables: Sequence[str] | None = None, *, analytics: bool = True
) -> list[MaintenanceReport]:
    """Maintenance of the event tables and their quarantine, and of Spark's analytics tables; one report a table."""
    catalog = open_catalog(job.lake)
    ledgers = {table: _ledger(job.lake, table) for table in source_tables()}
    jobs: list[tuple[str, Callable[[str], MaintenanceReport]]] = []
    for table in source_tables() if tables is None else tables:
        ledger = ledgers[table]
        if ledger is None:
            continue
        jobs.append((job.lake.events(table), partial(_event_table, job, catalog, load_contracts()[table])))
        if job.lake.find(unfit := job.lake.quarantine(table)) is not None:
            jobs.append((unfit, partial(_quarantine_table, job, catalog, ledger)))
    if analytics:
        swept = partial(_sweep, job, catalog)
        jobs += [(name, swept) for name in sorted(tables_of(catalog, job.lake.section.analytics_namespace))]
    return [_unless_refused(job, catalog, identifier, maintenance) for identifier, maintenance in jobs]


def _unless_refused(
    job: Maintenance, catalog: Catalog, identifier: str, maintenance: Callable[[str], MaintenanceReport]
) -> MaintenanceReport:
    """Maintenance of one table. Where its folder holds files of another history, the report says so; other tables go on."""
    try:
        table = refuse_newer_metadata(job.lake, catalog, catalog.load_table(identifier))
        refuse_foreign_history(job.lake, table)
    except (OrphanError, LostTableError) as error:
        return MaintenanceReport(identifier, refused=str(error))
    return maintenance(identifier)


def _ledger(lake: Lake, table: str) -> TableLedger | None:
    iceberg = lake.find(lake.events(table))
    return read_table_ledger(table, iceberg) if iceberg is not None else None


def _event_table(job: Maintenance, catalog: Catalog, contract: Contract, identifier: str) -> MaintenanceReport:
    before = catalog.load_table(identifier)
    sizes = _sizes(before)
    target = int(before.properties.get(_TARGET, TABLE_PROPERTIES[_TARGET]))
    due = days_to_compact(sizes, read_table_ledger(contract.table, before), target)
    compacted, remark = (list(due), "") if job.dry_run else _compact(job, catalog, contract, due)
    swept = _sweep(job, catalog, identifier)
    after = sizes if job.dry_run else _sizes(catalog.load_table(identifier))
    return replace(
        swept,
        days_compacted=tuple(compacted),
        files_before=sum(len(day.sizes) for day in sizes.values()),
        files_after=sum(
            due.get(day, len(files.sizes)) if job.dry_run else len(files.sizes) for day, files in after.items()
        ),
        bytes_before=sum(day.bytes for day in sizes.values()),
        bytes_after=sum(day.bytes for day in after.values()),
        remark=remark,
    )


def _sizes(table: Table) -> dict[date, FileSizes]:
    sizes_by_day: dict[date, list[int]] = {}
    for task in table.scan().plan_files():
        sizes_by_day.setdefault(partition_day(task.file.partition), []).append(task.file.file_size_in_bytes)
    return {day: FileSizes(tuple(sizes)) for day, sizes in sizes_by_day.items()}


def _compact(job: Maintenance, catalog: Catalog, contract: Contract, due: Mapping[date, int]) -> tuple[list[date], str]:
    """Rewrites the days with as many files as they need; returns the days done, and what stopped the rest."""
    done: list[date] = []
    for files, group in groupby(sorted(due, key=lambda day: (due[day], day)), key=lambda day: due[day]):
        days = list(group)
        for start in range(0, len(days), _DAYS_A_COMMIT):
            chunk = days[start : start + _DAYS_A_COMMIT]
            backoff = Backoff()
            for attempt in range(1, _ATTEMPTS + 1):
                branch = publishing.audit_branch(job.run_id, len(done) * _ATTEMPTS + attempt)
                try:
                    done += _compact_once(job, catalog, contract, chunk, files, branch)
                    break
                except PublishConflictError:
                    publishing.drop_branch(catalog, catalog.load_table(job.lake.events(contract.table)), branch)
                    backoff.pause()
            else:
                return done, f"main moved during each of {_ATTEMPTS} attempts; the next maintenance run tries again"
    return done, ""


def _compact_once(
    job: Maintenance, catalog: Catalog, contract: Contract, days: list[date], files: int, branch: str
) -> list[date]:
    """One commit's days. Days that another run has changed or taken away meanwhile are left to it."""
    identifier = job.lake.events(contract.table)
    table = catalog.load_table(identifier)
    ledger = read_table_ledger(contract.table, table)
    records = [ledger.published[day] for day in days if day in ledger.published and day not in ledger.refused]
    if not records:
        return []
    publishing.start_branch(catalog, table, branch)
    job.reached(contract.table, "branched")
    _rewrite(job, identifier, contract, branch, [record.day for record in records], files)
    job.reached(contract.table, "written")
    table = catalog.load_table(identifier)
    snapshot_id = publishing.branch_snapshot(table, branch)
    _check_rows(contract, table, snapshot_id, records)
    republished = [replace(record, snapshot_id=snapshot_id) for record in records]
    publishing.publish(catalog, table, snapshot_id, republished, same_content=True)
    job.reached(contract.table, "published")
    return [record.day for record in records]


def _rewrite(job: Maintenance, identifier: str, contract: Contract, branch: str, days: list[date], files: int) -> None:
    name = job.lake.in_spark(identifier)
    chosen = F.col("date").isin(days)
    spread = F.pmod(F.hash(*contract.key_names), F.lit(files))
    rows = job.session().table(f"{name}.branch_{branch}").where(chosen).repartition("date", spread)
    ordered = rows.sortWithinPartitions("date", *contract.key_names, "__source_lsn", "__source_file", "__source_row")
    writer = ordered.writeTo(f"{name}.branch_{branch}").options(**CLUSTERED).option("distribution-mode", "none")
    writer.option("snapshot-property.ecommerce.run-id", job.run_id).overwrite(chosen)


def _check_rows(contract: Contract, table: Table, snapshot_id: int, records: Iterable[DayRecord]) -> None:
    published_rows = {record.day: record.published for record in records}
    counted = count_days(table, snapshot_id, contract, list(published_rows))
    wrong = [day for day, rows in published_rows.items() if (counted[day].rows if day in counted else 0) != rows]
    if wrong:
        raise LakehouseError(
            f"table {contract.table}, {wrong[0]}: compacting wrote "
            f"{counted[wrong[0]].rows if wrong[0] in counted else 0} rows, the ledger says {published_rows[wrong[0]]}; "
            "nothing was published: materialize the day again"
        )


def _quarantine_table(job: Maintenance, catalog: Catalog, ledger: TableLedger, identifier: str) -> MaintenanceReport:
    table = catalog.load_table(identifier)
    written, section = _contents(table), job.lake.section
    retention = timedelta(days=section.orphan_retention_days)
    grace = timedelta(days=section.snapshot_retention_days)
    expired = contents_past_retention(written, ledger, job.now, section.quarantine_retention_days, grace)
    gone = {*contents_to_drop(written, ledger, job.now, retention), *expired}
    if gone and not job.dry_run:
        quarantine.drop(table, sorted(gone))
    return replace(_sweep(job, catalog, identifier), quarantined_contents_dropped=len(gone))


def _contents(table: Table) -> dict[str, datetime | None]:
    """Each content in quarantine, and when its newest file was committed."""
    committed = {age.snapshot_id: age.committed_at for age in _snapshots(table)}
    contents: dict[str, datetime | None] = {}
    snapshot = table.current_snapshot()
    for manifest in snapshot.manifests(table.io) if snapshot else []:
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            content, at = str(entry.data_file.partition[1]), committed.get(entry.snapshot_id or 0)
            times = [time for time in (contents.get(content), at) if time]
            contents[content] = max(times, default=None)
    return contents


def _snapshots(table: Table) -> list[SnapshotAge]:
    return [
        SnapshotAge(snapshot.snapshot_id, datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC))
        for snapshot in table.snapshots()
    ]


def _sweep(job: Maintenance, catalog: Catalog, identifier: str) -> MaintenanceReport:
    """Manifests together, old snapshots expired, files that nothing knows removed."""
    table = catalog.load_table(identifier)
    manifests = _manifests(table)
    ages = _snapshots(table)
    if manifests > MANY_MANIFESTS and not job.dry_run:
        _call(job, "rewrite_manifests", identifier, "use_caching => false")
        job.reached(identifier, "manifests")
    # Read again: another run may have made a branch since.
    table = catalog.load_table(identifier)
    kept = {reference.snapshot_id for reference in table.metadata.refs.values()}
    retention = timedelta(days=job.lake.section.snapshot_retention_days)
    old = expirable(_snapshots(table), kept, job.now, retention)
    if old and not job.dry_run:
        # By name only: Iceberg's own age limit goes by its own clock.
        ids = ", ".join(str(int(snapshot)) for snapshot in old)
        _call(job, "expire_snapshots", identifier, f"older_than => {_NOTHING_BY_AGE}, snapshot_ids => array({ids})")
        job.reached(identifier, "expired")
    report = MaintenanceReport(
        identifier,
        snapshots_before=len(ages),
        snapshots_expired=len(old),
        manifests_before=manifests,
        manifests_after=manifests if job.dry_run else _manifests(catalog.load_table(identifier)),
    )
    before = job.now - timedelta(days=job.lake.section.orphan_retention_days)
    try:
        removed = remove_orphans(job.session(), job.lake, catalog.load_table(identifier), before, dry_run=job.dry_run)
    except OrphanError as error:
        # What was done until here is done; the table's files stay.
        return replace(report, refused=str(error))
    return replace(report, orphan_files_removed=removed)


def _manifests(table: Table) -> int:
    snapshot = table.current_snapshot()
    return len(snapshot.manifests(table.io)) if snapshot else 0


def _call(job: Maintenance, procedure: str, identifier: str, arguments: str) -> int:
    """Rows that an Iceberg procedure returns. Names are the platform's own, values are numbers and times."""
    catalog = job.lake.section.catalog_name
    return len(
        job.session().sql(f"call `{catalog}`.system.{procedure}(table => '{identifier}', {arguments})").collect()
    )
