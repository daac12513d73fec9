"""Files of the warehouse, on a disk or on S3: listed, read, and written once.

What belongs here: the few things that the platform does to the warehouse beside Iceberg. What does not: what the files mean
(metadata_files.py, installation.py), and rows.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as pafs

from ecommerce_platform.object_store import arrow_s3, s3_client
from ecommerce_platform.settings import S3Settings
from ecommerce_platform.settings.addresses import is_s3

#: What the name of a metadata file ends with once a person has chosen another history.
SET_ASIDE = ".set-aside"
#: A few bytes take no longer, whatever the settings allow for data.
_MARKER_SECONDS = 30.0
_NOT_WRITTEN = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class StoredFile:
    """A file's address, as Iceberg writes addresses, and its size in bytes."""

    address: str
    bytes: int

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]


def _store(s3: S3Settings, address: str) -> tuple[pafs.FileSystem, str, str]:
    """File system, path in it, and what stands before the path in an address."""
    scheme, separator, path = address.partition("://")
    if not separator:
        scheme, path = "file", address.removeprefix("file:")
    if scheme == "file":
        return pafs.LocalFileSystem(), path.rstrip("/"), "file://"
    if is_s3(address):
        return arrow_s3(s3), path.rstrip("/"), f"{scheme}://"
    store, inside = pafs.FileSystem.from_uri(address)
    return store, inside.rstrip("/"), address.removesuffix("/").removesuffix(inside.rstrip("/"))


def _listed(s3: S3Settings, folder: str, *, recursive: bool, kind: pafs.FileType) -> Iterator[tuple[str, int]]:
    store, path, prefix = _store(s3, folder)
    for info in store.get_file_info(pafs.FileSelector(path, recursive=recursive, allow_not_found=True)):
        # Hidden ones are checksums and unfinished files of Hadoop's local file system, as Iceberg's own listing has it.
        if info.type == kind and not info.base_name.startswith((".", "_")):
            yield f"{prefix}{info.path}", info.size or 0


def files_below(s3: S3Settings, folder: str, *, recursive: bool = True) -> list[StoredFile]:
    """The files of a folder, sorted by address; none where the folder does not exist. Hidden files are left out."""
    files = _listed(s3, folder, recursive=recursive, kind=pafs.FileType.File)
    return sorted((StoredFile(address, size) for address, size in files), key=lambda file: file.address)


def folders_in(s3: S3Settings, folder: str) -> list[str]:
    """The addresses of the folders right below `folder`."""
    return sorted(address for address, _ in _listed(s3, folder, recursive=False, kind=pafs.FileType.Directory))


def read_file(s3: S3Settings, address: str) -> bytes | None:
    """The whole file; None where it does not exist."""
    store, path, _ = _store(s3, address)
    if store.get_file_info(path).type != pafs.FileType.File:
        return None
    with store.open_input_stream(path, compression=None) as file:
        return bytes(file.read())


def write_new_file(s3: S3Settings, address: str, content: bytes) -> bool:
    """Writes the file if no file has this address, as a whole; whether it did. Of several that try at once, one does."""
    store, path, prefix = _store(s3, address)
    if prefix == "file://":
        return _write_new_local(Path(path), content)
    if is_s3(prefix):
        return _write_new_object(s3, path, content)
    if store.get_file_info(path).type != pafs.FileType.NotFound:
        return False
    replace_file(s3, address, content)
    return True


def replace_file(s3: S3Settings, address: str, content: bytes) -> None:
    """Writes the file, whatever was there: a reader sees the old content or the new."""
    store, path, prefix = _store(s3, address)
    if prefix == "file://":
        draft = _draft(Path(path), content)
        draft.replace(path)
        return
    with store.open_output_stream(path) as file:
        file.write(content)


def set_aside(s3: S3Settings, address: str) -> None:
    """Renames the file, so that it is no longer what its name said; it stays readable beside."""
    store, path, _ = _store(s3, address)
    store.move(path, f"{path}{SET_ASIDE}")


def _draft(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft = Path(name)
    draft.chmod(0o644)
    return draft


def _write_new_local(path: Path, content: bytes) -> bool:
    draft = _draft(path, content)
    try:
        # A link, unlike a rename, never replaces; and unlike an open file it has its content at once.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _write_new_object(s3: S3Settings, path: str, content: bytes) -> bool:
    from botocore.exceptions import ClientError

    client = s3_client(s3, min(_MARKER_SECONDS, s3.answer_seconds))
    bucket, _, key = path.partition("/")
    try:
        client.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _NOT_WRITTEN:
            return False
        raise
    return True
