"""Which files of a day are read: whatever is Parquet by its first bytes, in sub-folders too; what is none refuses its day."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, scan
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.settings import LakehouseSettings, Settings, load_settings
from ecommerce_platform_tests.lakehouse.lake import FIRST, ORDER_SCHEMA, SECOND, SmallLake, order
from ecommerce_platform_tests.s3_server import s3_bucket

ORDERS = load_contracts()["orders"]


def parquet(*keys: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([order(key, key) for key in keys], ORDER_SCHEMA), sink)
    return sink.getvalue().to_pybytes()


@dataclass
class Zone:
    """A landing zone on a disk or on S3, and an installation that reads it."""

    settings: Settings
    client: Any = None

    def put(self, path: str, content: bytes) -> None:
        if self.client is None:
            file = Path(self.settings.landing_uri) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        else:
            bucket, _, prefix = self.settings.landing_uri.removeprefix("s3://").partition("/")
            self.client.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=content)


@pytest.fixture(params=["folder", "s3"])
def zone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Zone]:
    if request.param == "folder":
        yield Zone(load_settings(data_dir=tmp_path / "data", landing_uri=str(tmp_path / "landing zone")))
        return
    with s3_bucket("landing-forms") as bucket:
        landing = f"s3://landing-forms/{tmp_path.name}"
        yield Zone(load_settings(data_dir=tmp_path / "data", landing_uri=landing, s3=bucket.settings), bucket.client)


READ = (
    "part-0",
    "part-0.PARQUET",
    "part-0.parq",
    "part-0.pq",
    "part-0.parquet.snappy",
    "part-0.csv",
    "hour=05/part-0.parquet",
    "hour=05/minute=30/part-0",
    "part=a b/größe+1%20.parquet",
    "orders.parquet/part-0.parquet",
    "_region=eu/part-0.parquet",
    # Spark takes these for patterns.
    "part-0{a,b}\\*?+.parquet",
    "part-0 [1].parquet",
)
SKIPPED = (
    "_SUCCESS",
    "_committed_123",
    ".part-0.parquet.crc",
    "part-0.parquet.crc",
    ".part-0.parquet",
    "_part-0.parquet",
    "_temporary/0/part-0.parquet",
    "_delta_log/00000.json",
    "hour=05/_SUCCESS",
    "hour=05/.hidden/part-0.parquet",
    "part-0.parquet.tmp",
    "part-0.parquet.TEMP",
    "part-0.parquet.inprogress",
    "part-0.parquet.inprogress.3f2a",
    "part-0.parquet._COPYING_",
    "hour=05_$folder$",
)
NO_PARQUET = {
    "rows.csv": (b"id,status\n1,pending\n", "comma-separated text"),
    "rows.json": (b'{"id": 1}\n', "JSON"),
    "rows.zip": (b"PK\x03\x04rest", "a zip archive"),
    "part-0.parquet.gz": (gzip.compress(parquet(1)), "gzip"),
    "rows.avro": (b"Obj\x01rest", "Avro"),
    "rows.orc": (b"ORCrest", "ORC"),
    "readme.txt": (b"hello", "text"),
    "hour=05/page.parquet": (b"<html></html>", "XML or HTML"),
    "noise.parquet": (bytes(range(1, 200)), "of an unknown kind"),
}


def test_every_file_that_is_parquet_counts_whatever_its_name_and_folder(zone: Zone) -> None:
    for key, name in enumerate(READ):
        zone.put(f"orders/date={FIRST}/{name}", parquet(key))
    for name in SKIPPED:
        zone.put(f"orders/date={FIRST}/{name}", b"left alone")
    arrivals = scan(Intake.of(zone.settings), ORDERS, [FIRST])
    assert arrivals.refused == {}
    assert [file.path for file in arrivals.days[FIRST].files] == sorted(f"date={FIRST}/{name}" for name in READ)
    assert arrivals.days[FIRST].rows == len(READ)


@pytest.mark.parametrize("name", NO_PARQUET)
def test_what_is_no_parquet_refuses_its_day_by_name_unless_it_is_to_be_ignored(zone: Zone, name: str) -> None:
    content, kind = NO_PARQUET[name]
    zone.put(f"orders/date={FIRST}/{name}", content)
    zone.put(f"orders/date={SECOND}/part-0.parquet", parquet(1))
    arrivals = scan(Intake.of(zone.settings), ORDERS, [FIRST, SECOND])
    assert sorted(arrivals.days) == [SECOND]
    reason = arrivals.refused[FIRST].reason
    assert reason.startswith(
        f"orders/date=2026-01-01/{name}: its footer cannot be read: the file is {kind}; expected Parquet"
    )
    assert "ECOMMERCE_LANDING__IGNORE" in reason
    for pattern in (name.rpartition("/")[2], f"date=*/{name}"):
        landing = zone.settings.landing.model_copy(update={"ignore": (pattern,)})
        ignoring = LandingZone.of(zone.settings.model_copy(update={"landing": landing}))
        assert scan(Intake.of(zone.settings, ignoring), ORDERS, [FIRST]).refused == {}


def place(zone: Zone, name: str) -> str:
    zone.put(f"orders/date={FIRST}/{name}", parquet(len(name)))
    return f"date={FIRST}/{name}"


@pytest.mark.parametrize("files", [3, len(READ)], ids=["few files", "many files"])
def test_rows_know_the_file_in_its_sub_folder_and_the_day_on_a_disk(lake: SmallLake, files: int) -> None:
    """Few files are distinguished in one way, many in another. The folder `date=` below the day is not a day."""
    zone = Zone(lake.settings)
    names = [*READ[-files:], f"date={SECOND}/part-0.parquet"]
    places = [place(zone, name) for name in names]
    result = lake.ingest(FIRST, SECOND)
    assert result.refused == {}
    assert sorted(lake.rows("__source_file", "date")) == sorted((item, FIRST) for item in places)


def test_a_landing_address_with_dots_and_spaces_gives_the_same_places(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    address = f"{tmp_path}/x/../my landing"
    settings = load_settings(data_dir=tmp_path / "data", landing_uri=address)
    lake = SmallLake(settings, lambda: spark)
    places = [place(Zone(settings), name) for name in READ]
    assert lake.ingest(FIRST).refused == {}
    assert sorted(lake.rows("__source_file")) == sorted((item,) for item in places)


def test_rows_know_the_file_in_its_sub_folder_on_s3(spark_application: None, tmp_path: Path) -> None:
    from ecommerce_platform.spark.session import build_session

    with s3_bucket("landing-forms-lake") as bucket:
        settings = load_settings(
            data_dir=tmp_path / "data",
            landing_uri="s3://landing-forms-lake/landing",
            s3=bucket.settings,
            lakehouse=LakehouseSettings(warehouse="s3://landing-forms-lake/warehouse"),
        )
        places = [place(Zone(settings, bucket.client), name) for name in READ]
        lake = SmallLake(settings, lambda: build_session(settings))
        job = Ingest(Lake.of(settings), Intake.of(settings), lake.session, "run-1")
        assert ingest(job, [FIRST], ["orders"])["orders"].refused == {}
        assert sorted(lake.rows("__source_file", "date")) == sorted((item, FIRST) for item in places)


def test_a_link_to_nothing_refuses_its_day(tmp_path: Path) -> None:
    zone = Zone(load_settings(data_dir=tmp_path / "data", landing_uri=str(tmp_path / "landing")))
    zone.put(f"orders/date={FIRST}/part-0.parquet", parquet(1))
    (tmp_path / "landing" / "orders" / f"date={FIRST}" / "gone.parquet").symlink_to(tmp_path / "nowhere")
    assert "gone.parquet: it cannot be opened" in scan(Intake.of(zone.settings), ORDERS, [FIRST]).refused[FIRST].reason
