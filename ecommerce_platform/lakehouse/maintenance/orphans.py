"""Removes files that no snapshot of a table names, if their origin is known.

What belongs here: the reasons not to, and the removal. What does not: the rest of maintenance (work.py).

A file may be an orphan because a write was killed; it then belongs to nobody. Or because the catalog does not know the history
that it belongs to: the catalog was lost, put back from an old copy, or is another installation's. Nothing is removed, rewritten
or expired in a table whose folder holds commits that are not its own; and where more of a table's data files than a set share
look like orphans, a person decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from pyiceberg.table import Table
from pyspark.sql import SparkSession

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import REGISTER, MetadataFile, foreign_files, version_of
from ecommerce_platform.iceberg.warehouse_files import SET_ASIDE, files_below
from ecommerce_platform.lakehouse.errors import LakehouseError
from ecommerce_platform.settings.addresses import is_s3

SHARE = "ECOMMERCE_LAKEHOUSE__MAX_ORPHAN_SHARE"
_LISTED = 3
#: One killed write of one file does not justify an alarm, however small the table.
_ALWAYS_REMOVED = 1


class OrphanError(LakehouseError):
    """Files of a table would be removed, rewritten or expired although they may belong to a history that the catalog lacks."""


def refuse_foreign_history(lake: Lake, table: Table) -> None:
    """Raises OrphanError when the table's folder holds committed metadata that is not of its own history."""
    foreign = foreign_files(lake, table)
    if foreign:
        raise OrphanError(_of_another_history(table, foreign))


def _of_another_history(table: Table, foreign: Sequence[MetadataFile]) -> str:
    names = _first([file.name for file in foreign])
    other = any(file.metadata.table_uuid != table.metadata.table_uuid for file in foreign)
    kind = "another table" if other else "other commits"
    return (
        f"table {'.'.join(table.name())}: {len(foreign)} metadata files of {kind} than the catalog knows lie in "
        f"{table.location()} ({names}); their data files look like orphans and are none. Nothing of the table was removed, "
        f"expired or compacted. `{REGISTER} --dry-run` says what lies there; decide which history is the right one"
    )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")


def remove_orphans(spark: SparkSession, lake: Lake, table: Table, older_than: datetime, *, dry_run: bool) -> int:
    """Removes the files that no snapshot names and that are older; how many. Raises OrphanError when there are too many."""
    orphans = _orphans(spark, lake, table, older_than, dry_run=True)
    if not orphans:
        return 0
    refuse_large_share(lake, table, orphans)
    # What is older than the same moment grows by nothing between the two looks: it is the same list.
    return len(orphans if dry_run else _orphans(spark, lake, table, older_than, dry_run=False))


def refuse_large_share(lake: Lake, table: Table, orphans: Collection[str]) -> None:
    """Raises OrphanError when the orphans are more of the table's data files than the settings allow."""
    data = [address for address in orphans if _is_data(address)]
    if len(data) <= _ALWAYS_REMOVED:
        return
    everything = sum(1 for file in files_below(lake.s3, table.location()) if _is_data(file.address))
    most = lake.section.max_orphan_share
    if Decimal(len(data)) > most * everything:
        raise OrphanError(
            f"table {'.'.join(table.name())}: {len(data)} of {everything} data files in {table.location()} are named by no "
            f"snapshot, more than the share of {most} that maintenance removes by itself, so none was removed "
            f"({_first(sorted(data))}). Expected are the leftovers of killed writes. Look whether the catalog is the right one "
            f"and up to date (`ecommerce-platform doctor`); if these files may go, run maintenance once with {SHARE}=1"
        )


def _is_data(address: str) -> bool:
    return version_of(address) is None and not address.endswith((".avro", SET_ASIDE))


def _orphans(spark: SparkSession, lake: Lake, table: Table, older_than: datetime, *, dry_run: bool) -> list[str]:
    """The addresses that Iceberg's procedure finds, and removes. Names are the platform's own, values are times."""
    arguments = [f"older_than => timestamp '{older_than:%Y-%m-%d %H:%M:%S}'", f"dry_run => {str(dry_run).lower()}"]
    if is_s3(table.location()):
        # Hadoop knows no s3://; Iceberg's own listing does.
        arguments.append("prefix_listing => true")
    name, catalog = ".".join(table.name()), lake.section.catalog_name
    rows = spark.sql(
        f"call `{catalog}`.system.remove_orphan_files(table => '{name}', {', '.join(arguments)})"
    ).collect()
    return [row[0] for row in rows]
