"""Who is forgotten: keyed hashes at the root of the warehouse, by which the same person is known when landed again.

What belongs here: the list, its key, and the keys of a file that are on it. What does not: what is erased (persons.py, the room
erasure).

A hash is an HMAC-SHA256 by a key of the installation: without the key nobody can try numbers against the list. Each person has a
file of its own, so that two erasures never write the same one; it also holds how far the erasure has come, without the person's
key or values.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.warehouse_files import files_below, read_file, replace_file
from ecommerce_platform.landing.persons import Rows, tables_of
from ecommerce_platform.settings import Profile, S3Settings, Settings

_VERSION = 1
_KEY_FILE = "forgotten.key"
_VARIABLE = "ECOMMERCE_PRIVACY__KEY"


class ForgottenError(RuntimeError):
    """The list cannot be used; nothing may be ingested without it. The message says what to mend."""


@dataclass(frozen=True)
class Entry:
    """One forgotten person: `person` is the hash of table and key; `owned` the hashes of the person's keys in other tables.

    `rewritten` maps table and landing file to its version before, the SHA-256 of what replaces it, and its version after;
    `contents` table and day to the content id and the files' versions before; `doomed` are files of the lake that nothing
    refers to once their table is committed, and `tries` texts in the names of files that its tries have written, both by table.
    """

    person: str
    table: str
    check: str
    reason: str
    by: str
    asked_at: str
    done_at: str = ""
    owned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rewritten: Mapping[str, Mapping[str, tuple[str, str, str]]] = field(default_factory=dict)
    contents: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    doomed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Forgotten:
    """The list, opened by its key."""

    key: bytes = field(repr=False, default=b"")
    entries: tuple[Entry, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def person(self, table: str, key: int) -> str:
        return _hash(self.key, table, key)

    def owned(self, table: str, key: int) -> str:
        """Of a key that leads to a person; another hash than that of a person with this key."""
        return _hash(self.key, f"{table} of somebody", key)

    def rows(self, contracts: Mapping[str, Contract], table: str, keys: Mapping[str, Iterable[int]]) -> Rows:
        """Which of a file's rows are about forgotten people; `keys` are those that the file's columns hold."""
        contract = contracts[table]
        persons = {entry.person for entry in self.entries}
        owned = {item for entry in self.entries for item in entry.owned.get(table, ())}
        own = frozenset(key for key in keys.get(contract.key, ()) if self.person(table, key) in persons)
        references: dict[str, frozenset[int]] = {}
        for root in sorted({entry.table for entry in self.entries}):
            for column, target in tables_of(contracts, root).get(table, {}).items():
                of_target = {item for entry in self.entries for item in entry.owned.get(target, ())}
                references[column] = frozenset(
                    key
                    for key in keys.get(column, ())
                    if self.person(target, key) in persons or self.owned(target, key) in of_target
                )
        orphans = frozenset(key for key in keys.get(contract.key, ()) if owned and self.owned(table, key) in owned)
        return Rows(contract.key, own, references, orphans)

    def columns(self, contracts: Mapping[str, Contract], table: str) -> tuple[str, ...]:
        """The columns of a table by which rows of forgotten people are known; none where the table has none of them."""
        reached = [
            ways[table] for root in {e.table for e in self.entries} if table in (ways := tables_of(contracts, root))
        ]
        if not reached or not contracts[table].personal_columns:
            return ()
        return (contracts[table].key, *sorted({column for ways in reached for column in ways}))


def _hash(key: bytes, table: str, value: int) -> str:
    return hmac.new(key, f"{table}:{value}".encode(), hashlib.sha256).hexdigest()


def key_check(key: bytes) -> str:
    """Tells whether a key is the one that a list was written with, and nothing else."""
    return hmac.new(key, b"check", hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True)
class ForgottenFiles:
    """Where the list lies: a folder at the root of the warehouse, in it a file for each person."""

    folder: str
    s3: S3Settings

    @classmethod
    def of(cls, settings: Settings, lake: Lake | None = None) -> ForgottenFiles:
        """Those of the settings' lake, or of another."""
        lake = lake or Lake.of(settings)
        return cls(f"{lake.root or settings.data_dir}/forgotten.{lake.section.namespace}", lake.s3)

    def address(self, person: str) -> str:
        return f"{self.folder}/{person}.json"


def load_forgotten(settings: Settings, lake: Lake | None = None) -> Forgotten:
    """The list of the settings' lake, or of `lake`. Raises ForgottenError when it cannot be read, or its key is missing or
    another one.
    """
    files = ForgottenFiles.of(settings, lake)
    entries = _entries(files)
    if not entries:
        return Forgotten()
    key = installation_key(settings, make=False)
    if wrong := [entry for entry in entries if entry.check != key_check(key)]:
        raise ForgottenError(
            f"the list of forgotten people in {files.folder} was written with another key than {_VARIABLE} or "
            f"{settings.data_dir / _KEY_FILE} has ({len(wrong)} of {len(entries)} entries): nothing is ingested, because people "
            "who are forgotten would come back; restore the key"
        )
    return Forgotten(key, entries)


def _entries(files: ForgottenFiles) -> tuple[Entry, ...]:
    stored = files_below(files.s3, files.folder, recursive=False)
    return tuple(
        _entry(file.address, read_file(files.s3, file.address)) for file in stored if file.name.endswith(".json")
    )


def rewritten_files(files: ForgottenFiles) -> list[dict[str, dict[str, tuple[str, str]]]]:
    """What each erasure has rewritten in landing, in order: by table and path, the file's versions before and after."""
    return [
        {
            table: {path: (before, after) for path, (before, _, after) in versions.items() if after}
            for table, versions in entry.rewritten.items()
        }
        for entry in sorted(_entries(files), key=lambda item: item.asked_at)
    ]


def installation_key(settings: Settings, *, make: bool) -> bytes:
    """The key of the list: the setting, or on one machine a file of the data directory that the first use makes."""
    if settings.privacy.key is not None:
        return settings.privacy.key.get_secret_value().encode()
    path = settings.data_dir / _KEY_FILE
    if path.exists():
        return path.read_bytes().strip()
    if settings.profile is not Profile.LOCAL or not make:
        raise ForgottenError(
            f"{_VARIABLE} is not set, and {path} does not exist: it is the key of the list of forgotten people; set it to a "
            "random text that only this installation knows, and keep a copy: without it nobody on the list is recognised"
        )
    return _made_key(path)


def _made_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was faster: its key counts
    finally:
        draft.unlink()
    return path.read_bytes().strip()


def write_entry(files: ForgottenFiles, entry: Entry) -> None:
    """Writes the person's file as a whole."""
    content = json.dumps({"version": _VERSION, **asdict(entry)}, indent=1) + "\n"
    replace_file(files.s3, files.address(entry.person), content.encode())


def find_entry(files: ForgottenFiles, person: str) -> Entry | None:
    """The entry of a person, by hash."""
    address = files.address(person)
    content = read_file(files.s3, address)
    return _entry(address, content) if content is not None else None


def _entry(address: str, content: bytes | None) -> Entry:
    try:
        fields: dict[str, Any] = dict(json.loads(content or b""))
        version = fields.pop("version")
        if version != _VERSION:
            raise ForgottenError(f"{address} has version {version}; this release knows {_VERSION}: use a newer release")
        return Entry(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ForgottenError(
            f"{address} is not an entry of the list of forgotten people ({error!r}): restore it; nothing is ingested without it"
        ) from error
