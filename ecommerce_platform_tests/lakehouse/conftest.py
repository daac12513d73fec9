"""Fixtures of the lakehouse's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.lakehouse.catalogs import published
from ecommerce_platform_tests.lakehouse.lake import SmallLake


@pytest.fixture
def lake(spark: SparkSession, local_settings: Settings) -> SmallLake:
    (Path(local_settings.landing_uri) / "orders").mkdir(parents=True)
    return SmallLake(local_settings, lambda: spark)


@pytest.fixture
def four_days(local_settings: Settings) -> Settings:
    """An installation with four days of orders, a commit each."""
    published(local_settings, 1, 2, 3, 4)
    return local_settings
