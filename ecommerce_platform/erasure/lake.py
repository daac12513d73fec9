"""What the Iceberg tables hold of a person, and the files that no snapshot names.

What belongs here: reading tables, snapshots and folders, and removing single files. What does not: changing a table
(lake_commit.py), and which rows (subject.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from ecommerce_platform.erasure.parquet import Change, count_rows
from ecommerce_platform.iceberg.warehouse_files import StoredFile, files_below
from ecommerce_platform.settings import S3Settings


@dataclass(frozen=True)
class Held:
    """What a table holds of the person: data files of any snapshot, and rows in them."""

    files: int
    rows: int


def held(table: Table, change: Change) -> Held:
    """Counted over all files of all snapshots, each once."""
    counts = [count_rows(opened(table, file.file_path), change) for file in data_files(table)]
    return Held(sum(count > 0 for count in counts), sum(counts))


def read_columns(table: Table, columns: Iterable[str]) -> Iterable[pa.Table]:
    """These columns of every data file of every snapshot; those that a file lacks are left out."""
    chosen = set(columns)
    for file in data_files(table):
        parquet = pq.ParquetFile(opened(table, file.file_path))
        yield parquet.read(columns=[name for name in parquet.schema_arrow.names if name in chosen])


def unnamed(s3: S3Settings, table: Table) -> list[StoredFile]:
    """Files of the table's folder that its metadata does not name: what killed or lost writes left."""
    named = {plain(address) for address in reachable(table)}
    lying = files_below(s3, f"{table.location()}/data") + files_below(s3, f"{table.location()}/metadata")
    return [file for file in lying if plain(file.address) not in named and file.name.endswith((".parquet", ".avro"))]


def reachable(table: Table) -> set[str]:
    """Manifest lists, manifests and data files of all snapshots."""
    addresses = {snapshot.manifest_list for snapshot in table.metadata.snapshots}
    for manifest in _manifests(table):
        addresses.add(manifest.manifest_path)
        addresses |= {entry.data_file.file_path for entry in _live(table, manifest)}
    return addresses


def _manifests(table: Table) -> Iterable[ManifestFile]:
    """The manifests of all snapshots, each once."""
    manifests = {
        manifest.manifest_path: manifest
        for snapshot in table.metadata.snapshots
        for manifest in snapshot.manifests(table.io)
    }
    return manifests.values()


def _live(table: Table, manifest: ManifestFile) -> list[ManifestEntry]:
    """What a manifest says of data files that are there."""
    return manifest.fetch_manifest_entry(table.io, discard_deleted=True)


def tells_of_removed_files(table: Table) -> bool:
    """Whether a manifest still has the smallest and largest texts of files that are gone."""
    for reference in table.metadata.refs.values():
        snapshot = table.metadata.snapshot_by_id(reference.snapshot_id)
        for manifest in snapshot.manifests(table.io) if snapshot else []:
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            if any(entry.status == ManifestEntryStatus.DELETED for entry in entries):
                return True
    return False


def data_files(table: Table) -> list[DataFile]:
    """Every data file of every snapshot, once."""
    files: dict[str, DataFile] = {}
    for manifest in _manifests(table):
        for entry in _live(table, manifest):
            files.setdefault(entry.data_file.file_path, entry.data_file)
    return list(files.values())


def live_entries(table: Table, snapshot: Snapshot) -> Iterable[ManifestEntry]:
    """What a snapshot's manifests say of its data files."""
    for manifest in snapshot.manifests(table.io):
        yield from _live(table, manifest)


def all_live_entries(table: Table, references: Iterable[Any]) -> Iterable[ManifestEntry]:
    """The same of all branches, each snapshot once."""
    for snapshot_id in {reference.snapshot_id for reference in references}:
        snapshot = table.metadata.snapshot_by_id(snapshot_id)
        if snapshot is not None:
            yield from live_entries(table, snapshot)


def opened(table: Table, address: str) -> pa.NativeFile | Any:
    """A file of the table, open for reading."""
    return table.io.new_input(address).open()


def remove_file(table: Table, address: str) -> None:
    """Removes the file, and Hadoop's checksum beside it."""
    table.io.delete(address)
    path = Path(plain(address))
    if "://" not in plain(address):
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def remove_doomed(
    s3: S3Settings, catalog: Catalog, identifier: str, files: Iterable[str], tokens: Iterable[str]
) -> int:
    """Removes files that were named before the commit, and those of tries (their names hold a token) that were killed before
    theirs, if nothing names them now; how many there were.
    """
    table = catalog.load_table(identifier)
    named = {plain(address) for address in reachable(table)}
    doomed = {plain(address) for address in files}
    tries = tuple(tokens)
    gone = [
        file.address
        for file in files_below(s3, table.location())
        if (address := plain(file.address)) not in named
        and (address in doomed or any(token in file.name for token in tries))
    ]
    for address in gone:
        remove_file(table, address)
    return len(gone)


def plain(address: str) -> str:
    """An address by which two spellings of one local path are equal."""
    return (
        os.path.normpath(address.removeprefix("file://").removeprefix("file:"))
        if address.startswith(("file:", "/"))
        else address
    )
