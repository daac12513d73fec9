"""Lists landing files: one listing a table, however many days it has.

What belongs here: names, sizes and versions of files, on a disk or on S3. What does not: reading them, and what changed since
the last look (changes.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ecommerce_platform.settings import S3Settings

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})")


class LandingError(RuntimeError):
    """The landing zone cannot be listed; the message names the address and what to do."""


@dataclass(frozen=True, order=True)
class LandingFile:
    """One Parquet file of a day.

    `path` is relative to the table's landing folder (`date=2026-01-01/part-0.parquet`), `size` is in bytes, `version`
    changes with the content: S3's ETag, or size and modification time on a disk.
    """

    path: str
    uri: str
    size: int
    version: str


@dataclass(frozen=True)
class LandingTable:
    """The files of one table by day, each day's in the order of their names; and what lies there and is no such file."""

    table: str
    days: Mapping[date, tuple[LandingFile, ...]]
    ignored: tuple[str, ...] = field(default=(), compare=False)


def list_table(
    landing_uri: str, table: str, s3: S3Settings, first: date | None = None, last: date | None = None
) -> LandingTable:
    """The files of `table` on the days from `first` to `last`, by one listing. A table without a folder has no days.

    Raises LandingError when the landing zone itself does not exist or does not answer.
    """
    found: dict[date, list[LandingFile]] = {}
    ignored: list[str] = []
    for name, entry in _entries(landing_uri, table, s3, first, last):
        folder, _, file_name = name.partition("/")
        day = parse_day_folder(folder)
        if day is None or not is_landing_file(file_name):
            ignored.append(name)
        elif (first is None or day >= first) and (last is None or day <= last):
            found.setdefault(day, []).append(entry)
    days = {day: tuple(sorted(found[day])) for day in sorted(found)}
    return LandingTable(table, days, tuple(sorted(ignored)))


def list_days(landing_uri: str, table: str, s3: S3Settings) -> tuple[date, ...]:
    """The days on which the table has files, in order."""
    return tuple(list_table(landing_uri, table, s3).days)


def list_files(landing_uri: str, table: str, day: date, s3: S3Settings) -> tuple[LandingFile, ...]:
    """The files of one day, in the order of their names; none for a day without a folder."""
    return list_table(landing_uri, table, s3, day, day).days.get(day, ())


def landed_bytes(landing_uri: str, tables: Iterable[str], first: date, last: date, s3: S3Settings) -> int:
    """Size in bytes of the files of these tables on the days from `first` to `last`; one listing a table."""
    days = (list_table(landing_uri, table, s3, first, last).days.values() for table in tables)
    return sum(file.size for found in days for files in found for file in files)


def parse_day_folder(name: str) -> date | None:
    """The day of a folder `date=YYYY-MM-DD`, None for any other name or a day that the calendar lacks."""
    found = _DAY_FOLDER.fullmatch(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def is_landing_file(name: str) -> bool:
    """Whether the name is that of a finished Parquet file: directly in the day's folder, not hidden, not temporary."""
    return name.endswith(".parquet") and not name.startswith(("_", ".")) and "/" not in name


def _entries(
    landing_uri: str, table: str, s3: S3Settings, first: date | None, last: date | None
) -> Iterator[tuple[str, LandingFile]]:
    if landing_uri.startswith(("s3://", "s3a://")):
        return _entries_on_s3(landing_uri, table, s3, first, last)
    return _entries_on_disk(landing_uri, table, first, last)


def local_path(landing_uri: str) -> Path:
    """The folder that a local landing address means: a path, or a `file://` address."""
    return Path(unquote(urlsplit(landing_uri).path) if landing_uri.startswith("file:") else landing_uri)


def _entries_on_disk(
    landing_uri: str, table: str, first: date | None, last: date | None
) -> Iterator[tuple[str, LandingFile]]:
    root = local_path(landing_uri)
    if not root.is_dir():
        raise LandingError(
            f"the landing zone {root} does not exist; expected a folder with <table>/date=YYYY-MM-DD/*.parquet. "
            "Point ECOMMERCE_LANDING_URI at it, or write the sample shop's files with `ecommerce-platform sample`."
        )
    base = root / table
    if not base.is_dir():
        return
    # scandir, because it hands out the kind of each entry without asking the disk again.
    with os.scandir(base) as folders:
        for folder in folders:
            if not folder.is_dir():
                if not folder.name.startswith("."):
                    yield folder.name, LandingFile(folder.name, folder.path, 0, "")
                continue
            day = parse_day_folder(folder.name)
            if day and ((first and day < first) or (last and day > last)):
                continue
            yield from _files_of_folder(folder)


def _files_of_folder(folder: os.DirEntry[str]) -> Iterator[tuple[str, LandingFile]]:
    with os.scandir(folder.path) as entries:
        for entry in entries:
            name = f"{folder.name}/{entry.name}"
            try:
                stat = entry.stat()
            except FileNotFoundError:  # a temporary file that its writer renamed between the two calls
                continue
            yield name, LandingFile(name, entry.path, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")


def _entries_on_s3(
    landing_uri: str, table: str, s3: S3Settings, first: date | None, last: date | None
) -> Iterator[tuple[str, LandingFile]]:
    bucket, prefix = _split_s3(landing_uri)
    base = f"{prefix}{table}/"
    # Keys come in the order of their bytes, so days are read in order: start before the first, stop after the last.
    start = {"StartAfter": f"{base}date={first.isoformat()}"} if first else {}
    whole_days = f"{base}date={first.isoformat()}/" if first and first == last else base
    pages = _client(s3).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=whole_days, **start)
    for item in _objects(pages, landing_uri):
        name = item["Key"].removeprefix(base)
        day = parse_day_folder(name.partition("/")[0])
        if day and last and day > last:
            return
        if not item["Key"].endswith("/"):
            uri = f"s3://{bucket}/{item['Key']}"
            yield name, LandingFile(name, uri, int(item["Size"]), str(item["ETag"]).strip('"'))


def _objects(pages: Iterable[Mapping[str, Any]], landing_uri: str) -> Iterator[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for page in pages:
            yield from page.get("Contents", [])
    except (BotoCoreError, ClientError) as error:
        raise LandingError(
            f"the landing zone {landing_uri} cannot be listed: {error}. Check ECOMMERCE_LANDING_URI, "
            "ECOMMERCE_S3__ENDPOINT and the S3 credentials."
        ) from error


def _split_s3(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.split("://", 1)[1].partition("/")
    if not bucket:
        raise LandingError(f"ECOMMERCE_LANDING_URI is {uri!r}; expected s3://bucket or s3://bucket/prefix")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""


def _client(s3: S3Settings) -> Any:
    import boto3
    from botocore.config import Config

    keys = {}
    if s3.access_key_id and s3.secret_access_key:
        keys = {
            "aws_access_key_id": s3.access_key_id.get_secret_value(),
            "aws_secret_access_key": s3.secret_access_key.get_secret_value(),
        }
    style = "path" if s3.path_style else "auto"
    config = Config(s3={"addressing_style": style}, connect_timeout=10, read_timeout=30, retries={"max_attempts": 3})
    return boto3.client("s3", region_name=s3.region, endpoint_url=s3.endpoint, config=config, **keys)
