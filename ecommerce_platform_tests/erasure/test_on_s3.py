"""Landing files in a bucket: rewritten there, or named for their owner where the platform may only read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform.erasure.erase import Request, erase_files
from ecommerce_platform.erasure.plan import plan_files, subject_of
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.settings import load_settings
from ecommerce_platform_tests.erasure.marked import MARKER
from ecommerce_platform_tests.erasure.search import files_with
from ecommerce_platform_tests.erasure.small_lake import (
    FIRST,
    SECOND,
    Killed,
    SmallLake,
    assert_forgotten,
    filled,
    forget,
)
from ecommerce_platform_tests.s3_server import S3Bucket, s3_bucket

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[S3Bucket]:
    with s3_bucket(f"forget-{abs(hash(tmp_path)) % 10**9}") as made:
        yield made


@pytest.fixture
def lake(bucket: S3Bucket, tmp_path: Path) -> SmallLake:
    return filled(
        load_settings(data_dir=tmp_path / "data", landing_uri=f"s3://{bucket.name}/landing", s3=bucket.settings)
    )


def objects_with_marker(bucket: S3Bucket, tmp_path: Path) -> list[str]:
    """Every version of every object, looked into as files are."""
    folder = tmp_path / "objects"
    for number, item in enumerate(bucket.client.list_object_versions(Bucket=bucket.name).get("Versions", ())):
        path = folder / str(number) / str(item["Key"])
        path.parent.mkdir(parents=True, exist_ok=True)
        version = bucket.client.get_object(Bucket=bucket.name, Key=item["Key"], VersionId=item["VersionId"])
        path.write_bytes(version["Body"].read())
    return files_with(folder, MARKER) if folder.exists() else []


def test_files_in_a_bucket_are_rewritten_also_after_a_kill(lake: SmallLake, bucket: S3Bucket, tmp_path: Path) -> None:
    assert len(objects_with_marker(bucket, tmp_path)) == 4
    before = lake.state()
    with pytest.raises(Killed):
        forget(lake, die_at=5)
    forget(lake)
    assert_forgotten(lake, before)
    assert objects_with_marker(bucket, tmp_path / "after") == []
    assert list((lake.settings.data_dir / "erasure").iterdir()) == []


def test_files_in_a_bucket_that_the_platform_may_only_read_are_named_for_their_owner(
    lake: SmallLake, bucket: S3Bucket
) -> None:
    contents = {day: lake.content("users", day) for day in (FIRST, SECOND)}
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(read_only(bucket.name)))
    subject = subject_of(Lake.of(lake.settings), "users", 7)
    request = Request(lake.settings, "users", 7, "asked", "ada", "forget")
    _, refused, _ = erase_files(request, plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject))
    assert {(item.table, item.file.path) for item in refused} == {
        *(("users", f"date=2026-01-0{day}/part-0.parquet") for day in (1, 2, 3)),
        ("orders", "date=2026-01-02/part-0.parquet"),
    }
    assert all("may not write" in item.problem for item in refused)
    assert files_with(lake.settings.data_dir, MARKER) == []
    ledger = read_ledger(Lake.of(lake.settings), ["users"])["users"]
    assert {day: ledger.published[day].content_id for day in contents} == contents


def test_a_bucket_that_keeps_versions_is_named_for_its_owner_until_they_are_gone(
    lake: SmallLake, bucket: S3Bucket, tmp_path: Path
) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    forget(lake)
    assert len(objects_with_marker(bucket, tmp_path)) == 4
    subject = subject_of(Lake.of(lake.settings), "users", 7)
    (left,) = plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject).holdings
    assert (left.place, left.files) == ("bucket", 4)
    assert "keeps what was replaced or removed" in left.owner

    for item in bucket.client.list_object_versions(Bucket=bucket.name)["Versions"]:
        if not item["IsLatest"]:
            bucket.client.delete_object(Bucket=bucket.name, Key=item["Key"], VersionId=item["VersionId"])
    assert plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject).holdings == ()
    assert objects_with_marker(bucket, tmp_path / "after") == []


def read_only(bucket: str) -> dict[str, Any]:
    denied = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObject"]}
    return {"Version": "2012-10-17", "Statement": [denied | {"Resource": f"arn:aws:s3:::{bucket}/*"}]}
