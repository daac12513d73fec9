"""Where the sample is written: a local folder or S3, file by file, each whole or not at all.

What belongs here: file systems, atomic writing, and the list of what the sample shop wrote, by which it later clears no more
than that. What does not: what is in the files.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ecommerce_platform.object_store import arrow_s3
from ecommerce_platform.sample_shop.plan import SampleError
from ecommerce_platform.settings import S3Settings
from ecommerce_platform.settings.addresses import is_s3, store_path

#: Hidden from every reader of tables by its underscore.
MANIFEST = "_sample_shop.json"


@dataclass(frozen=True)
class Store:
    """A folder on a file system."""

    filesystem: pafs.FileSystem
    root: str
    shown: str

    @classmethod
    def open(cls, location: str | Path, s3: S3Settings | None = None) -> Store:
        """The folder behind a path, `file://` or `s3://` address. Raises SampleError for any other address."""
        text = str(location)
        if is_s3(text):
            return cls(arrow_s3(s3 or S3Settings()), store_path(text).rstrip("/"), text)
        if "://" in text and not text.startswith("file://"):
            raise SampleError(
                f"sample shop: cannot write to {text!r}; expected a folder, file://… or s3://bucket/prefix"
            )
        folder = Path(text.removeprefix("file://")).expanduser().resolve()
        return cls(pafs.LocalFileSystem(), str(folder), str(folder))

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def path(self, name: str) -> str:
        return posixpath.join(self.root, name)

    def files(self, folders: Iterable[str] = ("",)) -> dict[str, int]:
        """Files with their sizes, relative to the root: those in the root itself for "", all below any other folder."""
        sizes = {}
        for folder in folders:
            selector = pafs.FileSelector(self.path(folder).rstrip("/"), recursive=bool(folder), allow_not_found=True)
            for info in self.filesystem.get_file_info(selector):
                if info.type is pafs.FileType.File:
                    sizes[posixpath.relpath(info.path, self.root)] = info.size
        return sizes

    def write_table(self, name: str, table: pa.Table) -> int:
        """Writes one Parquet file atomically and returns its size."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="snappy", store_schema=False)
        return self.write_bytes(name, sink.getvalue())

    def write_bytes(self, name: str, content: bytes | pa.Buffer) -> int:
        """Writes a file atomically: S3 shows an object when it is whole, a local file gets its name when it is."""
        target = self.path(name)
        if self.is_local:
            self.filesystem.create_dir(posixpath.dirname(target), recursive=True)
        temporary = f"{target}.tmp" if self.is_local else target
        with self.filesystem.open_output_stream(temporary) as stream:
            stream.write(content)
        if self.is_local:
            self.filesystem.move(temporary, target)
        return len(content)

    def manifest(self) -> dict[str, object] | None:
        """What an earlier sample wrote here; None when there was none."""
        if self.filesystem.get_file_info(self.path(MANIFEST)).type is not pafs.FileType.File:
            return None
        with self.filesystem.open_input_stream(self.path(MANIFEST)) as stream:
            try:
                content = json.loads(stream.read())
            except ValueError:
                return None
        return content if isinstance(content, dict) else None

    def delete(self, names: Iterable[str]) -> None:
        """Deletes files and the folders that this leaves empty."""
        folders = set()
        for name in names:
            self.filesystem.delete_file(self.path(name))
            folders.add(posixpath.dirname(name))
        if self.is_local:
            for folder in sorted((part for part in folders if part), key=len, reverse=True):
                self._delete_if_empty(folder)

    def _delete_if_empty(self, folder: str) -> None:
        path = Path(self.root) / folder
        while path != Path(self.root) and path.is_dir() and not any(path.iterdir()):
            path.rmdir()
            path = path.parent


def clear(store: Store, folders: Iterable[str], overwrite: bool) -> None:
    """Deletes the Parquet files of an earlier sample in `folders` of the store, and its manifest; nothing else.

    Raises SampleError when other Parquet files are there, unless `overwrite`, which deletes those, too.
    """
    manifest = store.manifest() or {}
    listed = manifest.get("files")
    own = set(listed) if isinstance(listed, dict) else set()
    existing = [name for name in store.files(folders) if name.removesuffix(".tmp").endswith(".parquet")]
    # What a killed sample was writing when it died is its own, too: the manifest lists files before they exist.
    foreign = sorted(name for name in existing if name.removesuffix(".tmp") not in own)
    if foreign and not overwrite:
        raise SampleError(
            f"sample shop: {store.shown} has {len(foreign)} Parquet files that the sample shop did not write, the first "
            f"is {foreign[0]}; expected none. Choose another folder (ECOMMERCE_LANDING_URI), or delete them, which "
            "`ecommerce-platform sample --overwrite` does"
        )
    # The manifest goes last: until then, what a dying run leaves can be cleared by the next.
    store.delete(existing)
    if manifest:
        store.delete([MANIFEST])
