"""Lists landing files: one listing a table, however many days it has.

What belongs here: names, sizes and versions of files, on a disk or on S3. What does not: which names count (names.py), reading
the files, and what changed since the last look (changes.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.landing.names import is_skipped, is_skipped_folder, parse_day_folder
from ecommerce_platform.object_store import arrow_s3, s3_client
from ecommerce_platform.settings import S3Settings, Settings
from ecommerce_platform.settings.addresses import is_s3, store_path


class LandingError(RuntimeError):
    """The landing zone cannot be listed; the message names the address and what to do."""


@dataclass(frozen=True)
class LandingZone:
    """Where files land: a folder or an address on S3, how that store is reached, and patterns of names that are left out."""

    uri: str
    s3: S3Settings = field(default_factory=S3Settings)
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> LandingZone:
        return cls(settings.landing_uri, settings.s3, settings.landing.ignore)

    def with_all_names(self) -> LandingZone:
        """The same zone, of which no name is ignored."""
        return replace(self, ignore=())

    @property
    def is_on_s3(self) -> bool:
        return is_s3(self.uri)

    def filesystem(self) -> pafs.FileSystem:
        """Opens the zone's files, by the paths that `store_path` gives of their `uri`."""
        return arrow_s3(self.s3) if self.is_on_s3 else pafs.LocalFileSystem()


@dataclass(frozen=True, order=True)
class LandingFile:
    """One file of a day, in the day's folder or in a folder below it.

    `path` is relative to the table's landing folder (`date=2026-01-01/hour=05/part-0.parquet`), `size` is in bytes, `version`
    changes with the content: S3's ETag, or size, modification and change time on a disk. A folder that cannot be listed stands
    for the files in it, which nobody can count.
    """

    path: str
    uri: str
    size: int
    version: str


@dataclass(frozen=True)
class LandingTable:
    """The files of one table by day, each day's in the order of their names.

    Every file below a day's folder counts, whatever its name, unless it is hidden, unfinished, or ignored by a setting.
    """

    table: str
    days: Mapping[date, tuple[LandingFile, ...]]


@dataclass(frozen=True)
class TopLevel:
    """What lies directly in a table's folder: its sub-folders and files, without hidden, unfinished and ignored ones.
    `exists` is whether the table has a folder at all.
    """

    folders: tuple[str, ...]
    files: tuple[str, ...]
    exists: bool


def list_table(zone: LandingZone, table: str, first: date | None = None, last: date | None = None) -> LandingTable:
    """The files of `table` on the days from `first` to `last`, by one listing. A table without a folder has no days.

    Raises LandingError when the landing zone itself does not exist, does not answer, or has a folder of no table.
    """
    files_by_day: dict[date, list[LandingFile]] = {}
    for entry in _entries(zone, table, first, last):
        folder, _, below = entry.path.partition("/")
        day = parse_day_folder(folder) if below else None
        inside = day is not None and (first is None or day >= first) and (last is None or day <= last)
        if day is not None and inside and not is_skipped(entry.path, zone.ignore):
            files_by_day.setdefault(day, []).append(entry)
    if not files_by_day:
        _require_a_table(zone)
    return LandingTable(table, {day: tuple(sorted(files_by_day[day])) for day in sorted(files_by_day)})


def list_folder(folder: Path, ignore: Sequence[str] = ()) -> tuple[LandingFile, ...]:
    """The files below any folder on a disk, by the rules of `list_table`, in the order of their names; `path` is relative to it.

    `ignore` are patterns of paths below a table's folder: that of a day is taken for what it is.
    """
    day = f"{folder.name}/" if parse_day_folder(folder.name) else ""
    files = _files_below(str(folder), "", frozenset())
    return tuple(sorted(file for file in files if not is_skipped(f"{day}{file.path}", ignore)))


def list_days(zone: LandingZone, table: str) -> tuple[date, ...]:
    """The days on which the table has files, in order."""
    return tuple(list_table(zone, table).days)


def landed_bytes(zone: LandingZone, tables: Iterable[str], first: date, last: date) -> int:
    """Size in bytes of the files of these tables on the days from `first` to `last`; one listing a table."""
    days = (list_table(zone, table, first, last).days.values() for table in tables)
    return sum(file.size for files_by_day in days for files in files_by_day for file in files)


def list_top_level(zone: LandingZone, table: str) -> TopLevel:
    """What lies directly in the table's folder, without looking into its sub-folders. Raises LandingError as `list_table`."""
    folders, files = _top_level(zone, f"{table}/")
    seen = bool(folders or files)
    if not seen:
        _require_a_table(zone)
        seen = table in _top_level(zone, "")[0]
    return TopLevel(
        tuple(sorted(name for name in folders if not is_skipped_folder(name, zone.ignore))),
        tuple(sorted(name for name in files if not is_skipped(name, zone.ignore))),
        seen,
    )


def _require_a_table(zone: LandingZone) -> None:
    """That the landing zone has the folder of some table: one that has none is not a landing zone where nothing arrived."""
    folders, files = _top_level(zone, "")
    if not set(folders) & set(source_tables()):
        held = sorted((*(f"{name}/" for name in folders), *files))
        more = f" and {len(held) - 10} more" if len(held) > 10 else ""
        raise LandingError(
            f"the landing zone {zone.uri} has no folder of any table; it holds {', '.join(held[:10]) or 'nothing'}{more}; "
            f"expected {', '.join(f'{table}/' for table in source_tables())} with date=YYYY-MM-DD/ below them: point "
            "ECOMMERCE_LANDING_URI at the folder that holds them"
        )


def _entries(zone: LandingZone, table: str, first: date | None, last: date | None) -> Iterator[LandingFile]:
    if zone.is_on_s3:
        return _entries_on_s3(zone, table, first, last)
    return _entries_on_disk(zone.uri, table, first, last)


def _top_level(zone: LandingZone, below: str) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files directly in the folder `below` the landing zone ("" is the zone itself)."""
    if zone.is_on_s3:
        return _top_level_on_s3(zone, below)
    base = _root(zone.uri) / below
    if not base.is_dir():
        return [], []
    with os.scandir(base) as entries:
        names = [(entry.name, _is_folder(entry)) for entry in entries]
    return [name for name, is_dir in names if is_dir], [name for name, is_dir in names if not is_dir]


def local_path(landing_uri: str) -> Path:
    """The folder that a local landing address means: a path, or a `file://` address."""
    return Path(unquote(urlsplit(landing_uri).path) if landing_uri.startswith("file:") else landing_uri)


def _root(landing_uri: str) -> Path:
    root = local_path(landing_uri)
    if not root.is_dir():
        raise LandingError(
            f"the landing zone {root} does not exist; expected a folder with <table>/date=YYYY-MM-DD/*.parquet. "
            "Point ECOMMERCE_LANDING_URI at it, or write the sample shop's files with `ecommerce-platform sample`."
        )
    return root


def _entries_on_disk(landing_uri: str, table: str, first: date | None, last: date | None) -> Iterator[LandingFile]:
    base = _root(landing_uri) / table
    if not base.is_dir():
        return
    # scandir, because it hands out the kind of each entry without asking the disk again.
    with os.scandir(base) as folders:
        for folder in folders:
            day = parse_day_folder(folder.name)
            if day and not ((first and day < first) or (last and day > last)) and _is_folder(folder):
                yield from _files_below(folder.path, folder.name, frozenset())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it can be taken for a folder; a link to itself cannot, and is named like a stray file."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _files_below(folder: str, name: str, above: frozenset[tuple[int, int]]) -> Iterator[LandingFile]:
    """All files below a folder. `above` are the folders around it, by device and number: a link to one of them is a circle."""
    try:
        with os.scandir(folder) as children:
            entries = list(children)
        here = os.stat(folder)  # noqa: PTH116 - a Path for each of ten thousand folders costs more than the call
    except FileNotFoundError:  # removed since its own folder was listed
        return
    except OSError as error:
        yield LandingFile(name, folder, 0, f"cannot be listed: {error.strerror}")
        return
    number = (here.st_dev, here.st_ino)
    if number in above:
        return
    for entry in entries:
        path = f"{name}/{entry.name}" if name else entry.name
        try:
            is_folder, stat = entry.is_dir(), entry.stat()
        except FileNotFoundError:
            if entry.is_symlink():  # a link to nothing is a file that cannot be read, not an absent one
                yield LandingFile(path, entry.path, 0, "a link to nothing")
            continue  # a temporary file that its writer renamed between the two calls
        except OSError as error:  # a link to itself, or a place that may not be looked at: its day is refused, no other
            yield LandingFile(path, entry.path, 0, f"cannot be looked at: {error.strerror}")
            continue
        if is_folder:
            yield from _files_below(entry.path, path, above | {number})
            continue
        # The change time shows a file that was replaced in place, with the size and the modification time of the old one.
        yield LandingFile(path, entry.path, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}")


def _entries_on_s3(zone: LandingZone, table: str, first: date | None, last: date | None) -> Iterator[LandingFile]:
    bucket, prefix = _split_s3(zone.uri)
    base = f"{prefix}{table}/"
    # Keys come in the order of their bytes, so days are read in order: start before the first, stop after the last.
    start = {"StartAfter": f"{base}date={first.isoformat()}"} if first else {}
    whole_days = f"{base}date={first.isoformat()}/" if first and first == last else base
    for item in _objects(_pages(zone, Bucket=bucket, Prefix=whole_days, **start)):
        name = item["Key"].removeprefix(base)
        day = parse_day_folder(name.partition("/")[0])
        if day and last and day > last:
            return
        if not item["Key"].endswith("/"):
            uri = f"s3://{bucket}/{item['Key']}"
            yield LandingFile(name, uri, int(item["Size"]), str(item["ETag"]).strip('"'))


def _top_level_on_s3(zone: LandingZone, below: str) -> tuple[list[str], list[str]]:
    bucket, prefix = _split_s3(zone.uri)
    base = f"{prefix}{below}"
    pages = list(_pages(zone, Bucket=bucket, Prefix=base, Delimiter="/"))
    folders = [item["Prefix"].removeprefix(base)[:-1] for page in pages for item in page.get("CommonPrefixes", [])]
    keys = [item["Key"].removeprefix(base) for page in pages for item in page.get("Contents", [])]
    return [name for name in folders if name], [name for name in keys if name]


def _objects(pages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for page in pages:
        yield from page.get("Contents", [])


def _pages(zone: LandingZone, **listing: str) -> Iterator[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from s3_client(zone.s3).get_paginator("list_objects_v2").paginate(**listing)
    except (BotoCoreError, ClientError) as error:
        raise LandingError(
            f"the landing zone {zone.uri} cannot be listed: {error}. Check ECOMMERCE_LANDING_URI, "
            "ECOMMERCE_S3__ENDPOINT and the S3 credentials."
        ) from error


def _split_s3(uri: str) -> tuple[str, str]:
    bucket, _, prefix = store_path(uri).partition("/")
    if not bucket:
        raise LandingError(f"ECOMMERCE_LANDING_URI is {uri!r}; expected s3://bucket or s3://bucket/prefix")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""
