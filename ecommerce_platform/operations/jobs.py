"""The jobs that people and schedules launch. What belongs here: selections, names. Not here: when (schedules.py)."""

from __future__ import annotations

import dagster as dg

from ecommerce_platform.partitions import daily_partitions
from ecommerce_platform.settings import Settings

DAILY_BATCH = "daily_batch"


def daily_batch_job(settings: Settings) -> dg.UnresolvedAssetJobDefinition:
    """Everything of a day, or of a range of days in one run: landing files to reconciled marts."""
    return dg.define_asset_job(
        DAILY_BATCH,
        selection=dg.AssetSelection.all(),
        partitions_def=daily_partitions(settings),
        description="Landing files of a day to reconciled marts; a range of days is one run.",
        executor_def=dg.in_process_executor,
    )
