"""The event tables as Dagster sees them: one step for a range, metadata a day, and a run that fails only in its closing check."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from ecommerce_platform.execution.partitions import daily_partitions
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import build_resources as iceberg_resources
from ecommerce_platform.lakehouse.assets import build_assets, event_key
from ecommerce_platform.lakehouse.checks import build_checks
from ecommerce_platform.lakehouse.days.ledger import complete_days
from ecommerce_platform.landing.resource import build_resources as landing_resources
from ecommerce_platform.spark.resource import build_resources as spark_resources
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, order


def materialize_range(lake: SmallLake, instance: dg.DagsterInstance) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    downstream: list[str] = []

    @dg.asset(
        deps=[event_key("orders")],
        partitions_def=daily_partitions(lake.settings.start_date),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def reader(context: dg.AssetExecutionContext) -> None:
        downstream.extend(context.partition_keys)

    definitions = dg.Definitions(
        assets=[*build_assets(lake.settings, Lake.of(lake.settings)), reader],
        asset_checks=build_checks(lake.settings),
        resources={
            **landing_resources(lake.settings),
            **iceberg_resources(lake.settings),
            **spark_resources(lake.settings),
        },
        executor=dg.in_process_executor,
        jobs=[dg.define_asset_job("everything", selection="*")],
    )
    result = definitions.resolve_job_def("everything").execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": FIRST.isoformat(),
            "dagster/asset_partition_range_end": SECOND.isoformat(),
        },
    )
    return result, downstream


def metadata_of(result: dg.ExecuteInProcessResult, table: str) -> dict[str, Mapping[str, dg.MetadataValue]]:
    return {
        event.materialization.partition or "": event.materialization.metadata
        for event in result.get_asset_materialization_events()
        for event in [event.event_specific_data]
        if event.materialization.asset_key == event_key(table)
    }


def test_a_range_is_one_step_and_a_refused_day_fails_only_the_closing_check(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.path(SECOND).write_bytes(b"PAR1 cut off")
    for table in ("users", "products"):
        (Path(lake.settings.landing_uri) / table).mkdir()
    with dg.DagsterInstance.ephemeral() as instance:
        result, downstream = materialize_range(lake, instance)

        assert not result.success
        failed = [event.step_key for event in result.all_events if event.is_step_failure]
        assert failed == ["all_days_published"]
        assert downstream == [FIRST.isoformat(), SECOND.isoformat()]
        assert complete_days(Lake.of(lake.settings)) == (FIRST,)
        days = metadata_of(result, "orders")
        assert days[FIRST.isoformat()]["state"].value == "published"
        assert days[FIRST.isoformat()]["rows_landed"].value == 1
        assert days[SECOND.isoformat()]["state"].value == "refused"
        assert "orders/date=2026-01-02/part-0.parquet" in str(days[SECOND.isoformat()]["reason"].value)
        checks = {(check.asset_key, check.check_name): check.passed for check in result.get_asset_check_evaluations()}
        assert checks.pop((event_key("orders"), "all_days_published")) is False
        assert checks.pop((event_key("order_items"), "landing_is_read")) is False  # the table has no folder
        assert len(checks) == 22
        assert all(checks.values())
