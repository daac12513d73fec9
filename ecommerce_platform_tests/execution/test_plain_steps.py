"""What a failed step says of trouble in the outside world: one paragraph, and the chain of errors only when asked for."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.error import SerializableErrorInfo

from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import build_resources as iceberg_resources
from ecommerce_platform.lakehouse import assets as lakehouse
from ecommerce_platform.landing.resource import build_resources as landing_resources
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.spark.resource import build_resources as spark_resources
from ecommerce_platform.warehouse import assets as warehouse
from ecommerce_platform.warehouse.resource import build_resources as warehouse_resources
from ecommerce_platform_tests.front.refusing_snowflake import refusing_snowflake

DAY = "2026-01-01"


def failure_of(assets: list[dg.AssetsDefinition], resources: dict[str, object]) -> SerializableErrorInfo:
    """What the step's own error is in the event log."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(assets, resources=resources, partition_key=DAY, instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    assert error.cause is not None, "Dagster's own frame is around it"
    return error.cause


def snowflake(folder: Path, port: int) -> Settings:
    return load_settings(
        data_dir=folder,
        snowflake={
            "account": "somewhere", "host": "127.0.0.1", "port": port, "protocol": "http", "password": "secret",
            "login_timeout_seconds": 1,
        },
    )  # fmt: skip


def loads(settings: Settings) -> SerializableErrorInfo:
    resources = {**iceberg_resources(settings), **warehouse_resources(settings)}
    return failure_of(warehouse.build_assets(settings)[:1], resources)


def ingests(settings: Settings) -> SerializableErrorInfo:
    return failure_of(
        lakehouse.build_assets(settings, Lake.of(settings)),
        {**landing_resources(settings), **iceberg_resources(settings), **spark_resources(settings)},
    )


def is_one_paragraph(error: SerializableErrorInfo, *words: str) -> None:
    assert error.cause is None
    assert error.context is None
    message = error.message.strip()
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_warehouse_that_is_down(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    is_one_paragraph(
        loads(snowflake(tmp_path, port)), "WarehouseUnreachable", f"127.0.0.1:{port}", "look at the network"
    )


def test_a_missing_grant(tmp_path: Path) -> None:
    with refusing_snowflake() as port:
        error = loads(snowflake(tmp_path, port))
    is_one_paragraph(error, "ProgrammingError", "Insufficient privileges", "warehouse init")


def test_a_corrupt_catalog(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(os.urandom(8192))
    is_one_paragraph(ingests(load_settings(data_dir=tmp_path)), "DatabaseError", "is damaged", "backup")


def test_a_catalog_in_a_missing_folder(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, lakehouse={"catalog_uri": f"sqlite:///{tmp_path}/nowhere/catalog.db"})
    is_one_paragraph(ingests(settings), "catalog")


def step_that_raises(raise_it: Callable[[], object]) -> list[dg.AssetsDefinition]:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition([DAY]))
    @plain_words
    def raises() -> None:
        try:
            raise KeyError("inside")
        except KeyError as error:
            try:
                raise_it()
            except Exception as raised:
                raise raised from error

    return [raises]


def full_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/data/x")


def bug() -> None:
    raise ZeroDivisionError("nobody foresaw it")


def test_a_full_disk() -> None:
    is_one_paragraph(failure_of(step_that_raises(full_disk), {}), "OSError", "the disk is full (/data/x)", "free space")


def test_an_error_of_no_known_kind_keeps_what_led_to_it() -> None:
    error = failure_of(step_that_raises(bug), {})
    assert error.cls_name == "ZeroDivisionError"
    assert error.cause is not None


def test_with_debug_every_error_keeps_what_led_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_DEBUG", "true")
    error = failure_of(step_that_raises(full_disk), {})
    assert error.cause is not None
    assert error.cause.cls_name == "KeyError"
