"""Fixtures of the lakehouse's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.lakehouse.lake import SmallLake


@pytest.fixture
def lake(spark: SparkSession, local_settings: Settings) -> SmallLake:
    (Path(local_settings.landing_uri) / "orders").mkdir(parents=True)
    return SmallLake(local_settings, lambda: spark)
