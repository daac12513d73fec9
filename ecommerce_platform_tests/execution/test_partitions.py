"""What a step reports of each of its days: as Dagster's own calls would, without their cost."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import dagster as dg
import pytest
from dagster import AssetExecutionContext

from ecommerce_platform.execution.partitions import add_days_metadata, partition_days

PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
ORDERS, USERS = dg.AssetKey("orders"), dg.AssetKey("users")
Tell = Callable[[AssetExecutionContext], None]


def metadata_of(tell: Tell) -> dict[tuple[dg.AssetKey | None, str | None], dict[str, Any]]:
    """Each materialization's metadata, of a step that materializes three days of two assets."""

    @dg.multi_asset(
        specs=[dg.AssetSpec(key, partitions_def=PARTITIONS) for key in (ORDERS, USERS)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def step(context: AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        tell(context)
        yield dg.MaterializeResult(asset_key=ORDERS, metadata={"seconds": 1.5})
        yield dg.MaterializeResult(asset_key=USERS)

    tags = {"dagster/asset_partition_range_start": "2026-01-05", "dagster/asset_partition_range_end": "2026-01-07"}
    result = dg.materialize([step], instance=dg.DagsterInstance.ephemeral(), tags=tags)
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {(event.asset_key, event.partition): dict(event.metadata) for event in events}


def at_once(context: AssetExecutionContext) -> None:
    days = partition_days(context)
    add_days_metadata(context, [ORDERS, USERS], {day: {"rows": day.day} for day in days})
    add_days_metadata(context, [ORDERS], {days[-1]: {"last": True, "rows": 99}})


def one_by_one(context: AssetExecutionContext) -> None:
    for day in partition_days(context):
        for key in (ORDERS, USERS):
            context.add_asset_metadata({"rows": day.day}, asset_key=key, partition_key=day.isoformat())
    context.add_asset_metadata({"last": True, "rows": 99}, asset_key=ORDERS, partition_key="2026-01-07")


def test_each_assets_days_say_what_dagsters_own_calls_would() -> None:
    metadata = metadata_of(at_once)
    assert metadata == metadata_of(one_by_one)
    assert len(metadata) == 6
    assert metadata[ORDERS, "2026-01-07"]["rows"].value == 99


@pytest.mark.parametrize(
    ("key", "day"), [(dg.AssetKey("pens"), date(2026, 1, 5)), (ORDERS, date(2026, 1, 8))], ids=["asset", "day"]
)
def test_what_the_step_does_not_materialize_takes_no_metadata(key: dg.AssetKey, day: date) -> None:
    with pytest.raises(ValueError, match=r"pens|2026-01-08"):
        metadata_of(lambda context: add_days_metadata(context, [key], {day: {"rows": 1}}))
