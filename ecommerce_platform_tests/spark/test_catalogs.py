"""Each catalog type is opened by Spark, and read by PyIceberg through the same settings."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import load_catalog

from ecommerce_platform.iceberg.catalog import ensure_namespaces, warehouse_uri
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import LakehouseSettings, S3Settings, Settings, SparkSettings, load_settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform_tests.s3_server import s3_bucket
from ecommerce_platform_tests.spark import hive_server, rest_server


def settings_of(folder: Path, **lakehouse: Any) -> Settings:
    return load_settings(data_dir=folder / "data", lakehouse=LakehouseSettings.model_validate(lakehouse))


def write_by_spark(settings: Settings) -> list[tuple[int, str]]:
    """Creates a table, appends twice, and what Spark then reads."""
    spark = build_session(settings)
    ensure_namespaces(spark, settings.lakehouse)
    spark.sql("create table iceberg.ecommerce.pens (id bigint, name string) using iceberg partitioned by (name)")
    spark.sql("insert into iceberg.ecommerce.pens values (1, 'blue')")
    spark.sql("insert into iceberg.ecommerce.pens values (2, 'red')")
    return sorted((row["id"], row["name"]) for row in spark.table("iceberg.ecommerce.pens").collect())


def read_by_pyiceberg(settings: Settings) -> list[tuple[int, str]]:
    rows = Lake.of(settings).load("ecommerce.pens").scan().to_arrow().to_pylist()
    return sorted((row["id"], row["name"]) for row in rows)


PENS = [(1, "blue"), (2, "red")]


@pytest.fixture
def s3() -> Iterator[S3Settings]:
    """An S3 (and Glue) server with the bucket `catalog-lake`."""
    with s3_bucket("catalog-lake") as bucket:
        yield bucket.settings


@pytest.mark.parametrize("kind", ["sql", "hadoop"])
def test_a_catalog_in_a_folder_is_shared_by_spark_and_pyiceberg(
    spark_application: None, tmp_path: Path, kind: str
) -> None:
    settings = settings_of(tmp_path / "with a space", catalog_type=kind)
    assert write_by_spark(settings) == PENS
    assert read_by_pyiceberg(settings) == PENS


def test_what_pyiceberg_commits_spark_sees_at_once(spark_application: None, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    write_by_spark(settings)
    table = Lake.of(settings).catalog.load_table("ecommerce.pens")
    table.append(table.scan(limit=1).to_arrow())
    assert build_session(settings).table("iceberg.ecommerce.pens").count() == 3


def test_a_rest_catalog_is_shared_by_spark_and_pyiceberg(spark_application: None, tmp_path: Path) -> None:
    backend = load_catalog("rest", type="sql", uri=f"sqlite:///{tmp_path}/rest.db", warehouse=f"file://{tmp_path}/lake")
    with rest_server.serve(backend) as address:
        settings = settings_of(tmp_path, catalog_type="rest", catalog_uri=address)
        assert write_by_spark(settings) == PENS
        assert read_by_pyiceberg(settings) == PENS


@pytest.mark.slow
def test_a_hive_metastore_is_opened_by_spark(spark_application: None, tmp_path: Path) -> None:
    with hive_server.serve(tmp_path / "metastore") as address:
        settings = load_settings(
            data_dir=tmp_path / "data",
            lakehouse=LakehouseSettings(catalog_type="hive", catalog_uri=address),
            # This metastore has no tables for locks; it compares and swaps instead (HIVE-26882).
            spark=SparkSettings(
                engine="process",
                extra={"spark.sql.catalog.iceberg.hadoop.iceberg.engine.hive.lock-enabled": "false"},
            ),
        )
        assert write_by_spark(settings) == PENS
        if importlib.util.find_spec("thrift"):
            assert read_by_pyiceberg(settings) == PENS


def test_glue_with_files_on_s3_is_shared_by_spark_and_pyiceberg(
    spark_application: None, tmp_path: Path, s3: S3Settings
) -> None:
    lakehouse = LakehouseSettings(catalog_type="glue", catalog_uri=s3.endpoint, warehouse="s3://catalog-lake/warehouse")
    settings = load_settings(data_dir=tmp_path, s3=s3, lakehouse=lakehouse)
    assert write_by_spark(settings) == PENS
    assert read_by_pyiceberg(settings) == PENS


def test_a_sql_catalog_with_files_on_s3_is_shared_and_landing_files_are_read_there(
    spark_application: None, tmp_path: Path, s3: S3Settings
) -> None:
    lakehouse = LakehouseSettings(warehouse="s3://catalog-lake/warehouse")
    settings = load_settings(data_dir=tmp_path, landing_uri="s3://catalog-lake/landing", s3=s3, lakehouse=lakehouse)
    assert warehouse_uri(settings.lakehouse) == "s3://catalog-lake/warehouse"
    assert write_by_spark(settings) == PENS
    assert read_by_pyiceberg(settings) == PENS
    spark = build_session(settings)
    spark.range(3).write.parquet("s3a://catalog-lake/landing/users/date=2026-01-01")
    assert spark.read.parquet("s3a://catalog-lake/landing/users").count() == 3


def test_each_installation_has_a_session_of_its_own_in_one_application(spark_application: None, tmp_path: Path) -> None:
    one, two = settings_of(tmp_path / "one"), settings_of(tmp_path / "two")
    write_by_spark(one)
    ensure_namespaces(build_session(two), two.lakehouse)
    assert build_session(one) is build_session(one)
    assert build_session(two).sql("show tables in iceberg.ecommerce").count() == 0
    assert build_session(two).sparkContext is build_session(one).sparkContext


def test_the_session_is_set_up_for_exact_work_in_utc(spark_application: None, tmp_path: Path) -> None:
    spark = build_session(settings_of(tmp_path))
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    assert spark.conf.get("spark.ui.enabled") == "false"
