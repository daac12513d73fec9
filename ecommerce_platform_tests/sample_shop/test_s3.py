"""The same sample on a real S3 server instead of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform.sample_shop import SampleError, generate_sample
from ecommerce_platform_tests.s3_server import S3Bucket, s3_bucket


@pytest.fixture
def s3() -> Iterator[S3Bucket]:
    with s3_bucket("sample-shop") as bucket:
        yield bucket


def test_a_bucket_gets_the_same_files_as_a_folder(tmp_path: Path, s3: S3Bucket) -> None:
    client = s3.client
    small = {"days": 2, "orders_per_day": 20, "users": 20, "products": 10}
    generate_sample(tmp_path, None, **small)
    report = generate_sample("s3://sample-shop/landing/", None, s3=s3.settings, **small)
    listed = client.list_objects_v2(Bucket="sample-shop", Prefix="landing/")["Contents"]
    bucket = {
        item["Key"].removeprefix("landing/"): client.get_object(Bucket="sample-shop", Key=item["Key"])["Body"].read()
        for item in listed
    }
    folder = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert bucket == folder
    assert generate_sample("s3://sample-shop/landing/", None, s3=s3.settings, **small) == report.as_kept()
    client.put_object(Bucket="sample-shop", Key="landing/users/date=2026-01-01/theirs.parquet", Body=b"")
    with pytest.raises(SampleError, match=r"s3://sample-shop/landing.*theirs\.parquet"):
        generate_sample("s3://sample-shop/landing/", None, s3=s3.settings, **small)
