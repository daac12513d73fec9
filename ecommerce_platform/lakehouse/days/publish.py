"""Branches, and the one move that makes audited days visible.

What belongs here: commits to the table's references and ledger through PyIceberg. What does not: data (write.py) and verdicts
(audit.py).

A publication is one commit that requires the audited snapshot to have been written on `main`, moves `main` there, records its
days in the ledger, and drops the branch. So it publishes exactly what was audited, on top of exactly what it was audited
against, once; a second attempt finds it done, and a competitor finds that `main` has moved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    RemovePropertiesUpdate,
    RemoveSnapshotRefUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
    TableUpdate,
)

from ecommerce_platform.iceberg.backoff import Backoff
from ecommerce_platform.lakehouse.days.ledger import (
    DayRecord,
    RefusedDay,
    TableLedger,
    published_properties,
    read_table_ledger,
    refused_properties,
    refused_property_name,
)
from ecommerce_platform.lakehouse.errors import PublishConflictError

AUDIT_BRANCH = "audit_"
REFUSED_BRANCH = "refused_"

_Change = tuple[tuple[TableRequirement, ...], tuple[TableUpdate, ...]]


def audit_branch(run_id: str, attempt: int) -> str:
    """The branch of one attempt of a run."""
    return f"{AUDIT_BRANCH}{re.sub(r'[^0-9A-Za-z]', '', run_id)[:32]}_{attempt}"


def refused_branch(refused_day: str, content_id: str) -> str:
    """The branch that keeps a refused day; the same content refused again finds its branch again."""
    return f"{_refused_branches(refused_day)}{content_id[:12]}"


def _refused_branches(refused_day: str) -> str:
    """How the names of all branches begin that keep what was refused of a day."""
    return f"{REFUSED_BRANCH}{refused_day.replace('-', '')}_"


def _branches_of(table: Table, days: Iterable[date]) -> list[str]:
    """The branches that keep what was refused of these days; more than one when two runs refused it at once."""
    begins = tuple(_refused_branches(day.isoformat()) for day in days)
    return sorted(name for name in table.metadata.refs if name.startswith(begins)) if begins else []


def _unchanged(table: Table, branches: Iterable[str]) -> tuple[TableRequirement, ...]:
    """That nobody has moved or dropped these branches since the table was looked at."""
    return tuple(AssertRefSnapshotId(ref=name, snapshot_id=table.metadata.refs[name].snapshot_id) for name in branches)


def main_snapshot(table: Table) -> int:
    """The snapshot that readers see."""
    return table.metadata.refs[MAIN_BRANCH].snapshot_id


def branch_snapshot(table: Table, branch: str) -> int:
    """The branch's snapshot. Raises PublishConflictError when another publication has dropped it."""
    reference = table.metadata.refs.get(branch)
    if reference is None:
        raise PublishConflictError(
            f"table {'.'.join(table.name())}: branch {branch} is gone: another publication came first"
        )
    return reference.snapshot_id


def require_commits(table: Table, snapshot_id: int, commits: int) -> None:
    """That a branch holds all of its commits, and only those, on top of a snapshot that readers have seen.

    Raises PublishConflictError otherwise: when a commit finds a branch dropped, Iceberg recreates it on today's `main`.
    """
    step, snapshot = 0, table.metadata.snapshot_by_id(snapshot_id)
    while snapshot and step < commits and not _is_published(table, snapshot.snapshot_id):
        snapshot = table.metadata.snapshot_by_id(snapshot.parent_snapshot_id or 0)
        step += 1
    if step < commits:
        raise PublishConflictError(
            f"table {'.'.join(table.name())}: the branch holds {step} of {commits} commits: another publication came between"
        )


def start_branch(catalog: Catalog, table: Table, branch: str) -> None:
    """A branch that starts where `main` is."""
    _commit(catalog, table, lambda current: ((), (_point(branch, main_snapshot(current)),)))


def drop_branch(catalog: Catalog, table: Table, branch: str) -> None:
    """Drops the branch, if it is there."""

    def change(current: Table) -> _Change:
        exists = branch in current.metadata.refs
        return (), (RemoveSnapshotRefUpdate(ref_name=branch),) if exists else ()

    _commit(catalog, table, change)


def publish(
    catalog: Catalog,
    table: Table,
    snapshot_id: int,
    records: Sequence[DayRecord],
    overruled: RefusedDay | None = None,
    *,
    same_content: bool = False,
    seen: Mapping[date, RefusedDay] | None = None,
) -> None:
    """Makes the audited snapshot the one that readers see, and records its days. Repeating it changes nothing.

    `overruled` is the refusal that a person has overruled: it must still stand. With `same_content` the days are only written
    again, and refusals of newer content stay. `seen` are the refusals that stood when the days' files were read. Raises
    PublishConflictError when the refusal has changed, when another run has refused other content of the days since, or when
    `main` is no longer what the snapshot was written on.
    """

    def change(current: Table) -> _Change:
        head = main_snapshot(current)
        snapshot = current.metadata.snapshot_by_id(snapshot_id)
        if _is_published(current, snapshot_id):
            return (), ()
        if snapshot is None or all(
            ancestor.snapshot_id != head for ancestor in ancestors_of(snapshot, current.metadata)
        ):
            raise PublishConflictError(
                f"table {'.'.join(current.name())}: snapshot {snapshot_id} was audited on another state of main than "
                f"{head}; expected main not to move meanwhile: the days are written again"
            )
        ledger = read_table_ledger(table.name()[-1], current)
        if overruled and ledger.refused.get(overruled.day) != overruled:
            raise PublishConflictError(f"table {'.'.join(current.name())}: the refusal of {overruled.day} has changed")
        lifted = [] if same_content else [record.day for record in records if record.day in ledger.refused]
        _require_seen(current, ledger, [record for record in records if record.day in lifted], seen)
        # Once main moves, no other audit branch can be published any more; and a day's refusal is history.
        stale = [name for name in current.metadata.refs if name.startswith(AUDIT_BRANCH)]
        history = _branches_of(current, lifted)
        stale += history
        updates: list[TableUpdate] = [
            _point(MAIN_BRANCH, snapshot_id),
            *(RemoveSnapshotRefUpdate(ref_name=name) for name in dict.fromkeys(stale)),
            SetPropertiesUpdate(updates=published_properties(ledger, records)),
        ]
        if lifted:
            updates.append(RemovePropertiesUpdate(removals=[refused_property_name(day) for day in lifted]))
        # Other content that is refused meanwhile drops a refusal's branch, and with it the right to lift that refusal.
        return _unchanged(current, [MAIN_BRANCH, *history]), tuple(updates)

    _commit(catalog, table, change)


def _require_seen(
    table: Table, ledger: TableLedger, records: Sequence[DayRecord], seen: Mapping[date, RefusedDay] | None
) -> None:
    """That the refusals which these records lift are those that were seen, or of the very content that is published."""
    for record in records if seen is not None else ():
        standing = ledger.refused[record.day]
        if standing != (seen or {}).get(record.day) and standing.content_id != record.content_id:
            raise PublishConflictError(
                f"table {'.'.join(table.name())}: another run has refused other content of {record.day} meanwhile: "
                f"{standing.reason}"
            )


def publish_in_place(catalog: Catalog, table: Table, head: int, records: Sequence[DayRecord]) -> None:
    """Records days without rows at the snapshot that readers see already. Raises PublishConflictError when `main` has moved."""

    def change(current: Table) -> _Change:
        ledger = read_table_ledger(table.name()[-1], current)
        if all(ledger.published.get(record.day) == record for record in records):
            return (), ()
        if main_snapshot(current) != head:
            raise PublishConflictError(f"table {'.'.join(current.name())}: main has moved from snapshot {head}")
        updates = (SetPropertiesUpdate(updates=published_properties(ledger, records)),)
        return (AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=head),), updates

    _commit(catalog, table, change)


def record_refusals(
    catalog: Catalog, table: Table, refusals: Sequence[RefusedDay], snapshot_id: int | None = None, drop: str = ""
) -> None:
    """Records refused days; `snapshot_id` is kept under each one's branch. `main` stays as it is."""

    def change(current: Table) -> _Change:
        ledger = read_table_ledger(table.name()[-1], current)
        standing = [item for item in refusals if not _overruled(ledger, item)]
        kept = {item.branch for item in standing if item.branch}
        old = [name for name in _branches_of(current, [item.day for item in standing]) if name not in kept]
        gone = [*old, drop] if drop in current.metadata.refs else old
        updates: list[TableUpdate] = []
        if standing:
            updates.append(SetPropertiesUpdate(updates=refused_properties(standing)))
        if snapshot_id is not None:
            updates += [_point(name, snapshot_id) for name in sorted(kept)]
        updates += [RemoveSnapshotRefUpdate(ref_name=name) for name in gone]
        return _unchanged(current, old), tuple(updates)

    _commit(catalog, table, change)


def _overruled(ledger: TableLedger, refusal: RefusedDay) -> bool:
    """Whether a person has published this very content since it was refused."""
    record = ledger.published.get(refusal.day)
    return bool(record and record.by_hand and record.content_id == refusal.content_id)


def lift_refusals(catalog: Catalog, table: Table, days: Sequence[RefusedDay]) -> tuple[RefusedDay, ...]:
    """Forgets refusals: of days whose files are again what is published, or that a person has dropped.

    A refusal is forgotten only while it is the one that was seen: where another run has refused the day again meanwhile, the
    newer refusal and its branch stay. Returns those that were forgotten.
    """
    lifted: list[RefusedDay] = []

    def change(current: Table) -> _Change:
        standing = read_table_ledger(table.name()[-1], current).refused
        still = [item for item in days if standing.get(item.day) == item]
        # One that is gone altogether was lifted by an attempt whose answer was lost.
        lifted[:] = [*still, *(item for item in lifted if item.day not in standing)]
        branches = _branches_of(current, [item.day for item in still])
        updates: list[TableUpdate] = [RemoveSnapshotRefUpdate(ref_name=name) for name in branches]
        if still:
            updates.append(RemovePropertiesUpdate(removals=[refused_property_name(item.day) for item in still]))
        return _unchanged(current, branches), tuple(updates)

    _commit(catalog, table, change)
    return tuple(lifted)


def _is_published(table: Table, snapshot_id: int) -> bool:
    head = table.metadata.snapshot_by_id(main_snapshot(table))
    return any(snapshot.snapshot_id == snapshot_id for snapshot in ancestors_of(head, table.metadata))


def _point(branch: str, snapshot_id: int) -> SetSnapshotRefUpdate:
    return SetSnapshotRefUpdate(
        ref_name=branch,
        type=SnapshotRefType.BRANCH,
        snapshot_id=snapshot_id,
        max_ref_age_ms=None,
        max_snapshot_age_ms=None,
        min_snapshots_to_keep=None,
    )


def _commit(catalog: Catalog, table: Table, change: Callable[[Table], _Change]) -> None:
    """Commits what `change` asks of the table's present state; asks again, after a pause, when another writer was faster.

    After an answer that got lost, `change` sees on the new state whether the commit went through: it must ask for nothing then.
    """
    backoff = Backoff()
    while True:
        current = catalog.load_table(table.name())
        requirements, updates = change(current)
        if not updates:
            return
        try:
            catalog.commit_table(current, (AssertTableUUID(uuid=current.metadata.table_uuid), *requirements), updates)
            return
        except (CommitFailedException, CommitStateUnknownException):
            if not backoff.pause():
                raise
