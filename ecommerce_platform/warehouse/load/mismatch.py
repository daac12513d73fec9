"""What arrived is not what was published: which day, expected and found, and what is to blame.

What belongs here: the error and its explanation. What does not: the comparison (days.py, spark_tables.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ecommerce_platform.contracts import Contract
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.load.lake_files import FileGroup, LakeFile, contents_by_day
from ecommerce_platform.warehouse.sql.connection import WarehouseError

#: Of a day's files as many are named in a message.
_FILES_NAMED = 4


class ContentMismatch(WarehouseError):
    """What arrived in a table is not what the lakehouse published; nothing was committed.

    `differences` are what was expected and what arrived, by day.
    """

    def __init__(self, table: str, differences: Mapping[date, tuple[Content, Content]]) -> None:
        self.differences = dict(differences)
        listed = "; ".join(f"{day}: {problem}" for day, problem in self.problems.items())
        super().__init__(f"{table} would differ from Iceberg, so nothing was committed: {listed}")

    @property
    def problems(self) -> dict[date, str]:
        """What is wrong, by day."""
        return {
            day: f"Iceberg has {expected}; Snowflake got {arrived}"
            for day, (expected, arrived) in self.differences.items()
        }


def explained(
    mismatch: ContentMismatch,
    groups: Sequence[FileGroup],
    contract: Contract,
    files: Mapping[date, Sequence[LakeFile]],
) -> dict[date, str]:
    """The problems with their cause. Only now are the days' files read, to see whether they or their way here are to blame.

    Raises WarehouseError when the files hold another day's rows.
    """
    in_files = contents_by_day(groups, contract, list(files))
    causes = {
        day: "the files in the lake hold what was published, so rows changed on their way: load the day again"
        if in_files[day] == expected
        else f"the files in the lake hold {in_files[day]}, so they have changed since they were published: restore them from a "
        f"copy of the lake: {_named(files[day])}"
        for day, (expected, _) in mismatch.differences.items()
    }
    return {day: f"{problem}; {causes[day]}" for day, problem in mismatch.problems.items()}


def _named(files: Sequence[LakeFile]) -> str:
    """The files' addresses; of many, the first."""
    more = f" and {len(files) - _FILES_NAMED} more" if len(files) > _FILES_NAMED else ""
    return ", ".join(file.location for file in files[:_FILES_NAMED]) + more
