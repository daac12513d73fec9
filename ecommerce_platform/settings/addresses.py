"""Where an address points: to S3 or a compatible store, or elsewhere.

`s3://`, `s3a://` and `s3n://` name the same bucket and key. People and Hadoop write the latter two, and Iceberg keeps a table's
location as it was written, so each is read everywhere. What does not belong here: how a store is reached (object_store.py).
"""

from __future__ import annotations

_SCHEMES = ("s3", "s3a", "s3n")


def is_s3(address: str | None) -> bool:
    """Whether the address is one of S3 or a compatible store."""
    scheme, separator, _ = (address or "").partition("://")
    return bool(separator) and scheme in _SCHEMES


def store_path(address: str) -> str:
    """The path by which a client of S3 knows an address: `bucket/key` of `s3://bucket/key`; others stay as they are."""
    return address.partition("://")[2] if is_s3(address) else address
