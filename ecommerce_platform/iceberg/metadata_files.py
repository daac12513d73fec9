"""The metadata files that lie in a table's folder, and the history that they prove, whatever a catalog says.

What belongs here: which files there are, which of them were built upon, and whether they are the catalog's own. What does not:
identity of a warehouse (installation.py), and bringing tables back (iceberg/register.py).

Each commit writes `<version>-<uuid>.metadata.json`, names in it the files before it, and moves the catalog's pointer to it. A
commit that loses, or is killed, leaves a file that no other one names. So a file that another one names as its predecessor was
committed in some catalog; and two files beyond the catalog's own were never left by one lost commit.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.warehouse_files import files_below, folders_in, read_file
from ecommerce_platform.settings import S3Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

_NAME = re.compile(r"^(?:v)?(\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json(?:\.gz)?$")
REGISTER = "ecommerce-platform lakehouse register"


class LostTableError(RuntimeError):
    """The catalog lacks a table, or the newest state of one, whose metadata lies in the warehouse."""


@dataclass(frozen=True)
class MetadataFile:
    """A readable metadata file: its address, version, content, and the name of the file that it was built upon."""

    address: str
    version: int
    metadata: TableMetadata

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def predecessor(self) -> str | None:
        log = self.metadata.metadata_log
        return _name(log[-1].metadata_file) if log else None

    @property
    def has_history(self) -> bool:
        """Whether anything was ever committed to the table: one that was only created can be created again."""
        return self.version > 0 or bool(self.metadata.snapshots)


def _name(address: str) -> str:
    return address.rpartition("/")[2]


def version_of(address: str) -> int | None:
    """The number of the commit that wrote the file; None for a file that is not a metadata file."""
    matched = _NAME.match(_name(address))
    return int(matched[1]) if matched else None


def metadata_addresses(s3: S3Settings, folder: str) -> list[str]:
    """The metadata files of a table's metadata folder, oldest version first."""
    addresses = [file.address for file in files_below(s3, folder, recursive=False)]
    return sorted(
        (address for address in addresses if version_of(address) is not None), key=lambda a: (version_of(a), a)
    )


def read_metadata(s3: S3Settings, address: str) -> MetadataFile | None:
    """The file's content; None for one that is gone or was cut off while it was written."""
    from pyiceberg.exceptions import ValidationError
    from pyiceberg.table.metadata import TableMetadataUtil

    content = read_file(s3, address)
    if content is None:
        return None
    try:
        # By the name, as Iceberg's libraries do: what they cannot read is not part of a table's state.
        text = gzip.decompress(content) if ".gz" in _name(address) else content
        metadata = TableMetadataUtil.parse_raw(text.decode())
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, ValidationError):
        return None
    return MetadataFile(address, version_of(address) or 0, metadata)


def candidate_folders(lake: Lake, catalog: Catalog | None, identifier: str) -> list[str]:
    """Where the catalog would put the table: `<warehouse>/<namespace>/<table>`, in Hive's way with `.db`, or below the
    namespace's own location. None where the warehouse is a name of the catalog's service, which owns the places.
    """
    root = lake.root
    namespace, _, table = identifier.partition(".")
    folders = [f"{root}/{namespace}/{table}", f"{root}/{namespace}.db/{table}"] if root else []
    if catalog is not None:
        from pyiceberg.exceptions import NoSuchNamespaceError

        try:
            location = catalog.load_namespace_properties(namespace).get("location")
        except NoSuchNamespaceError:
            location = None
        if location:
            folders.append(f"{location.rstrip('/')}/{table}")
    return list(dict.fromkeys(folders))


def history_in(lake: Lake, folder: str) -> str | None:
    """The newest metadata file of a table with a history in this folder; None where no such table lies there."""
    addresses = metadata_addresses(lake.s3, f"{folder}/metadata")
    if not addresses:
        return None
    if (version_of(addresses[-1]) or 0) > 0:
        return addresses[-1]
    read = [read_metadata(lake.s3, address) for address in addresses]
    return next((file.address for file in read if file is not None and file.has_history), None)


def tables_lying(lake: Lake) -> dict[str, str]:
    """Tables with a history in the warehouse's folders of the platform's namespaces: `namespace.table` to its folder."""
    tables = {}
    for namespace in lake.namespaces if lake.root else ():
        for parent in (f"{lake.root}/{namespace}", f"{lake.root}/{namespace}.db"):
            for folder in folders_in(lake.s3, parent):
                if history_in(lake, folder):
                    tables[f"{namespace}.{_name(folder)}"] = folder
    return tables


def tables_of(catalog: Catalog, namespace: str) -> set[str]:
    """The tables of a namespace that the catalog knows, as `namespace.table`; none where it lacks the namespace."""
    from pyiceberg.exceptions import NoSuchNamespaceError

    try:
        return {".".join(name) for name in catalog.list_tables(namespace)}
    except NoSuchNamespaceError:
        return set()


def refuse_lost_table(lake: Lake, catalog: Catalog, identifier: str) -> None:
    """Raises LostTableError when the catalog lacks this table and its metadata lies where the table would be made.

    Asks the catalog once more after looking: another process may have made the table meanwhile.
    """
    for folder in candidate_folders(lake, catalog, identifier):
        newest = history_in(lake, folder)
        if newest and identifier not in tables_of(catalog, identifier.partition(".")[0]):
            raise LostTableError(
                f"the catalog has no table {identifier}, but its metadata lies in the warehouse ({newest}): the catalog was "
                f"lost, or is another one, and a new table in this folder would make orphans of all files of the old one. Run "
                f"`{REGISTER}` to bring the table back, or restore the catalog from a backup; where the table is no longer "
                f"wanted, move the folder {folder} away"
            )


def refuse_newer_metadata(lake: Lake, catalog: Catalog, table: Table) -> Table:
    """The table as it is now. Raises LostTableError when its folder holds later commits than the catalog knows: the catalog
    was put back from an older copy.

    One file beyond the catalog's may be a commit under way, or killed; a second one was built upon the first. The catalog is
    asked after the folder, so that commits meanwhile are not newer history.
    """
    newest = _newest(lake, table)
    if newest is None or not _is_beyond(newest, table):
        return table
    table = catalog.load_table(table.name())
    if _is_beyond(newest, table):
        raise LostTableError(stale(table, newest))
    return table


def sound_table(lake: Lake, catalog: Catalog, identifier: str) -> Table | None:
    """The table, to write to; None where it is still to be made.

    Raises LostTableError when its folder holds a table, or later commits, that the catalog does not know.
    """
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    try:
        table = catalog.load_table(identifier)
    except (NoSuchTableError, NoSuchNamespaceError):
        refuse_lost_table(lake, catalog, identifier)
        return None
    return refuse_newer_metadata(lake, catalog, table)


def _newest(lake: Lake, table: Table) -> str | None:
    if lake.root is None:
        return None
    addresses = metadata_addresses(lake.s3, table.metadata_location.rpartition("/")[0])
    return addresses[-1] if addresses else None


def _is_beyond(newest: str, table: Table) -> bool:
    current = version_of(table.metadata_location)
    return current is not None and (version_of(newest) or 0) > current + 1


def stale(table: Table, newest: str) -> str:
    """What is wrong with a table whose folder holds later commits, and what to do."""
    return (
        f"table {'.'.join(table.name())}: the catalog knows {_name(table.metadata_location)}, and {_name(newest)} lies beside: "
        f"the catalog was put back from an older copy, or the table was made again in the folder of another one. Run "
        f"`{REGISTER}` to take the newest metadata, before anything is written or removed"
    )


def foreign_files(lake: Lake, table: Table) -> list[MetadataFile]:
    """Metadata files in the table's folder that are not part of its history, and that some catalog has committed: of another
    table (another uuid, with a history), or of later or other commits of this one, which others of them were built upon.

    A file that a lost or killed commit left is none: nothing was built upon it.
    """
    folder = table.metadata_location.rpartition("/")[0]
    own = {_name(entry.metadata_file) for entry in table.metadata.metadata_log} | {_name(table.metadata_location)}
    foreign = [address for address in metadata_addresses(lake.s3, folder) if _name(address) not in own]
    read = [file for file in (read_metadata(lake.s3, address) for address in foreign) if file is not None]
    built_upon = {file.predecessor for file in read}
    chained = {file.name for file in read if file.name in built_upon}
    return [
        file
        for file in read
        if (file.metadata.table_uuid != table.metadata.table_uuid and file.has_history)
        or file.name in chained
        or file.predecessor in chained
    ]


def heads(files: Sequence[MetadataFile]) -> list[MetadataFile]:
    """The last file of each table and line of commits, the furthest first."""
    built_upon = {file.predecessor for file in files}
    last = [file for file in files if file.name not in built_upon]
    return sorted(last, key=lambda file: (file.version, file.metadata.last_updated_ms, file.name), reverse=True)
