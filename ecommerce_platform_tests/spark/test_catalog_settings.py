from __future__ import annotations

from pathlib import Path

import pytest

from ecommerce_platform.iceberg.catalog import (
    CatalogError,
    absolute_uri,
    hadoop_uri,
    jdbc_uri,
    needs_s3,
    spark_catalog_options,
    sqlalchemy_uri,
)
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import LakehouseSettings, S3Settings, Settings, load_settings
from ecommerce_platform.spark.options import COMPILE_LARGE_METHODS, SMALL_INPUT, SparkApplication, application_options


def with_lakehouse(settings: Settings, **values: object) -> Settings:
    return load_settings(data_dir=settings.data_dir, lakehouse=LakehouseSettings.model_validate(values))


def test_the_default_is_a_sqlite_catalog_in_the_data_directory_that_waits_for_locks(local_settings: Settings) -> None:
    file = local_settings.data_dir / "catalog.db"
    assert jdbc_uri(local_settings.lakehouse) == f"jdbc:sqlite:{file}?busy_timeout=30000"
    assert sqlalchemy_uri(local_settings.lakehouse) == f"sqlite:///{file}?timeout=30"


def test_a_postgresql_address_serves_both_doors_and_keeps_the_password_out_of_the_jdbc_address(
    local_settings: Settings,
) -> None:
    settings = with_lakehouse(
        local_settings,
        catalog_uri="postgresql://catalog.example:5433/lake?sslmode=require",
        catalog_user="spark",
        catalog_password="p@ss word",
    )
    address, _, query = jdbc_uri(settings.lakehouse).partition("?")
    assert address == "jdbc:postgresql://catalog.example:5433/lake"
    assert "sslmode=require" in query.split("&")
    options = spark_catalog_options(settings.lakehouse, settings.s3)
    assert options["spark.sql.catalog.iceberg.jdbc.user"] == "spark"
    assert options["spark.sql.catalog.iceberg.jdbc.password"] == "p@ss word"
    address, _, query = sqlalchemy_uri(settings.lakehouse).partition("?")
    assert address == "postgresql+psycopg2://spark:p%40ss word@catalog.example:5433/lake"
    assert "sslmode=require" in query.split("&")


def test_credentials_within_the_address_are_taken_out_of_it(local_settings: Settings) -> None:
    settings = with_lakehouse(local_settings, catalog_uri="postgresql://me:secret@db/lake")
    assert jdbc_uri(settings.lakehouse).startswith("jdbc:postgresql://db:5432/lake?")
    assert spark_catalog_options(settings.lakehouse, settings.s3)["spark.sql.catalog.iceberg.jdbc.password"] == "secret"


def test_no_secret_is_on_sparks_command_line(local_settings: Settings) -> None:
    settings = load_settings(
        data_dir=local_settings.data_dir,
        landing_uri="s3://bucket/landing",
        s3=S3Settings.model_validate({"access_key_id": "AKIA-KEY", "secret_access_key": "hidden-key"}),
        lakehouse=LakehouseSettings.model_validate(
            {"catalog_uri": "postgresql://db/lake", "catalog_user": "u", "catalog_password": "hidden-password"}
        ),
    )
    on_command_line = " ".join(application_options(SparkApplication.of(settings), ()).values())
    assert "hidden" not in on_command_line
    assert "AKIA-KEY" not in on_command_line


@pytest.mark.parametrize(
    ("jvm_options", "input_bytes", "expected"),
    [
        (None, SMALL_INPUT - 1, "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"),
        (None, SMALL_INPUT, "-XX:+UseParallelGC -XX:Tier4InvocationThreshold="),
        (None, None, "-XX:+UseParallelGC -XX:Tier4InvocationThreshold="),
        ("-XX:+UseZGC", 0, "-XX:+UseZGC -XX:ReservedCodeCacheSize="),
    ],
)
def test_the_jvm_compiles_for_what_there_is_to_read(
    local_settings: Settings, jvm_options: str | None, input_bytes: int | None, expected: str
) -> None:
    spark = local_settings.spark.model_copy(update={"jvm_options": jvm_options})
    settings = local_settings.model_copy(update={"spark": spark})
    options = application_options(SparkApplication.of(settings), (), lambda: input_bytes)[
        "spark.driver.extraJavaOptions"
    ]
    assert expected in options
    # The method that decodes all columns of an event is larger than what the JVM compiles by itself.
    assert COMPILE_LARGE_METHODS in options
    assert options.count("UseSerialGC") + options.count("UseParallelGC") + options.count("UseZGC") == 1


@pytest.mark.parametrize(
    ("master", "shuffle_partitions", "input_bytes", "expected"),
    [
        ("local[2]", None, None, "4"),
        ("local[2]", None, 1000, "4"),
        ("local[2]", None, 20 * 32 * 2**20, "20"),
        ("local[1]", None, None, "2"),
        ("local", None, 0, "2"),
        ("local[8]", None, 10 * 32 * 2**20, "16"),
        ("local[2]", 7, 20 * 32 * 2**20, "7"),
    ],
)
def test_a_shuffle_has_a_partition_for_what_a_task_can_sort_in_memory(
    local_settings: Settings, master: str, shuffle_partitions: int | None, input_bytes: int | None, expected: str
) -> None:
    spark = local_settings.spark.model_copy(update={"master": master, "shuffle_partitions": shuffle_partitions})
    settings = local_settings.model_copy(update={"spark": spark})
    assert (
        application_options(SparkApplication.of(settings), (), lambda: input_bytes)["spark.sql.shuffle.partitions"]
        == expected
    )


def test_a_database_that_cannot_keep_a_catalog_is_refused_by_name(local_settings: Settings) -> None:
    with pytest.raises(CatalogError, match="'mysql'; a sql catalog is kept in sqlite or postgresql"):
        jdbc_uri(with_lakehouse(local_settings, catalog_uri="mysql://db/lake").lakehouse)


def test_a_catalog_in_memory_is_refused(local_settings: Settings) -> None:
    with pytest.raises(CatalogError, match="a file that Spark and PyIceberg can both open"):
        jdbc_uri(with_lakehouse(local_settings, catalog_uri="sqlite:///:memory:").lakehouse)


@pytest.mark.parametrize("kind", ["rest", "hive"])
def test_a_catalog_server_without_an_address_is_an_error_that_names_the_variable(
    local_settings: Settings, kind: str
) -> None:
    with pytest.raises(CatalogError, match=f"ECOMMERCE_LAKEHOUSE__CATALOG_URI is empty; a {kind} catalog"):
        spark_catalog_options(with_lakehouse(local_settings, catalog_type=kind).lakehouse, local_settings.s3)


def test_pyiceberg_says_that_it_has_no_hadoop_catalog(local_settings: Settings) -> None:
    with pytest.raises(CatalogError, match="has no catalog for PyIceberg"):
        _ = Lake.of(with_lakehouse(local_settings, catalog_type="hadoop")).catalog


def test_folders_become_file_addresses_and_s3_goes_through_s3a_for_file_readers(tmp_path: Path) -> None:
    assert absolute_uri(str(tmp_path)) == f"file://{tmp_path}"
    assert hadoop_uri(str(tmp_path)) == f"file://{tmp_path}"
    assert hadoop_uri("s3://bucket/landing") == "s3a://bucket/landing"
    assert absolute_uri("s3://bucket/landing") == "s3://bucket/landing"


def test_s3_is_needed_as_soon_as_one_address_lies_there(local_settings: Settings) -> None:
    assert not needs_s3(local_settings)
    assert needs_s3(load_settings(data_dir=local_settings.data_dir, landing_uri="s3://bucket/landing"))
    assert needs_s3(with_lakehouse(local_settings, catalog_type="glue"))
