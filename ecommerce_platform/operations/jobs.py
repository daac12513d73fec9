"""The jobs that people and schedules launch. What belongs here: selections, names. Not here: when (schedules.py)."""

from __future__ import annotations

import dagster as dg

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.execution.partitions import daily_partitions
from ecommerce_platform.execution.resuming import resuming_executor
from ecommerce_platform.landing.assets import landing_key
from ecommerce_platform.operations.run_pods import run_pod_tags
from ecommerce_platform.settings import Settings

DAILY_BATCH = "daily_batch"
OBSERVE_LANDING = "observe_landing_files"


def daily_batch_job(settings: Settings) -> dg.UnresolvedAssetJobDefinition:
    """Everything of a day, or of a range of days in one run: landing files to reconciled marts."""
    return dg.define_asset_job(
        DAILY_BATCH,
        selection=dg.AssetSelection.all(),
        partitions_def=daily_partitions(settings.start_date),
        description="Landing files of a day to reconciled marts; a range of days is one run.",
        tags=run_pod_tags(settings.runs, DAILY_BATCH),
    )


def observe_landing_job() -> dg.UnresolvedAssetJobDefinition:
    """What has landed, recorded with a data version for each day, so that the lineage shows which days are out of date."""
    return dg.define_asset_job(
        OBSERVE_LANDING,
        selection=dg.AssetSelection.assets(*(landing_key(table) for table in source_tables())),
        description="Records which days of the landing zone have new, changed or removed files.",
        executor_def=resuming_executor,
    )
