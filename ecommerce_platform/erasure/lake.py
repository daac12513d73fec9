"""The Iceberg tables without a person: in every snapshot, on every branch, in data files and in manifests.

What belongs here: one table's data files written again, the one commit that puts them in place, and the removal of what it
leaves. What does not: which rows (subject.py), and which tables (places.py).

Nothing of the old state may stay: old snapshots name old files, and a manifest that tells of a removed file holds its smallest
and largest texts. So one commit gives each branch a new snapshot with new manifests, records the days at it, and drops all other
snapshots. It requires that no branch has moved since. Then the files go that only the old state named; their names are written
down first, so that a killed erasure finds them again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError
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

from ecommerce_platform.erasure.errors import ErasureError
from ecommerce_platform.erasure.parquet import Change, count_rows, rewrite
from ecommerce_platform.lakehouse.backoff import Backoff
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.warehouse_files import StoredFile, files_below

#: Counts of what one commit changed; a snapshot that replaces files keeps the others, such as what a table was computed from.
_OF_A_COMMIT = ("added-", "deleted-", "removed-", "changed-", "operation", "manifests-", "entries-")


@dataclass(frozen=True)
class TableErasure:
    """One table's part: how its rows change, how a data file's partition does, and which properties go with the commit.

    `properties` is asked with the table and the new snapshot of `main`, and answers the same for the same state.
    """

    identifier: str
    change: Change
    properties: Callable[[Table, int], Mapping[str, str]] = lambda table, snapshot: {}
    partition: Callable[[Any], Any] = lambda partition: partition
    must_move: Callable[[Any], bool] = lambda partition: False
    must_commit: Callable[[Table], bool] = lambda table: False


@dataclass(frozen=True)
class Held:
    """What a table holds of the person: data files of any snapshot, and rows in them."""

    files: int
    rows: int


def held(table: Table, change: Change) -> Held:
    """Counted over all files of all snapshots, each once."""
    counts = [count_rows(_opened(table, file.file_path), change) for file in _data_files(table)]
    return Held(sum(count > 0 for count in counts), sum(counts))


def read_columns(table: Table, columns: Iterable[str]) -> Iterable[pa.Table]:
    """These columns of every data file of every snapshot; those that a file lacks are left out."""
    wanted = set(columns)
    for file in _data_files(table):
        parquet = pq.ParquetFile(_opened(table, file.file_path))
        yield parquet.read(columns=[name for name in parquet.schema_arrow.names if name in wanted])


def erase(
    catalog: Catalog, part: TableErasure, doom: Callable[[str, tuple[str, ...]], None], reached: Callable[[str], None]
) -> int:
    """Takes the person out of the table; how many files were written again. `doom` writes down what is to be removed."""
    backoff = Backoff()
    while True:
        table = catalog.load_table(part.identifier)
        try:
            done = _erase_once(catalog, table, part, doom, reached)
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
    doom: Callable[[str, tuple[str, ...]], None],
    reached: Callable[[str], None],
) -> int:
    touched = {
        file.file_path
        for file in _data_files(table)
        if part.must_move(file.partition) or count_rows(_opened(table, file.file_path), part.change)
    }
    if not touched and not part.must_commit(table) and not tells_of_removed_files(table):
        return 0
    before = reachable(table)
    new_files: dict[str, DataFile] = {}
    updates: list[TableUpdate] = []
    kept: list[str] = []
    refs = dict(sorted(table.metadata.refs.items(), key=lambda item: item[0] != MAIN_BRANCH))
    sequence, heads = getattr(table.metadata, "last_sequence_number", 0), {}
    for reference in refs.values():
        if reference.snapshot_id in heads:
            continue
        old = table.metadata.snapshot_by_id(reference.snapshot_id)
        if old is None:
            raise ErasureError(
                f"table {part.identifier}: a branch names snapshot {reference.snapshot_id}, which is lost"
            )
        entries = list(_live_entries(table, old))
        for entry in entries:
            path = entry.data_file.file_path
            if path in touched and path not in new_files:
                new_files[path] = _written_again(table, entry.data_file, part)
        sequence += 1
        snapshot, files = _snapshot(table, old, entries, new_files, sequence)
        kept += files
        heads[reference.snapshot_id] = snapshot.snapshot_id
        updates.append(AddSnapshotUpdate(snapshot=snapshot))
    reached(f"{part.identifier} written")
    updates += [
        SetSnapshotRefUpdate(
            ref_name=name,
            type=SnapshotRefType(reference.snapshot_ref_type),
            snapshot_id=heads[reference.snapshot_id],
            max_ref_age_ms=reference.max_ref_age_ms,
            max_snapshot_age_ms=reference.max_snapshot_age_ms,
            min_snapshots_to_keep=reference.min_snapshots_to_keep,
        )
        for name, reference in refs.items()
    ]
    properties = part.properties(table, heads[refs[MAIN_BRANCH].snapshot_id])
    if properties:
        updates.append(SetPropertiesUpdate(updates=dict(properties)))
    updates.append(RemoveSnapshotsUpdate(**{"snapshot-ids": [item.snapshot_id for item in table.metadata.snapshots]}))
    requirements: tuple[TableRequirement, ...] = (
        AssertTableUUID(uuid=table.metadata.table_uuid),
        *(AssertRefSnapshotId(ref=name, snapshot_id=reference.snapshot_id) for name, reference in refs.items()),
    )
    stays = {*kept, *(file.file_path for file in new_files.values())}
    stays |= {
        entry.data_file.file_path
        for entry in _all_live(table, refs.values())
        if entry.data_file.file_path not in touched
    }
    doom(part.identifier, tuple(sorted(before - stays)))
    reached(f"{part.identifier} doomed")
    catalog.commit_table(table, requirements, tuple(updates))
    reached(f"{part.identifier} committed")
    return len(new_files)


def remove_doomed(settings: Settings, catalog: Catalog, identifier: str, files: Iterable[str]) -> int:
    """Removes files that were named before the commit, if nothing names them now; how many there were."""
    table = catalog.load_table(identifier)
    named = reachable(table)
    present = {file.address for file in files_below(settings, table.location())}
    gone = [address for address in files if address not in named and _same(address, present)]
    for address in gone:
        _remove(table, address)
    return len(gone)


def unnamed(settings: Settings, table: Table) -> list[StoredFile]:
    """Files of the table's folder that its metadata does not name: what killed or lost writes left."""
    named = {_plain(address) for address in reachable(table)}
    lying = files_below(settings, f"{table.location()}/data") + files_below(settings, f"{table.location()}/metadata")
    return [file for file in lying if _plain(file.address) not in named and file.name.endswith((".parquet", ".avro"))]


def remove(table: Table, file: StoredFile) -> None:
    _remove(table, file.address)


def reachable(table: Table) -> set[str]:
    """Manifest lists, manifests and data files of all snapshots."""
    found: set[str] = set()
    for snapshot in table.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in found:
                found.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                found |= {entry.data_file.file_path for entry in entries}
    return found


def tells_of_removed_files(table: Table) -> bool:
    """Whether a manifest still has the smallest and largest texts of files that are gone."""
    for reference in table.metadata.refs.values():
        snapshot = table.metadata.snapshot_by_id(reference.snapshot_id)
        for manifest in snapshot.manifests(table.io) if snapshot else []:
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            if any(entry.status == ManifestEntryStatus.DELETED for entry in entries):
                return True
    return False


def load_if_present(catalog: Catalog, identifier: str) -> Table | None:
    """The table; None where it was never made."""
    try:
        return catalog.load_table(identifier)
    except (NoSuchTableError, NoSuchNamespaceError):
        return None


def _data_files(table: Table) -> list[DataFile]:
    """Every data file of every snapshot, once."""
    found: dict[str, DataFile] = {}
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                found.setdefault(entry.data_file.file_path, entry.data_file)
    return list(found.values())


def _live_entries(table: Table, snapshot: Snapshot) -> Iterable[ManifestEntry]:
    for manifest in snapshot.manifests(table.io):
        yield from manifest.fetch_manifest_entry(table.io, discard_deleted=True)


def _all_live(table: Table, references: Iterable[Any]) -> Iterable[ManifestEntry]:
    for snapshot_id in {reference.snapshot_id for reference in references}:
        snapshot = table.metadata.snapshot_by_id(snapshot_id)
        if snapshot is not None:
            yield from _live_entries(table, snapshot)


def _opened(table: Table, address: str) -> pa.NativeFile | Any:
    return table.io.new_input(address).open()


def _written_again(table: Table, file: DataFile, part: TableErasure) -> DataFile:
    """The file with the change, beside the old one; its statistics are those of what it holds now."""
    folder = file.file_path.rpartition("/")[0]
    address = f"{folder}/forget-{uuid.uuid4().hex}.parquet"
    content = BytesIO()
    with _opened(table, file.file_path) as source:
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
    table: Table, old: Snapshot, entries: Iterable[ManifestEntry], new_files: Mapping[str, DataFile], sequence: int
) -> tuple[Snapshot, list[str]]:
    """A snapshot with the rows of an old one; its manifests tell of no file that is gone. And the files that it consists of."""
    snapshot_id = uuid.uuid4().int >> 65
    folder, version = f"{table.location()}/metadata", table.metadata.format_version
    by_spec: dict[int, list[ManifestEntry]] = {}
    for entry in entries:
        by_spec.setdefault(entry.data_file.spec_id or 0, []).append(entry)
    manifests, files = [], []
    for spec_id, of_spec in sorted(by_spec.items()):
        address = f"{folder}/{uuid.uuid4()}-m{spec_id}.avro"
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
    listed = f"{folder}/snap-{snapshot_id}-0-{uuid.uuid4()}.avro"
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


def _remove(table: Table, address: str) -> None:
    table.io.delete(address)
    path = Path(_plain(address))
    if "://" not in _plain(address):  # Hadoop's checksum beside it
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def _plain(address: str) -> str:
    return (
        os.path.normpath(address.removeprefix("file://").removeprefix("file:"))
        if address.startswith(("file:", "/"))
        else address
    )


def _same(address: str, present: set[str]) -> bool:
    return _plain(address) in {_plain(item) for item in present}
