"""The daily partitions: a partition is the UTC day of the landing folder, the day a change arrived.

What belongs here: the partitions definition, the days of a run and what a step reports of each. What does not: which days are
published or applied (the ledgers of lakehouse and warehouse say, never Dagster's partition status).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator


def daily_partitions(first: date) -> dg.DailyPartitionsDefinition:
    """Days from `first` (the settings' `start_date`) on, in UTC, today included: changes of today have a folder already.

    `end_offset=1` shows today's partition while the day runs; a day is applied as often as its folder grows.
    """
    return dg.DailyPartitionsDefinition(start_date=first.isoformat(), timezone="UTC", end_offset=1)


def last_partition(first: date) -> date:
    """The last day that has a partition, today; the day before `first` while there is none."""
    key = daily_partitions(first).get_last_partition_key()
    return date.fromisoformat(key) if key else first - timedelta(days=1)


def partition_days(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> tuple[date, ...]:
    """The days of the step's partition or partition range, in order."""
    keys = (
        context.op_execution_context.partition_keys
        if isinstance(context, dg.AssetCheckExecutionContext)
        else context.partition_keys
    )
    return tuple(sorted(date.fromisoformat(key) for key in keys))


def add_days_metadata(
    context: dg.AssetExecutionContext, keys: Iterable[dg.AssetKey], by_day: Mapping[date, Mapping[str, Any]]
) -> None:
    """What each of these assets' materializations of each day says, beside what was added before.

    As `context.add_asset_metadata` for each asset and day, at once: each call of that lists the run's days and copies what all
    calls before have added, which takes the cube of the days (a minute for the models of a year). Raises ValueError for an asset
    or a day that is not of this step.
    """
    keys, days = list(keys), set(partition_days(context))
    if unknown := [*(set(keys) - set(context.selected_asset_keys)), *(by_day.keys() - days)]:
        raise ValueError(f"no metadata can be attached to {unknown[0]}: the step materializes no such asset or day")
    step = context.get_step_execution_context()
    metadata_by_output = dict(step._metadata_accumulator.per_output_metadata)
    for key in keys:
        for day, metadata in by_day.items():
            handle = AssetMetadataHandle(asset_key=key, partition_key=day.isoformat())
            metadata_by_output[handle] = {**metadata_by_output.get(handle, {}), **metadata}
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=metadata_by_output)
