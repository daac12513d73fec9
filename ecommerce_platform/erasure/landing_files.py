"""Landing files without a person: rewritten in place, or named for their owner where the platform may not write.

What belongs here: finding and rewriting files, and what their days' content is called afterwards. What does not: rows
(subject.py), and the ledger (erase.py).

A file's content decides the day's content id and the sensor's cursor. So before a file is replaced, its version, the digest of
what replaces it, and the day's content are written down: after a kill it is known which files are the erasure's own, and only of
those it is said that their days have not changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from ecommerce_platform.contracts import Contract
from ecommerce_platform.erasure.parquet import Change, count_rows, rewrite
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, arrived_day, scan
from ecommerce_platform.landing.files import LandingFile, LandingZone, list_table, local_path
from ecommerce_platform.landing.forgotten import Entry
from ecommerce_platform.settings import Settings
from ecommerce_platform.settings.addresses import is_s3, store_path

_DRAFT = ".forget-"
_PIECE = 1 << 20
#: Only these are rewritten together before it is written down that they are done.
_FILES_A_STEP = 50


@dataclass(frozen=True)
class LandingHolding:
    """A landing file with rows of the person. `rows` is 0 where it cannot be read, and `problem` says why."""

    table: str
    day: date
    file: LandingFile
    rows: int
    problem: str = ""


def find(zone: LandingZone, table: str, change: Change) -> list[LandingHolding]:
    """The table's landing files that hold the person, and those that cannot be looked into; no landing zone has none."""
    store = zone.filesystem()
    holdings = []
    for day, files in list_table(zone.with_all_names(), table).days.items():
        for file in files:
            try:
                with store.open_input_file(store_path(file.uri)) as source:
                    rows = count_rows(source, change)
            except (pa.ArrowException, OSError, ValueError) as error:
                problem = f"it cannot be read: {type(error).__name__}" if file.size else ""
                if problem:
                    holdings.append(LandingHolding(table, day, file, 0, problem))
                continue
            if rows:
                holdings.append(LandingHolding(table, day, file, rows))
    return holdings


def rewrite_files(
    settings: Settings,
    contract: Contract,
    change: Change,
    holdings: list[LandingHolding],
    entry: Entry,
    save: Callable[[Entry], None],
    reached: Callable[[str], None],
) -> tuple[Entry, list[LandingHolding]]:
    """Rewrites the files; the entry with what became of them, and the files that only their owner can write."""
    table = contract.table
    intake, copies = Intake.of(settings), _copies(settings.data_dir)
    zone = intake.zone
    _remove_drafts(zone, copies, table)
    entry = _with_contents(intake, contract, [item for item in holdings if item.rows], entry)
    save(entry)
    refused: list[LandingHolding] = []
    readable = [item for item in holdings if item.rows]
    for start in range(0, len(readable), _FILES_A_STEP):
        some = readable[start : start + _FILES_A_STEP]
        with _drafts(zone, copies, some, change) as drafts:
            versions = {**entry.rewritten.get(table, {})}
            versions |= {item.file.path: (item.file.version, digest, "") for item, (_, digest) in drafts.items()}
            entry = replace(entry, rewritten={**entry.rewritten, table: versions})
            save(entry)
            for item, (draft, _) in drafts.items():
                reached(f"landing {table} before")
                try:
                    if not settings.privacy.rewrite_landing:
                        raise PermissionError("ECOMMERCE_PRIVACY__REWRITE_LANDING is false")
                    _put_in_place(zone, draft, item.file.uri)
                except (PermissionError, OSError) as error:
                    refused.append(replace(item, problem=f"the platform may not write it: {type(error).__name__}"))
                reached(f"landing {table} after")
    return settled(zone, table, entry), [*refused, *(item for item in holdings if item.problem)]


def settled(zone: LandingZone, table: str, entry: Entry) -> Entry:
    """The entry with the versions after, of those files that are what the erasure wrote."""
    versions = dict(entry.rewritten.get(table, {}))
    open_ones = {path for path, (_, _, after) in versions.items() if not after}
    if not open_ones:
        return entry
    store = zone.filesystem()
    for files in list_table(zone.with_all_names(), table).days.values():
        for file in files:
            if file.path in open_ones and _digest(store, file) == versions[file.path][1]:
                before, digest, _ = versions[file.path]
                versions[file.path] = (before, digest, file.version)
    return replace(entry, rewritten={**entry.rewritten, table: versions})


def renamed_contents(intake: Intake, contract: Contract, entry: Entry) -> dict[date, tuple[str, str]]:
    """Of the days whose files were rewritten: the content id before, and that of the same files as they are now.

    Files that came since do not count, so that their day is ingested again; a day of which a file has gone, or was changed by
    somebody else, is left out.
    """
    planned = {date.fromisoformat(day): known for day, known in entry.contents.get(contract.table, {}).items()}
    if not planned:
        return {}
    versions = entry.rewritten.get(contract.table, {})
    arrivals = scan(intake, contract, sorted(planned))
    contents = {}
    for day, known in planned.items():
        arrival = arrivals.days.get(day)
        expected = {
            path: versions[path][2] if path in versions else version for path, version in known["files"].items()
        }
        same = tuple(file for file in (arrival.files if arrival else ()) if expected.get(file.path) == file.version)
        if len(same) == len(expected):
            contents[day] = (str(known["id"]), arrived_day(intake.unknown_columns, contract, day, same).content_id)
    return contents


def _with_contents(intake: Intake, contract: Contract, holdings: list[LandingHolding], entry: Entry) -> Entry:
    """The entry with the content of each day that is about to change; what an earlier try has written down stays."""
    known: dict[str, Mapping[str, Any]] = dict(entry.contents.get(contract.table, {}))
    days = sorted({item.day for item in holdings} - {date.fromisoformat(day) for day in known})
    if days:
        for day, arrival in scan(intake, contract, days).days.items():
            files = {file.path: file.version for file in arrival.files}
            known[day.isoformat()] = {"id": arrival.content_id, "files": files}
    return replace(entry, contents={**entry.contents, contract.table: known})


@contextmanager
def _drafts(
    zone: LandingZone, copies: Path, holdings: list[LandingHolding], change: Change
) -> Iterator[dict[LandingHolding, tuple[Path, str]]]:
    """The new files beside the old ones (of S3, on this machine), with their digests."""
    store = zone.filesystem()
    made: dict[LandingHolding, tuple[Path, str]] = {}
    try:
        for item in holdings:
            try:
                folder = copies if is_s3(item.file.uri) else Path(item.file.uri).parent
                handle, name = tempfile.mkstemp(prefix=_DRAFT, dir=folder)
            except OSError:  # nothing may be written there: the replacement will be refused as well
                handle, name = tempfile.mkstemp(prefix=_DRAFT, dir=copies)
            os.close(handle)
            made[item] = (Path(name), "")
            with store.open_input_file(store_path(item.file.uri)) as source:
                rewrite(source, name, change)
            made[item] = (Path(name), hashlib.sha256(Path(name).read_bytes()).hexdigest())
        yield made
    finally:
        for path, _ in made.values():
            path.unlink(missing_ok=True)


def _put_in_place(zone: LandingZone, draft: Path, uri: str) -> None:
    if is_s3(uri):
        with draft.open("rb") as source, zone.filesystem().open_output_stream(store_path(uri)) as sink:
            shutil.copyfileobj(source, sink, _PIECE)
        return
    target = Path(uri).resolve()  # a link stays a link
    draft.chmod(target.stat().st_mode & 0o777)
    if draft.parent != target.parent:
        with tempfile.NamedTemporaryFile(prefix=_DRAFT, dir=target.parent, delete=False) as copy:
            copy.write(draft.read_bytes())
        draft = Path(copy.name)
    draft.replace(target)


def _remove_drafts(zone: LandingZone, copies: Path, table: str) -> None:
    """What a killed erasure left beside the files, and of those that cannot have it there."""
    folders = [copies]
    if not zone.is_on_s3:
        folders.append(local_path(zone.uri) / table)
    for draft in (draft for folder in folders for draft in folder.rglob(f"{_DRAFT}*")):
        draft.unlink(missing_ok=True)


def _copies(data_dir: Path) -> Path:
    """A folder of this installation alone: a temporary one of the machine's would keep what a killed erasure leaves."""
    folder = data_dir / "erasure"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _digest(store: pafs.FileSystem, file: LandingFile) -> str:
    with store.open_input_stream(store_path(file.uri), compression=None) as source:
        digest = hashlib.sha256()
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
