"""Landing, warehouse and scratch on an S3 server instead of folders: the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform.settings import LakehouseSettings
from ecommerce_platform_tests.end_to_end.everything import everything
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_spark_agrees, assert_true
from ecommerce_platform_tests.s3_server import S3Bucket, s3_bucket

BUCKET = "whole-shop"
DAYS = (day(1), day(2), day(3))


@pytest.fixture
def s3() -> Iterator[S3Bucket]:
    with s3_bucket(BUCKET) as bucket:
        yield bucket


def upload(folder: Path, s3: S3Bucket) -> None:
    """Puts the landing files under the bucket's prefix `landing`."""
    for path in folder.rglob("*.parquet"):
        s3.client.upload_file(str(path), BUCKET, f"landing/{path.relative_to(folder)}")


@pytest.mark.slow
def test_the_same_days_on_s3_give_the_same_tables(spark_application: None, tmp_path: Path, s3: S3Bucket) -> None:
    landing = write_landing(tmp_path / "landing", everything(random_histories=20))
    upload(landing, s3)

    with Platform.installed(
        tmp_path / "data",
        f"s3://{BUCKET}/landing",
        s3=s3.settings,
        scratch_uri=f"s3://{BUCKET}/scratch",
        lakehouse=LakehouseSettings(warehouse=f"s3://{BUCKET}/warehouse"),
    ) as platform:
        run = platform.run(DAYS[0], DAYS[-1], with_checks=False)

        assert run.success
        assert_true(platform, truth(landing, DAYS))
        assert_spark_agrees(platform)
