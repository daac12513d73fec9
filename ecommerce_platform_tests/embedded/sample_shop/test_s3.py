"""The same sample on a real S3 server instead of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from ecommerce_platform.embedded.sample_shop import SampleError, generate_sample
from ecommerce_platform.settings import S3Settings


@pytest.fixture
def s3() -> Iterator[S3Settings]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Settings(
        endpoint=f"http://{host}:{port}", access_key_id=SecretStr("key"), secret_access_key=SecretStr("secret")
    )
    server.stop()


def test_a_bucket_gets_the_same_files_as_a_folder(tmp_path: Path, s3: S3Settings) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="sample-shop")
    small = {"days": 2, "orders_per_day": 20, "users": 20, "products": 10}
    generate_sample(tmp_path, None, **small)
    report = generate_sample("s3://sample-shop/landing/", None, s3=s3, **small)
    listed = client.list_objects_v2(Bucket="sample-shop", Prefix="landing/")["Contents"]
    bucket = {
        item["Key"].removeprefix("landing/"): client.get_object(Bucket="sample-shop", Key=item["Key"])["Body"].read()
        for item in listed
    }
    folder = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert bucket == folder
    assert generate_sample("s3://sample-shop/landing/", None, s3=s3, **small) == report.as_kept()
    client.put_object(Bucket="sample-shop", Key="landing/users/date=2026-01-01/theirs.parquet", Body=b"")
    with pytest.raises(SampleError, match=r"s3://sample-shop/landing.*theirs\.parquet"):
        generate_sample("s3://sample-shop/landing/", None, s3=s3, **small)
