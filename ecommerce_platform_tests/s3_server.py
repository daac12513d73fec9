"""An S3 server for a test: started for it, with one bucket, and what the platform and a client need to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from ecommerce_platform.settings import S3Settings

KEY = "test"


@dataclass(frozen=True)
class S3Bucket:
    """A bucket on a running server, its `settings` as an installation has them, and a client of boto3."""

    name: str
    settings: S3Settings
    client: Any


@contextmanager
def s3_bucket(name: str) -> Iterator[S3Bucket]:
    """An empty bucket. Its name must be of one test alone: the server keeps buckets for the whole process, and Spark its
    connection to one."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        settings = S3Settings(
            endpoint=f"http://{host}:{port}", access_key_id=SecretStr(KEY), secret_access_key=SecretStr(KEY)
        )
        client = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )
        client.create_bucket(Bucket=name)
        yield S3Bucket(name, settings, client)
    finally:
        server.stop()
