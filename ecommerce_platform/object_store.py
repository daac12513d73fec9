"""S3 as Arrow's file system, from the settings. Not here: paths, listings, and the clients of Spark and Iceberg."""

from __future__ import annotations

import pyarrow.fs as pafs

from ecommerce_platform.settings import S3Settings


def arrow_s3(s3: S3Settings) -> pafs.S3FileSystem:
    """A file system for S3 or a compatible store; without keys, the machine's ambient credentials are used."""
    keys = {}
    if s3.access_key_id and s3.secret_access_key:
        keys = {
            "access_key": s3.access_key_id.get_secret_value(),
            "secret_key": s3.secret_access_key.get_secret_value(),
        }
    return pafs.S3FileSystem(
        **keys, endpoint_override=s3.endpoint, region=s3.region, force_virtual_addressing=not s3.path_style
    )
