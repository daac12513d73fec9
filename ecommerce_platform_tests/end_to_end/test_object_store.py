"""Landing, warehouse and scratch on an S3 server instead of folders: the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ecommerce_platform.settings import LakehouseSettings, S3Settings
from ecommerce_platform_tests.end_to_end.everything import everything
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_spark_agrees, assert_true

# Of this test alone: the S3 server keeps its buckets for the whole process, and Spark its connection to a bucket.
BUCKET = "whole-shop"
DAYS = (day(1), day(2), day(3))


def client_of(s3: S3Settings) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def s3() -> Iterator[S3Settings]:
    """An empty bucket on a server of the test's own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"access_key_id": "test", "secret_access_key": "test"}
    settings = S3Settings.model_validate({"endpoint": f"http://{host}:{port}", **keys})
    client_of(settings).create_bucket(Bucket=BUCKET)
    yield settings
    server.stop()


def upload(folder: Path, s3: S3Settings) -> None:
    """Puts the landing files under the bucket's prefix `landing`."""
    client = client_of(s3)
    for path in folder.rglob("*.parquet"):
        client.upload_file(str(path), BUCKET, f"landing/{path.relative_to(folder)}")


@pytest.mark.slow
def test_the_same_days_on_s3_give_the_same_tables(spark_application: None, tmp_path: Path, s3: S3Settings) -> None:
    landing = write_landing(tmp_path / "landing", everything(random_histories=20))
    upload(landing, s3)

    with Platform.installed(
        tmp_path / "data",
        f"s3://{BUCKET}/landing",
        s3=s3,
        scratch_uri=f"s3://{BUCKET}/scratch",
        lakehouse=LakehouseSettings(warehouse=f"s3://{BUCKET}/warehouse"),
    ) as platform:
        run = platform.run(DAYS[0], DAYS[-1], with_checks=False)

        assert run.success
        assert_true(platform, truth(landing, DAYS))
        assert_spark_agrees(platform)
