"""Brings tables back into the catalog from the metadata files that lie in the warehouse.

What belongs here: which metadata file is a table's newest, and giving it to the catalog. What does not: when that is needed
(iceberg/installation.py, operations/doctor.py).

A table's metadata holds its schema, all snapshots and branches, and the day ledger: with it, everything is as it was. A table
that the catalog knows in its newest state is left alone, so that the command may be run at any time, and again after it was
killed. Afterwards warehouse and catalog have a new id: a catalog that had the warehouse before is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from ecommerce_platform.iceberg.installation import (
    ForeignWarehouseError,
    read_marker,
    recorded_id,
    take_over,
)
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import (
    MetadataFile,
    heads,
    metadata_addresses,
    read_metadata,
    tables_lying,
    tables_of,
    version_of,
)
from ecommerce_platform.iceberg.warehouse_files import read_file, set_aside

REGISTERED, REPLACED, KNOWN, UNDECIDED = "registered", "put forward", "as it was", "not decided"


class RegisterError(RuntimeError):
    """Tables cannot be brought back as asked; nothing was changed."""


@dataclass(frozen=True)
class Registration:
    """What became of a table, or would: its metadata file, how many snapshots that has, and when it was written (UTC)."""

    table: str
    outcome: str
    metadata: str
    snapshots: int
    written: str
    remark: str = ""


@dataclass(frozen=True)
class _Plan:
    table: str
    outcome: str
    chosen: MetadataFile | None
    remark: str = ""
    set_aside: tuple[str, ...] = ()


def register(
    lake: Lake, *, chosen: Mapping[str, str] | None = None, take: bool = False, dry_run: bool = False
) -> list[Registration]:
    """Gives the catalog every table that lies in the warehouse and that it lacks, or knows in an older state only.

    `chosen` maps a table to the metadata file to take where several histories lie in one folder. `take` agrees that a warehouse
    of another catalog becomes this one's; the metadata files of what was not chosen are renamed.

    Raises RegisterError, before anything is changed, when that agreement is missing, or a chosen file is none of the table's.
    """
    if lake.section.catalog_type == "hadoop" or lake.root is None:
        raise RegisterError(
            "there is no folder to look at: a hadoop catalog is its own folder, and a REST catalog whose warehouse is a name "
            "keeps its places to itself; use that service's own backup"
        )
    catalog = lake.catalog
    _refuse_without_agreement(lake, catalog, take)
    lying = tables_lying(lake)
    unknown = sorted(set(chosen or {}) - set(lying))
    if unknown:
        raise RegisterError(f"no table {', '.join(unknown)} lies in {lake.root}; there are {', '.join(lying)}")
    chosen_files = chosen or {}
    plans = [_plan(lake, catalog, table, folder, chosen_files.get(table)) for table, folder in sorted(lying.items())]
    if not dry_run:
        changed = [plan for plan in plans if plan.outcome in (REGISTERED, REPLACED)]
        for plan in changed:
            _apply(catalog, plan)
        for address in (address for plan in plans for address in plan.set_aside):
            set_aside(lake.s3, address)
        if changed or not _belong_together(lake, catalog):
            take_over(lake, catalog)
    return [_report(plan) for plan in plans]


def _belong_together(lake: Lake, catalog: Catalog) -> bool:
    try:
        marker = read_marker(lake)
    except ForeignWarehouseError:
        return False
    return marker is not None and marker.id == recorded_id(lake, catalog)


def _refuse_without_agreement(lake: Lake, catalog: Catalog, take: bool) -> None:
    try:
        marker = read_marker(lake)
    except ForeignWarehouseError:
        marker = None
    if take or marker is None or marker.catalog == lake.address:
        return
    if marker.id != recorded_id(lake, catalog):
        raise RegisterError(
            f"the warehouse {lake.root} belongs to the installation with the catalog {marker.catalog}, and this "
            f"one has {lake.address}: two catalogs that write one warehouse destroy it. If that catalog "
            "is gone for good, run the command with --take-over; the other catalog is refused from then on"
        )


def _plan(lake: Lake, catalog: Catalog, table: str, folder: str, chosen: str | None) -> _Plan:
    """What to do with one table. One that needs a person is left as it is, and does not stop the others."""
    addresses = metadata_addresses(lake.s3, f"{folder}/metadata")
    files = [file for file in (read_metadata(lake.s3, address) for address in addresses) if file is not None]
    with_history = [file for file in files if file.has_history]
    if not with_history:
        return _Plan(table, UNDECIDED, None, f"none of the {len(addresses)} metadata files in {folder} can be read")
    if chosen is not None:
        pick = _chosen(table, with_history, chosen)
        line = {file.name for file in _line(pick, {file.name: file for file in files})}
        aside = tuple(file.address for file in with_history if file.name not in line)
    else:
        ends, aside = heads(with_history), ()
        pick, others = ends[0], _histories(with_history, ends)
        if len(others) > 1:
            names = "; ".join(_described(file) for file in others)
            return _Plan(table, UNDECIDED, pick, f"{len(others)} histories lie in {folder}: {names}")
    if trouble := _unusable(lake, folder, pick):
        return _Plan(table, UNDECIDED, pick, trouble)
    remark = "" if len(files) == len(addresses) else f"{len(addresses) - len(files)} metadata files cannot be read"
    return _Plan(table, _outcome(catalog, table, pick, with_history), pick, remark, aside)


def _histories(files: list[MetadataFile], ends: list[MetadataFile]) -> list[MetadataFile]:
    """The ends of the histories that were committed: of each table the furthest, and others that two commits or more lead to
    from where they part. A single file beside is what a lost commit left."""
    by_name = {file.name: file for file in files}
    main: set[str] = set()
    histories: list[MetadataFile] = []
    for end in ends:
        line = list(_line(end, by_name))
        own = [file for file in line if file.name not in main]
        is_first_of_table = all(other.metadata.table_uuid != end.metadata.table_uuid for other in histories)
        if is_first_of_table or len(own) > 1:
            histories.append(end)
        main |= {file.name for file in line}
    return histories


def _line(end: MetadataFile, by_name: Mapping[str, MetadataFile]) -> Iterator[MetadataFile]:
    file: MetadataFile | None = end
    while file is not None:
        yield file
        file = by_name.get(file.predecessor or "")


def _described(file: MetadataFile) -> str:
    return f"{file.name} ({len(file.metadata.snapshots)} snapshots, written {_written(file)})"


def _chosen(table: str, files: list[MetadataFile], chosen: str) -> MetadataFile:
    for file in files:
        if chosen in (file.name, file.address):
            return file
    names = ", ".join(file.name for file in heads(files))
    raise RegisterError(f"table {table} has no readable metadata file {chosen}; the newest are {names}")


def _unusable(lake: Lake, folder: str, file: MetadataFile) -> str:
    """Iceberg writes whole addresses: metadata that was copied elsewhere still names the old place."""
    if _path(file.metadata.location) != _path(folder):
        return (
            f"{file.address} is of a table at {file.metadata.location}, not of {folder}; a warehouse can only be registered "
            "where it was written: copy it back to that address, or set ECOMMERCE_LAKEHOUSE__WAREHOUSE to it"
        )
    snapshot = file.metadata.snapshot_by_id(file.metadata.current_snapshot_id or -1)
    if snapshot is not None and read_file(lake.s3, snapshot.manifest_list) is None:
        return f"{file.address} names {snapshot.manifest_list}, which is lost: restore that file, or choose earlier metadata"
    return ""


def _path(address: str) -> str:
    scheme, separator, path = address.rpartition("://")
    return f"{scheme}{separator}{path}".removeprefix("file://").removeprefix("file:").rstrip("/")


def _outcome(catalog: Catalog, table: str, pick: MetadataFile, files: list[MetadataFile]) -> str:
    """A file right after the catalog's own is of a commit that is under way, or was killed: it is not put forward."""
    if table not in tables_of(catalog, table.partition(".")[0]):
        return REGISTERED
    known = _load(catalog, table)
    if known is None:
        return REPLACED
    line = {file.name for file in _line(pick, {file.name: file for file in files})}
    version = version_of(known.metadata_location) or 0
    return KNOWN if known.metadata_location.rpartition("/")[2] in line and pick.version <= version + 1 else REPLACED


def _load(catalog: Catalog, table: str) -> Table | None:
    """None for a table whose metadata file is lost: the catalog has its name, and nothing behind it."""
    try:
        return catalog.load_table(table)
    except FileNotFoundError:
        return None


def _apply(catalog: Catalog, plan: _Plan) -> None:
    assert plan.chosen is not None, "only a table with metadata is registered"
    catalog.create_namespace_if_not_exists(plan.table.partition(".")[0])
    if plan.outcome == REPLACED:
        # A killed command leaves the table out of the catalog; the next one registers it.
        with suppress(NoSuchTableError):
            catalog.drop_table(plan.table)
    catalog.register_table(plan.table, plan.chosen.address)


def _written(file: MetadataFile) -> str:
    return f"{datetime.fromtimestamp(file.metadata.last_updated_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _report(plan: _Plan) -> Registration:
    file = plan.chosen
    if file is None:
        return Registration(plan.table, plan.outcome, "", 0, "", plan.remark)
    return Registration(plan.table, plan.outcome, file.name, len(file.metadata.snapshots), _written(file), plan.remark)
