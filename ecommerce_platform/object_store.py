"""S3 as Arrow's file system and by its own API, from the settings, and when a storage rather than a file is in trouble.

What does not belong here: listings of landing files, and the clients of Spark and Iceberg.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from ecommerce_platform.settings import S3Settings
from ecommerce_platform.settings.addresses import is_s3, store_path

_PIECE_BYTES = 1 << 20
#: The machine or the network is in trouble: what was opened may be sound.
_TROUBLE_OF_THE_MACHINE = frozenset(
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ENODEV", "ENOTCONN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET"),
        *("ECONNABORTED", "EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "EPIPE"),
    )
)
#: Of S3, these are about the object; all other errors are about the store, the way to it, or the credentials.
_ABOUT_THE_OBJECT = ("NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "INVALID_OBJECT_STATE")


def storage_is_away(error: OSError) -> bool:
    """Whether an error of opening or reading a file is trouble of the storage or the machine, and says nothing of the file."""
    if error.errno is not None:
        return error.errno in _TROUBLE_OF_THE_MACHINE
    text = str(error)
    return "AWS Error" in text and not any(name in text for name in _ABOUT_THE_OBJECT)


def arrow_s3(s3: S3Settings) -> pafs.S3FileSystem:
    """A file system for S3 or a compatible store; without keys, the machine's ambient credentials are used."""
    keys = {}
    if s3.access_key_id and s3.secret_access_key:
        keys = {
            "access_key": s3.access_key_id.get_secret_value(),
            "secret_key": s3.secret_access_key.get_secret_value(),
        }
    return pafs.S3FileSystem(
        **keys,
        endpoint_override=s3.endpoint,
        region=s3.region,
        force_virtual_addressing=not s3.path_style,
        connect_timeout=s3.connect_seconds,
        request_timeout=s3.answer_seconds,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=3),
    )


def s3_client(s3: S3Settings, answer_seconds: float | None = None) -> Any:
    """boto3's client, for what Arrow's file system lacks; `answer_seconds` is a limit other than that of the settings."""
    import boto3
    from botocore.config import Config

    keys = {}
    if s3.access_key_id and s3.secret_access_key:
        keys = {
            "aws_access_key_id": s3.access_key_id.get_secret_value(),
            "aws_secret_access_key": s3.secret_access_key.get_secret_value(),
        }
    style = "path" if s3.path_style else "auto"
    config = Config(
        s3={"addressing_style": style},
        connect_timeout=s3.connect_seconds,
        read_timeout=answer_seconds or s3.answer_seconds,
        retries={"max_attempts": 3},
    )
    return boto3.client("s3", region_name=s3.region, endpoint_url=s3.endpoint, config=config, **keys)


@contextmanager
def local_copy(address: str, s3: S3Settings) -> Iterator[Path]:
    """A path with the files of `address`: itself on a disk; on S3 a copy, removed at the end."""
    if not is_s3(address):
        yield Path(address)
        return
    source = store_path(address).rstrip("/")
    store = arrow_s3(s3)
    with tempfile.TemporaryDirectory(prefix="ecommerce-platform-") as folder:
        target = Path(folder) / source.rpartition("/")[2]
        files = [
            info
            for info in store.get_file_info(pafs.FileSelector(source, recursive=True, allow_not_found=True))
            if info.is_file
        ]
        for info in files:
            copy = target / info.path.removeprefix(source).lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            with store.open_input_stream(info.path) as read, copy.open("wb") as write:
                shutil.copyfileobj(read, write, _PIECE_BYTES)
        yield target
