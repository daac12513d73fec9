"""Days whose landing files and tables lie on an S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.settings import LakehouseSettings, Settings, load_settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, counts, order
from ecommerce_platform_tests.s3_server import s3_bucket


@pytest.fixture
def on_s3(tmp_path: Path) -> Iterator[tuple[Settings, Any]]:
    """Settings of an installation on S3, and a client of the server."""
    with s3_bucket("lakehouse-lake") as bucket:
        yield (
            load_settings(
                data_dir=tmp_path / "on-s3",
                landing_uri="s3://lakehouse-lake/landing",
                s3=bucket.settings,
                lakehouse=LakehouseSettings(warehouse="s3://lakehouse-lake/warehouse"),
            ),
            bucket.client,
        )


def test_days_on_s3_are_published_and_a_day_is_known_by_its_etags(
    spark_application: None, local_settings: Settings, on_s3: tuple[Settings, Any]
) -> None:
    settings, client = on_s3
    local = SmallLake(local_settings, lambda: build_session(settings))
    for day in (FIRST, SECOND):
        path = local.land(day, *(order(key, key) for key in range(1, 120)), order(None, 900), order(7, 7))
        client.upload_file(str(path), "lakehouse-lake", f"landing/orders/date={day.isoformat()}/part 0+é.parquet")
    lake = SmallLake(settings, lambda: build_session(settings))

    result = ingest(Ingest(Lake.of(settings), Intake.of(settings), lake.session, "run-1"), [FIRST, SECOND], ["orders"])[
        "orders"
    ]

    assert result.refused == {}
    assert counts(result, FIRST) == (121, 119, 1, 1)
    assert lake.rows("__source_file")[0] == ("date=2026-01-01/part 0+é.parquet",)
    assert lake.quarantined("reason") == [("null_key",), ("null_key",)]
    again = ingest(Ingest(Lake.of(settings), Intake.of(settings), lake.session, "run-2"), [FIRST, SECOND], ["orders"])[
        "orders"
    ]
    assert sorted(again.unchanged) == [FIRST, SECOND]
