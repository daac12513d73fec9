"""The warehouse in Dagster: a range in one run, metadata a day, and a check that stops what follows."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.resource import build_resources as lake_resources
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.assets import build_assets, raw_key, spark_key
from ecommerce_platform.warehouse.checks import CHECK_NAME, build_checks
from ecommerce_platform.warehouse.resource import WarehouseResource, build_resources
from ecommerce_platform.warehouse.sql.connection import execute, fetch_all
from ecommerce_platform_tests.warehouse.lake import day, event, events, publish

ORDERS = load_contracts()["orders"]
ORDERS_KEY = raw_key("orders")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(
    settings: Settings,
    instance: dg.DagsterInstance,
    first: int,
    last: int,
    assets: list[dg.AssetKey],
    checks: list[dg.AssetCheckKey] | None = None,
) -> dg.ExecuteInProcessResult:
    """One run over days first … last of these assets with their checks, or of the checks alone."""
    definitions = dg.Definitions(
        assets=build_assets(settings),
        asset_checks=build_checks(),
        resources={**lake_resources(settings), **build_resources(settings)},
    )
    selection = dg.AssetSelection.assets(*assets) if assets else dg.AssetSelection.checks(*(checks or ()))
    job = dg.define_asset_job("test_job", selection=selection)
    resolved = dg.Definitions(
        assets=definitions.assets, asset_checks=definitions.asset_checks, resources=definitions.resources, jobs=[job]
    ).resolve_job_def("test_job")
    bounds = {
        "dagster/asset_partition_range_start": str(day(first)),
        "dagster/asset_partition_range_end": str(day(last)),
    }
    return resolved.execute_in_process(instance=instance, tags=bounds, raise_on_error=False)


def verdicts(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, tuple[bool, str | None]]:
    return {
        evaluation.asset_key: (evaluation.passed, evaluation.description)
        for evaluation in result.get_asset_check_evaluations()
    }


def test_a_range_is_one_run_with_metadata_for_each_day(settings: Settings, instance: dg.DagsterInstance) -> None:
    publish(settings, "orders", {day(1): events(ORDERS, day(1), 2), day(2): []})

    result = run(settings, instance, 1, 3, [ORDERS_KEY, spark_key("customer_metrics")])

    assert result.success
    assert verdicts(result)[ORDERS_KEY] == (True, "2 days agree")
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=ORDERS_KEY), limit=10).records
    by_day = {
        record.partition_key: {name: entry.value for name, entry in record.asset_materialization.metadata.items()}
        for record in records
        if record.asset_materialization is not None
    }
    assert {on: metadata["loaded"] for on, metadata in by_day.items()} == {
        "2026-01-01": True,
        "2026-01-02": True,
        "2026-01-03": False,
    }
    assert (by_day["2026-01-01"]["rows"], by_day["2026-01-02"]["rows"]) == (2, 0)
    for name in ("bytes", "seconds", "snapshot_id", "batch_id", "checksum"):
        assert name in by_day["2026-01-01"]
    assert by_day["2026-01-03"]["days_not_published"] == "2026-01-03"


def test_the_check_fails_the_run_when_raw_is_not_what_iceberg_published(
    settings: Settings, instance: dg.DagsterInstance, connection: SnowflakeConnection
) -> None:
    publish(settings, "orders", {day(1): [event(ORDERS, day(1), 1)]})
    assert run(settings, instance, 1, 1, [ORDERS_KEY]).success
    execute(connection, "insert into RAW.ORDERS select * from RAW.ORDERS")

    result = run(settings, instance, 1, 1, [ORDERS_KEY])

    assert not result.success
    passed, description = verdicts(result)[ORDERS_KEY]
    assert not passed
    assert description is not None
    assert "RAW.ORDERS differs from Iceberg on 2026-01-01" in description
    assert "RAW holds 2 rows" in description


def test_checks_that_run_alone_look_at_every_published_day(settings: Settings, instance: dg.DagsterInstance) -> None:
    publish(settings, "orders", {day(1): [event(ORDERS, day(1), 1)], day(2): []})
    assert run(settings, instance, 1, 1, [ORDERS_KEY]).success

    result = run(settings, instance, 1, 1, [], [dg.AssetCheckKey(ORDERS_KEY, CHECK_NAME)])

    problem = "RAW.ORDERS differs from Iceberg on 2026-01-02 (published in Iceberg, absent from RAW.LOAD_LEDGER)"
    assert verdicts(result)[ORDERS_KEY] == (False, problem)


def test_the_resource_hands_out_connections_that_end_with_their_block_even_after_an_error(settings: Settings) -> None:
    warehouse = build_resources(settings)["warehouse"]
    assert isinstance(warehouse, WarehouseResource)

    def leave_a_transaction_by_an_error() -> None:
        with warehouse.connection("run-7") as connection:
            execute(connection, "begin")
            execute(connection, "update RAW.LOAD_LOCK set run_id = 'stuck' where table_name = 'orders'")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave_a_transaction_by_an_error()

    with warehouse.connection("run-8") as connection:
        execute(connection, "update RAW.LOAD_LOCK set run_id = 'free' where table_name = 'orders'")
        assert fetch_all(connection, "select run_id from RAW.LOAD_LOCK where table_name = 'orders'") == [("free",)]
