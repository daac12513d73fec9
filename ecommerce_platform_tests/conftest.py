"""Fixtures that several rooms share: settings with a folder of their own, and the one Spark application of the test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.spark.jars import ALL_GROUPS
from ecommerce_platform.spark.session import build_session, stop_session

os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Processes that tests start import the tests' code locations, and this checkout's platform.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT_DIR), os.environ.get("PYTHONPATH"))))
# The tests' days are small, and their sessions many.
os.environ.setdefault("ECOMMERCE_SPARK__JVM_OPTIONS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
# One JVM for all folders of this process; the processes that tests start as users would have a folder's own.
os.environ.setdefault("ECOMMERCE_SPARK__ENGINE", "process")


@pytest.fixture
def local_settings(tmp_path: Path) -> Settings:
    """Settings of an installation of its own in an empty folder."""
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def spark_application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The process's Spark application, with the jars of all tests; it starts once."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("spark"))
    build_session(settings, "ecommerce-platform-tests", groups=ALL_GROUPS)
    yield
    stop_session()


@pytest.fixture
def spark(spark_application: None, local_settings: Settings) -> SparkSession:
    """A session whose Iceberg catalog is that of `local_settings`; cheap, once the application runs."""
    return build_session(local_settings)
