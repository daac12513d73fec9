"""Refused days, decided by hand: published with a reason, or dropped.

What belongs here: what a person does with a day that the audit has refused, through PyIceberg and without Spark. What does not:
looking at it (refused_days.py), the verdict itself (ingest/audit.py) and the commit that publishes (days/publish.py).

A refused day's branch holds the day as it was audited, on a `main` that has moved since. To publish it, its data files (the
very same, nothing is read or written again) replace the day's files on a new audit branch that starts at today's `main`, and
that branch is published like any other: one commit moves `main`, records the day with the person's reason, and drops both
branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.backoff import Backoff
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import refuse_newer_metadata
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.day_files import replace_days
from ecommerce_platform.lakehouse.days.ledger import (
    AuditedCounts,
    DayRecord,
    PublicationByHand,
    RefusedDay,
    TableLedger,
    read_table_ledger,
)
from ecommerce_platform.lakehouse.errors import OverruleError, PublishConflictError
from ecommerce_platform.lakehouse.ingest import quarantine
from ecommerce_platform.lakehouse.ingest.audit import count_days, may_be_overruled
from ecommerce_platform.lakehouse.ingest.tables import ensure_quarantine_table, open_catalog

_ATTEMPTS = 10


@dataclass(frozen=True)
class Decision:
    """Who publishes a refused day, why, and when (an audit stamp, ISO 8601, UTC).

    `withdraw` says that published events which the day lacks are to go; nothing else lets them go.
    """

    reason: str
    by: str
    at: str
    run_id: str
    reached: Callable[[str], None] = lambda step: None
    withdraw: bool = False


def publish_refused(lake: Lake, contract: Contract, day: date, decision: Decision) -> DayRecord:
    """Publishes what the audit has refused, exactly as it was audited, on today's `main`. Twice is the same as once.

    Raises OverruleError when the day is not refused, nothing was audited, or rows were lost: only a share of unreadable rows
    above the limit is for a person to judge, and, with `decision.withdraw`, published events that the day's files lack.
    """
    if not decision.reason.strip():
        raise OverruleError("publishing a refused day needs a reason: it is recorded with the day")
    catalog = open_catalog(lake)
    seen: RefusedDay | None = None
    backoff = Backoff()
    for attempt in range(1, _ATTEMPTS + 1):
        loaded = catalog.load_table(lake.events(contract.table))
        table = refuse_newer_metadata(lake, catalog, loaded)
        ledger = read_table_ledger(contract.table, table)
        done = ledger.published.get(day)
        if day not in ledger.refused and done and done.by_hand:
            return done
        item = standing(ledger, contract.table, day)
        if seen is not None and item != seen:
            raise OverruleError(
                f"{item.table} {day}: other content has been refused meanwhile: {item.reason}; look at it, then decide again"
            )
        seen, audited = item, _publishable(item, table, decision)
        branch = publishing.audit_branch(decision.run_id, attempt)
        try:
            record = _publish_once(lake, contract, catalog, table, item, audited, branch, decision)
        except PublishConflictError:
            publishing.drop_branch(catalog, table, branch)
            if not backoff.pause():
                break
            continue
        _forget(catalog, lake, contract, [done.content_id] if done else [], record.content_id)
        return record
    raise OverruleError(
        f"table {contract.table}: main moved during each of {attempt} attempts to publish {day}; expected one quiet "
        "moment: look for runs of this table, then try again"
    )


def drop_refused(lake: Lake, contract: Contract, day: date) -> RefusedDay:
    """Forgets the refusal, its branch and its quarantined rows; what is published stays. Raises OverruleError."""
    catalog = open_catalog(lake)
    table = refuse_newer_metadata(lake, catalog, catalog.load_table(lake.events(contract.table)))
    ledger = read_table_ledger(contract.table, table)
    item = standing(ledger, contract.table, day)
    if not publishing.lift_refusals(catalog, table, [item]):
        raise OverruleError(
            f"{item.table} {day}: the refusal has changed meanwhile; look at it with `ecommerce-platform refused show`, then "
            "decide again"
        )
    published = ledger.published.get(day)
    _forget(catalog, lake, contract, [item.content_id], published.content_id if published else "")
    return item


def standing(ledger: TableLedger, table: str, day: date) -> RefusedDay:
    """The refusal of the day. Raises OverruleError when there is none."""
    if day in ledger.refused:
        return ledger.refused[day]
    refused = ", ".join(str(item) for item in ledger.refused) or "none"
    raise OverruleError(f"{table} {day} is not refused; refused days of {table}: {refused}")


def _publishable(item: RefusedDay, table: Table, decision: Decision) -> AuditedCounts:
    where = f"{item.table} {item.day}"
    if item.audited is None or item.branch not in table.metadata.refs:
        raise OverruleError(
            f"{where}: nothing was audited, so there is nothing to publish ({item.reason}); mend the files or the contract, "
            "and materialize the day again"
        )
    if not may_be_overruled(item.audited):
        raise OverruleError(
            f"{where}: {item.reason}. That leaves no choice: rows would be lost or doubled; expected a day whose only "
            "fault is its share of unreadable rows, or events that are gone: materialize the day again"
        )
    if item.audited.gone and not decision.withdraw:
        raise OverruleError(
            f"{where}: {item.reason}. Publishing it gives up {item.audited.gone} published events, which only `--withdraw` does"
        )
    if decision.withdraw and not item.audited.gone:
        raise OverruleError(
            f"{where}: no published event is gone, so there is nothing to withdraw; the day is refused for another reason: "
            f"{item.reason}. To publish it nevertheless, leave out `--withdraw`"
        )
    return item.audited


def _publish_once(
    lake: Lake,
    contract: Contract,
    catalog: Catalog,
    table: Table,
    item: RefusedDay,
    audited: AuditedCounts,
    branch: str,
    decision: Decision,
) -> DayRecord:
    audited_snapshot = table.metadata.refs[item.branch].snapshot_id
    publishing.start_branch(catalog, table, branch)
    decision.reached("branched")
    properties = {"ecommerce.run-id": decision.run_id, "ecommerce.audited-snapshot-id": str(audited_snapshot)}
    snapshot_id = replace_days(catalog.load_table(table.name()), branch, [item.day], audited_snapshot, properties)
    decision.reached("written")
    _check_content(lake, contract, catalog, item, audited, snapshot_id)
    record = DayRecord(
        table=item.table,
        day=item.day,
        snapshot_id=snapshot_id,
        content_id=item.content_id,
        landed=audited.landed,
        published=audited.published,
        quarantined=audited.quarantined,
        duplicates=audited.duplicates,
        files=audited.files,
        bytes=audited.bytes,
        run_id=decision.run_id,
        by_hand=PublicationByHand(
            decision.reason, decision.by, decision.at, audited_snapshot, item.reason, audited.gone
        ),
        checksum=audited.checksum,
    )
    publishing.publish(catalog, table, snapshot_id, [record], overruled=item)
    decision.reached("published")
    return record


def _check_content(
    lake: Lake, contract: Contract, catalog: Catalog, item: RefusedDay, audited: AuditedCounts, snapshot_id: int
) -> None:
    """What is about to be published is what was audited, rows in quarantine included."""
    table = catalog.load_table(lake.events(contract.table))
    counted = count_days(table, snapshot_id, contract, [item.day])
    rows = counted[item.day].rows if item.day in counted else 0
    kept = quarantine.count(ensure_quarantine_table(catalog, lake, contract), [item.content_id])
    held = kept.get(item.content_id, 0)
    if (rows, held) != (audited.published, audited.quarantined):
        raise OverruleError(
            f"{item.table} {item.day}: the branch holds {rows} rows and quarantine {held}; the audit counted "
            f"{audited.published} and {audited.quarantined}: something changed them since; materialize the day again"
        )


def _forget(catalog: Catalog, lake: Lake, contract: Contract, contents: Sequence[str], published: str) -> None:
    """Drops quarantined rows of content that no day has any more: neither published, nor refused meanwhile."""
    ledger = read_table_ledger(contract.table, catalog.load_table(lake.events(contract.table)))
    gone = [content for content in contents if content and content != published and not ledger.knows(content)]
    if gone:
        quarantine.drop(ensure_quarantine_table(catalog, lake, contract), gone)
