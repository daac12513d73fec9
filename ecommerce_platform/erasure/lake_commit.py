"""The Iceberg tables without a person: in every snapshot, on every branch, in data files and in manifests.

What belongs here: one table's data files written again, the one commit that puts them in place, and the removal of what it
leaves. What does not: which rows (subject.py), and which tables (plan.py).

Nothing of the old state may stay: old snapshots name old files, and a manifest that names a removed file holds its smallest
and largest texts. So one commit gives each branch a new snapshot with new manifests, records the days at it, and drops all other
snapshots. It requires that no branch has moved since. Then the files go that only the old state named; their names are written
down first, so that a killed erasure finds them again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import (
    DataFile,
    ManifestEntry,
    ManifestEntryStatus,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
    TableUpdate,
)
from pyiceberg.typedef import Record

from ecommerce_platform.erasure.errors import ErasureError
from ecommerce_platform.erasure.lake import (
    all_live_entries,
    data_files,
    live_entries,
    opened,
    reachable,
    tells_of_removed_files,
)
from ecommerce_platform.erasure.parquet import Change, count_rows, rewrite
from ecommerce_platform.iceberg.backoff import Backoff

#: Counts of what one commit changed; a snapshot that replaces files keeps the others, such as what a table was computed from.
_OF_A_COMMIT = ("added-", "deleted-", "removed-", "changed-", "operation", "manifests-", "entries-")


@dataclass(frozen=True)
class TableErasure:
    """One table's part: how its rows change, how a data file's partition does, and which properties go with the commit.

    `properties` is asked with the table, the new snapshot of `main`, and the partitions whose files are written again; it answers
    the same for the same state.
    """

    identifier: str
    change: Change
    properties: Callable[[Table, int, Sequence[Record]], Mapping[str, str]] = lambda table, snapshot, partitions: {}
    partition: Callable[[Any], Any] = lambda partition: partition
    must_move: Callable[[Any], bool] = lambda partition: False
    must_commit: Callable[[Table], bool] = lambda table: False


class Journal(Protocol):
    """Where a try writes down which files have to go, before anything can keep it from removing them."""

    def begins(self, identifier: str, token: str) -> None:
        """Files of the table with this text in their names are a try's own: without a commit nothing names them."""

    def dooms(self, identifier: str, files: tuple[str, ...]) -> None:
        """Once the table is committed, nothing names these files."""


def erase(catalog: Catalog, part: TableErasure, journal: Journal, reached: Callable[[str], None]) -> int:
    """Takes the person out of the table; how many files were written again. Raises ErasureError when others keep writing it."""
    backoff = Backoff()
    while True:
        table = catalog.load_table(part.identifier)
        try:
            done = _erase_once(catalog, table, part, journal, reached)
            break
        except CommitFailedException:
            if not backoff.pause():
                raise ErasureError(
                    f"table {part.identifier} was written during each attempt; let runs end, then run the command again"
                ) from None
    return done


def _erase_once(
    catalog: Catalog,
    table: Table,
    part: TableErasure,
    journal: Journal,
    reached: Callable[[str], None],
) -> int:
    touched = {
        file.file_path
        for file in data_files(table)
        if part.must_move(file.partition) or count_rows(opened(table, file.file_path), part.change)
    }
    if not touched and not part.must_commit(table) and not tells_of_removed_files(table):
        return 0
    before, refs = reachable(table), table.metadata.refs
    token = uuid.uuid4().hex
    journal.begins(part.identifier, token)
    reached(f"{part.identifier} begun")
    new = _new_snapshots(table, part, touched, token)
    reached(f"{part.identifier} written")
    stays = {*new.manifests, *(file.file_path for file in new.files.values())}
    live = (entry.data_file.file_path for entry in all_live_entries(table, refs.values()))
    stays |= {path for path in live if path not in touched}
    journal.dooms(part.identifier, tuple(sorted(before - stays)))
    reached(f"{part.identifier} doomed")
    requirements: tuple[TableRequirement, ...] = (
        AssertTableUUID(uuid=table.metadata.table_uuid),
        *(AssertRefSnapshotId(ref=name, snapshot_id=reference.snapshot_id) for name, reference in refs.items()),
    )
    catalog.commit_table(table, requirements, _updates(table, part, new))
    reached(f"{part.identifier} committed")
    return len(new.files)


@dataclass(frozen=True)
class _New:
    """What an erasure has written for one table: snapshots by the one that each follows, data files by the one that each
    replaces, and the addresses of all manifests and lists.
    """

    snapshots: Mapping[int, Snapshot]
    files: Mapping[str, DataFile]
    manifests: tuple[str, ...]


def _new_snapshots(table: Table, part: TableErasure, touched: set[str], token: str) -> _New:
    """A snapshot for the end of each branch, that of `main` first; files that branches share are written once. The names of all
    files hold `token`.
    """
    files: dict[str, DataFile] = {}
    snapshots: dict[int, Snapshot] = {}
    manifests: list[str] = []
    sequence = getattr(table.metadata, "last_sequence_number", 0)
    for name in sorted(table.metadata.refs, key=lambda name: (name != MAIN_BRANCH, name)):
        snapshot_id = table.metadata.refs[name].snapshot_id
        if snapshot_id in snapshots:
            continue
        old = table.metadata.snapshot_by_id(snapshot_id)
        if old is None:
            raise ErasureError(f"table {part.identifier}: branch {name} names snapshot {snapshot_id}, which is lost")
        entries = list(live_entries(table, old))
        for file in (entry.data_file for entry in entries):
            if file.file_path in touched and file.file_path not in files:
                files[file.file_path] = _written_again(table, file, part, token)
        sequence += 1
        snapshots[snapshot_id], written = _snapshot(table, old, entries, files, sequence, token)
        manifests += written
    return _New(snapshots, files, tuple(manifests))


def _updates(table: Table, part: TableErasure, new: _New) -> tuple[TableUpdate, ...]:
    """The commit: the new snapshots, every branch at its own, the ledger, and no other snapshot any more."""
    refs = table.metadata.refs
    updates: list[TableUpdate] = [AddSnapshotUpdate(snapshot=snapshot) for snapshot in new.snapshots.values()]
    updates += [
        SetSnapshotRefUpdate(
            ref_name=name,
            type=SnapshotRefType(reference.snapshot_ref_type),
            snapshot_id=new.snapshots[reference.snapshot_id].snapshot_id,
            max_ref_age_ms=reference.max_ref_age_ms,
            max_snapshot_age_ms=reference.max_snapshot_age_ms,
            min_snapshots_to_keep=reference.min_snapshots_to_keep,
        )
        for name, reference in refs.items()
    ]
    main = new.snapshots[refs[MAIN_BRANCH].snapshot_id].snapshot_id
    if properties := part.properties(table, main, [file.partition for file in new.files.values()]):
        updates.append(SetPropertiesUpdate(updates=dict(properties)))
    old = [snapshot.snapshot_id for snapshot in table.metadata.snapshots]
    return (*updates, RemoveSnapshotsUpdate(**{"snapshot-ids": old}))


def _written_again(table: Table, file: DataFile, part: TableErasure, token: str) -> DataFile:
    """The file with the change, beside the old one; its statistics are those of what it holds now."""
    folder = file.file_path.rpartition("/")[0]
    address = f"{folder}/forget-{token}-{uuid.uuid4().hex}.parquet"
    content = BytesIO()
    with opened(table, file.file_path) as source:
        rewrite(source, content, part.change)
    with table.io.new_output(address).create() as sink:
        sink.write(content.getvalue())
    schema = table.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=pq.read_metadata(BytesIO(content.getvalue())),
        stats_columns=compute_statistics_plan(schema, table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=file.content,
        file_path=address,
        file_format=file.file_format,
        partition=part.partition(file.partition),
        file_size_in_bytes=len(content.getvalue()),
        sort_order_id=file.sort_order_id,
        spec_id=file.spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _snapshot(
    table: Table,
    old: Snapshot,
    entries: Iterable[ManifestEntry],
    new_files: Mapping[str, DataFile],
    sequence: int,
    token: str,
) -> tuple[Snapshot, list[str]]:
    """A snapshot with the rows of an old one; its manifests name no file that is gone. And the files that it consists of."""
    snapshot_id = uuid.uuid4().int >> 65
    folder, version = f"{table.location()}/metadata", table.metadata.format_version
    by_spec: dict[int, list[ManifestEntry]] = {}
    for entry in entries:
        by_spec.setdefault(entry.data_file.spec_id or 0, []).append(entry)
    manifests, files = [], []
    for spec_id, of_spec in sorted(by_spec.items()):
        address = f"{folder}/{token}-{snapshot_id}-m{spec_id}.avro"
        files.append(address)
        with write_manifest(
            format_version=version,
            spec=table.specs()[spec_id],
            schema=table.schema(),
            output_file=table.io.new_output(address),
            snapshot_id=snapshot_id,
            avro_compression="deflate",
        ) as writer:
            for entry in of_spec:
                new = new_files.get(entry.data_file.file_path)
                if new is None:
                    writer.existing(entry)
                else:
                    writer.add(
                        ManifestEntry.from_args(
                            status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=new
                        )
                    )
        manifests.append(writer.to_manifest_file())
    listed = f"{folder}/snap-{snapshot_id}-0-{token}.avro"
    with write_manifest_list(
        format_version=version,
        output_file=table.io.new_output(listed),
        snapshot_id=snapshot_id,
        parent_snapshot_id=None,
        sequence_number=sequence,
        avro_compression="deflate",
    ) as lists:
        lists.add_manifests(manifests)
    properties = dict(old.summary.additional_properties) if old.summary else {}
    properties = {name: value for name, value in properties.items() if not name.startswith(_OF_A_COMMIT)}
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=None,
        manifest_list=listed,
        sequence_number=sequence,
        summary=Summary(Operation.REPLACE, **properties),
        schema_id=table.metadata.current_schema_id,
    )
    return snapshot, [*files, listed]
