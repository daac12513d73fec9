"""Which days changed since the last look: digests of days, the sensor's cursor, and ranges of days.

What belongs here: pure functions of listings. What does not: listing (files.py) and launching (sensor.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from ecommerce_platform.landing.files import LandingFile, LandingTable

_DIGEST_BYTES = 6  # eight characters in base64: 2,000 days make a cursor of 16 KB
_DIGEST_CHARACTERS = 8
_NO_FILES = "." * _DIGEST_CHARACTERS
#: What the cursor remembers of a day whose files are gone: never the digest of files, so that any that come back are a change.
EMPTIED = "!" * _DIGEST_CHARACTERS
#: Version 1 had no generation.
_CURSOR_VERSION = 2
_READABLE_VERSIONS = (1, 2)

#: Landing files by their paths, with their versions before and after.
FileVersions = Mapping[str, tuple[str, str]]
#: Returns the files that erasures have rewritten, by table, a mapping for each erasure in order.
RewrittenFiles = Callable[[], Sequence[Mapping[str, FileVersions]]]


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for line in lines:
        digest.update(line.encode())
        digest.update(b"\n")
    return base64.urlsafe_b64encode(digest.digest()).decode()


def data_version(files: Iterable[LandingFile]) -> str:
    """A short text that changes when a file of the day comes, goes or changes."""
    return _digest(f"{file.path}\t{file.version}" for file in sorted(files))


def day_digests(tables: Iterable[LandingTable]) -> dict[date, str]:
    """For each day with files in any table, one digest of the files of all tables."""
    lines: dict[date, list[str]] = {}
    for table in sorted(tables, key=lambda item: item.table):
        for day, files in table.days.items():
            lines.setdefault(day, []).append(f"{table.table}\t{data_version(files)}")
    return {day: _digest(lines[day]) for day in sorted(lines)}


@dataclass(frozen=True)
class Cursor:
    """What each day looked like when a run was last requested for it, or that its files have gone since (`EMPTIED`).

    `generation` counts the ticks that requested runs. It is in the runs' keys: a day that goes back to files that it had before
    is another event than the first time, and a tick that is killed and evaluated again is the same.
    """

    digests: Mapping[date, str] = field(default_factory=dict)
    generation: int = 0

    def to_text(self) -> str:
        """Compact: the first day, then eight characters a day without a gap."""
        header = {"version": _CURSOR_VERSION, "generation": self.generation}
        if not self.digests:
            return json.dumps(header)
        first, last = min(self.digests), max(self.digests)
        text = "".join(self.digests.get(day, _NO_FILES) for day in DayRange(first, last).days)
        return json.dumps(header | {"first": first.isoformat(), "digests": text})

    @classmethod
    def from_text(cls, text: str | None, lost_generation: int = 0) -> Cursor:
        """The cursor of `to_text`. One that cannot be read is empty and of `lost_generation`: all days are looked at again."""
        try:
            content = json.loads(text or "{}")
            if content.get("version") not in _READABLE_VERSIONS:
                return cls(generation=lost_generation)
            generation = int(content.get("generation", lost_generation))
            if "first" not in content:
                return cls(generation=generation)
            first, digests = date.fromisoformat(content["first"]), str(content["digests"])
        except (ValueError, KeyError, AttributeError, TypeError):
            return cls(generation=lost_generation)
        starts = range(0, len(digests), _DIGEST_CHARACTERS)
        parts = (digests[start : start + _DIGEST_CHARACTERS] for start in starts)
        asked = {first + timedelta(days=offset): part for offset, part in enumerate(parts)}
        return cls({day: part for day, part in asked.items() if part != _NO_FILES}, generation)

    def advanced(self, days: Iterable[date], seen: Mapping[date, str]) -> Cursor:
        """The cursor after runs were requested for `days`, which then looked as in `seen`; keys of later runs are others."""
        digests = dict(self.digests)
        for day in days:
            if day in seen:
                digests[day] = seen[day]
            else:
                digests.pop(day, None)
        return Cursor(digests, self.generation + 1)

    def emptied(self, days: Iterable[date], settled: Iterable[date]) -> Cursor:
        """The cursor that remembers of `days` that their files have gone, and nothing of the days that are `settled`."""
        digests = {**self.digests, **dict.fromkeys(days, EMPTIED)}
        forgotten = set(settled)
        return Cursor({day: digest for day, digest in digests.items() if day not in forgotten}, self.generation)


def only_erased(
    cursor: Cursor,
    tables: Sequence[LandingTable],
    days: Iterable[date],
    rewritten: Sequence[Mapping[str, FileVersions]],
) -> tuple[date, ...]:
    """Of the days, those that look as at the cursor but for files that erasures have rewritten since: nothing has arrived there.

    `rewritten` are the erasures in order: each maps tables to files (by path) and their versions before and after.
    """
    asked, erased_days = set(days), set[date]()
    before = [
        LandingTable(table.table, {day: table.days[day] for day in table.days if day in asked}) for table in tables
    ]
    for erasure in reversed(rewritten):
        before = [_undone(table, erasure.get(table.table, {})) for table in before]
        digests = day_digests(before)
        erased_days |= {day for day in asked if day in digests and cursor.digests.get(day) == digests[day]}
    return tuple(sorted(erased_days))


def _undone(table: LandingTable, files: FileVersions) -> LandingTable:
    def file_before(file: LandingFile) -> LandingFile:
        versions = files.get(file.path)
        return replace(file, version=versions[0]) if versions and versions[1] == file.version else file

    return LandingTable(table.table, {day: tuple(map(file_before, of_day)) for day, of_day in table.days.items()})


def emptied_days(cursor: Cursor, seen: Mapping[date, str], first: date, last: date) -> tuple[date, ...]:
    """Days from `first` to `last` that had files and have none in any table now, in order."""
    return tuple(day for day in sorted(cursor.digests) if first <= day <= last and day not in seen)


def changed_days(cursor: Cursor, seen: Mapping[date, str], first: date, last: date) -> tuple[date, ...]:
    """Days from `first` to `last` with files that look different from what the cursor remembers, in order."""
    return tuple(day for day in sorted(seen) if first <= day <= last and cursor.digests.get(day) != seen[day])


@dataclass(frozen=True)
class DayRange:
    """Days without a gap, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.first + timedelta(days=offset) for offset in range((self.last - self.first).days + 1))

    def run_key(self, seen: Mapping[date, str], generation: int = 0) -> str:
        """The same for the same days with the same files at the same generation of the cursor, so that Dagster never launches
        one event twice, and never takes a later event for an earlier one: files that come, go and come back are three.
        """
        content = _digest(f"{day}\t{seen.get(day, _NO_FILES)}" for day in self.days)
        return f"{self.first}...{self.last}:{content}:{generation}"


def ranges_of(days: Iterable[date], longest: int) -> tuple[DayRange, ...]:
    """The days as ranges without gaps, none of more than `longest` days, in order."""
    ranges: list[DayRange] = []
    for day in sorted(days):
        previous = ranges[-1] if ranges else None
        if previous and day == previous.last + timedelta(days=1) and (day - previous.first).days < longest:
            ranges[-1] = DayRange(previous.first, day)
        else:
            ranges.append(DayRange(day, day))
    return tuple(ranges)
