"""Buckets that keep the versions of an object that were replaced or removed: what they keep of landing and of the lake.

What belongs here: asking the buckets. What does not: removing, which is their owner's: such a version is somebody's way back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ecommerce_platform.object_store import s3_client
from ecommerce_platform.settings import S3Settings
from ecommerce_platform.settings.addresses import is_s3

#: Stores that know no versions answer so.
_UNKNOWN = frozenset({"NotImplemented", "MethodNotAllowed"})


@dataclass(frozen=True)
class KeptVersions:
    """Older versions of objects below an address; `problem` says why nobody can count them, or what their owner can do."""

    address: str
    count: int
    problem: str


def kept_versions(addresses: Iterable[str], s3: S3Settings) -> list[KeptVersions]:
    """What is kept below these addresses; nothing where no bucket keeps versions."""
    versions = [_kept(address, s3) for address in sorted(set(addresses)) if is_s3(address)]
    return [item for item in versions if item is not None]


def _kept(address: str, s3: S3Settings) -> KeptVersions | None:
    from botocore.exceptions import ClientError

    bucket, _, prefix = address.partition("://")[2].strip("/").partition("/")
    try:
        count = _count(s3_client(s3), bucket, f"{prefix}/" if prefix else "")
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code in _UNKNOWN:
            return None
        return KeptVersions(address, 0, f"whether they exist cannot be asked ({code}): allow s3:ListBucketVersions")
    if not count:
        return None
    return KeptVersions(
        address, count, "the bucket keeps what was replaced or removed, the person included: remove them"
    )


def _count(client: Any, bucket: str, prefix: str) -> int:
    """Versions that are not an object's present one."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    return sum(not item["IsLatest"] for page in pages for item in page.get("Versions", ()))
