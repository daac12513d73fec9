"""Days put on a branch by their data files, without reading or writing a row.

What belongs here: replacing the files of days by those of another snapshot, or by none. What does not: which branch is
published (publish.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import In
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from ecommerce_platform.lakehouse.errors import PublishConflictError


def replace_days(
    table: Table, branch: str, days: Sequence[date], by_snapshot: int | None, properties: Mapping[str, str]
) -> int:
    """Replaces the days' files on the branch by those of a snapshot, or by none; returns the branch's new snapshot.

    Raises PublishConflictError when another writer came first.
    """
    if branch not in table.metadata.refs:
        raise PublishConflictError(f"branch {branch} is gone: another publication came first")
    head = table.metadata.refs[branch].snapshot_id
    try:
        with table.transaction() as transaction:
            update = transaction.update_snapshot(snapshot_properties=dict(properties), branch=branch)
            with update.overwrite() as files:
                for file in files_of_days(table, head, days):
                    files.delete_data_file(file)
                for file in files_of_days(table, by_snapshot, days) if by_snapshot is not None else ():
                    files.append_data_file(file)
    except (CommitFailedException, ValidationException, ValueError) as error:
        # Another publication has dropped the branch, or a snapshot on any branch took the sequence number (PyIceberg's
        # ValueError).
        raise PublishConflictError(f"branch {branch}: another writer came first: {error}") from error
    return table.metadata.refs[branch].snapshot_id


def files_of_days(table: Table, snapshot_id: int, days: Sequence[date]) -> list[DataFile]:
    """The data files of these days at a snapshot."""
    tasks = table.scan(row_filter=In(term="date", literals=set(days)), snapshot_id=snapshot_id).plan_files()
    return [task.file for task in tasks]
