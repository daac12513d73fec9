"""Which months of a table differ between two of its snapshots, and the files with their rows.

What belongs here: the difference of two snapshots of a table that is partitioned by month. What does not: what a load does with
it (spark_tables.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_platform.warehouse.load.lake_files import LakeFile, whole_table_files

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class ChangedMonths:
    """The months of `column`, by their first days, whose rows the older snapshot has in the files `before` and the current one
    in the files `after`. All other rows are the same in both.
    """

    column: str
    months: tuple[date, ...]
    before: tuple[LakeFile, ...]
    after: tuple[LakeFile, ...]


def changed_months(iceberg: Table, since: int) -> ChangedMonths | None:
    """What differs between the snapshot `since` and the current one; None where the table does not tell: a file is not one
    month's, or the snapshot has expired. None, too, where every month differs.
    """
    if iceberg.spec().is_unpartitioned() or iceberg.snapshot_by_id(since) is None:
        return None
    before, after = whole_table_files(iceberg, since), whole_table_files(iceberg)
    known = {file.month for file in (*before, *after) if file.month is not None}
    changed = {file.month for file in set(before) ^ set(after) if file.month is not None}
    if any(file.month is None for file in (*before, *after)) or changed == known:
        return None
    return ChangedMonths(
        str(iceberg.schema().find_column_name(iceberg.spec().fields[0].source_id)),
        tuple(date(1970 + month // 12, month % 12 + 1, 1) for month in sorted(changed)),
        _of(before, changed),
        _of(after, changed),
    )


def _of(files: Sequence[LakeFile], months: Collection[int]) -> tuple[LakeFile, ...]:
    return tuple(file for file in files if file.month in months)
