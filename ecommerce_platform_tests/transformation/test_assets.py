"""The dbt step in Dagster: what it selects, marks, refuses and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.assets import build_assets
from ecommerce_platform.transformation.checks import build_checks
from ecommerce_platform.transformation.resource import build_resources
from ecommerce_platform.transformation.results.agreement import COMPARISONS, compare
from ecommerce_platform.warehouse.resource import build_resources as warehouse_resources
from ecommerce_platform.warehouse.sql.connection import execute
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.tables import pending_days, read
from ecommerce_platform_tests.transformation.test_agreement import SPAN, spark_computed_the_applied_days

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

DAYS = ("2026-01-01", "2026-01-02")
DAILY = dg.AssetKey(["marts", "daily_business_metrics"])
SNAPSHOT_CHANGES = dg.AssetKey(["staging", "base_snapshot_changes"])


def materialize(settings: Settings, selection: Any = None, partition_range: tuple[str, str] = DAYS) -> Any:
    resources = {**build_resources(settings), **warehouse_resources(settings)}
    return dg.materialize(
        [*build_assets(settings), *build_checks(BusinessSpan.of(settings))],
        selection=selection,
        resources=resources,
        instance=dg.DagsterInstance.ephemeral(),
        tags={
            "dagster/asset_partition_range_start": partition_range[0],
            "dagster/asset_partition_range_end": partition_range[1],
        },
        raise_on_error=False,
    )


def small_history(connection: SnowflakeConnection) -> None:
    load_day(
        connection,
        DAYS[0],
        [user(1, 1, "2026-01-01"), product(1, 2, "2026-01-01"), order(1, 3, "2026-01-01"), item(1, 4, "2026-01-01")],
    )
    load_day(connection, DAYS[1], [])


def test_a_range_is_one_step_with_metadata_for_each_day(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    small_history(connection)
    result = materialize(transformation_settings)
    assert result.success
    events = {
        event.materialization.partition: event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == DAILY
    }
    assert sorted(events) == list(DAYS)
    metadata = events[DAYS[0]]
    assert metadata["dagster/row_count"].value == 1
    assert metadata["seconds"].value >= 0
    assert metadata["day"].value == "applied"
    assert str(metadata["batch_orders"].value).startswith("orders-2026-01-01-")
    lineage = events[DAYS[-1]]["dagster/column_lineage"].value.deps_by_column["total_revenue"]
    assert {dep.asset_key.to_user_string() for dep in lineage} == {"intermediate/int_order_analytics"}
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert pending_days(connection) == []


@pytest.mark.soak
def test_one_mart_alone_is_built_and_marks_no_day(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    small_history(connection)
    assert materialize(transformation_settings).success
    load_day(connection, DAYS[1], [order(2, 9, "2026-01-02")])
    result = materialize(transformation_settings, selection=[DAILY])
    assert result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {DAILY}
    assert pending_days(connection) == [DAYS[1]]


@pytest.mark.slow
def test_the_marts_and_what_they_need_are_a_whole_build(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    small_history(connection)
    result = materialize(transformation_settings, selection=dg.AssetSelection.groups("marts").upstream())
    assert result.success
    assert SNAPSHOT_CHANGES not in {event.asset_key for event in result.get_asset_materialization_events()}
    assert pending_days(connection) == []
    assert read(connection, "STAGING.BASE_SNAPSHOT_CHANGES") == []


@pytest.mark.soak
def test_models_of_a_part_are_not_compared_with_spark(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    small_history(connection)
    assert materialize(transformation_settings).success
    spark_computed_the_applied_days(connection)
    assert compare(connection, COMPARISONS[0], SPAN).compared
    load_day(connection, DAYS[1], [order(2, 9, "2026-01-02", user_id=1)])
    selection = dg.AssetSelection.all() - dg.AssetSelection.assets(SNAPSHOT_CHANGES, DAILY)
    assert materialize(transformation_settings, selection=selection).success
    outcome = compare(connection, COMPARISONS[0], SPAN)
    assert not outcome.compared
    assert "built some of them" in outcome.message


@pytest.mark.slow
def test_a_failed_test_fails_the_run_and_the_next_mends_it(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    small_history(connection)
    assert materialize(transformation_settings).success
    # An order too many, on a date that the next day does not touch: the mart's own test must find it.
    execute(connection, "update MARTS.DAILY_BUSINESS_METRICS set total_orders = total_orders + 1")
    load_day(connection, DAYS[1], [user(2, 9, "2026-01-02")])
    result = materialize(transformation_settings)
    assert not result.success
    failed = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
    assert failed == {"daily_business_metrics_cover_all_orders"}
    assert pending_days(connection) == [DAYS[1]]
    execute(connection, "delete from STAGING.APPLIED_DAYS")
    assert materialize(transformation_settings).success
    assert read(connection, "MARTS.DAILY_BUSINESS_METRICS")[0]["total_orders"] == 1
