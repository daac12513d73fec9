"""What lies in a table's landing folder and no run will ever read: misnamed folders, stray files, days without a partition.

What belongs here: naming it, for the run, `doctor`, `contract diff` and the observation. What does not: files of a day that
cannot be read, which refuse their day (lakehouse/arrived/arrivals.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ecommerce_platform.contracts import tables_of_day
from ecommerce_platform.landing.files import LandingZone, TopLevel, list_top_level
from ecommerce_platform.landing.names import parse_day_folder

#: As many names as a line shows.
_SHOWN = 5


def unread(zone: LandingZone, table: str, first: date, last: date) -> tuple[str, ...]:
    """One line for each kind of thing in the table's folder that no partition (`first` to `last`) reads. Raises LandingError."""
    return unread_lines(table, list_top_level(zone, table), first, last)


def unread_lines(table: str, top: TopLevel, first: date, last: date) -> tuple[str, ...]:
    """Pure part of `unread`: partitions are the days from `first` to `last`."""
    days = {name: parse_day_folder(name) for name in top.folders}
    misnamed = [f"{name}/" for name, day in days.items() if day is None]
    early = [f"{name}/" for name, day in days.items() if day and day < first]
    late = [f"{name}/" for name, day in days.items() if day and day > last]
    lines = (
        []
        if top.exists or table not in tables_of_day(last)
        else [f"{table}/: the table has no folder in the landing zone; all of its days count as empty"]
    )
    for names, why in (
        (misnamed, "is not the folder of a day; expected date=YYYY-MM-DD"),
        (list(top.files), "lies in no day's folder; expected date=YYYY-MM-DD/ around it"),
        (early, f"lies before the first partition, {first} (ECOMMERCE_START_DATE)"),
        (late, f"lies after the last partition, {last}; it is read when its day has come"),
    ):
        if names:
            lines.append(f"{_some(table, names)}: {why}; no run reads it")
    return tuple(lines)


def _some(table: str, names: Sequence[str]) -> str:
    left = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"{table}/{name}" for name in sorted(names)[:_SHOWN]) + left
