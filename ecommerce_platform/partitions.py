"""The daily partitions: a partition is the UTC day of the landing folder, the day a change arrived.

What belongs here: the partitions definition and the days of a run. What does not: which days are published or applied (the
ledgers of lakehouse and warehouse tell, never Dagster's partition status).
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from ecommerce_platform.settings import Settings


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from `start_date` on, in UTC, today included: changes of today have a folder already.

    `end_offset=1` shows today's partition while the day runs; a day is applied as often as its folder grows.
    """
    return dg.DailyPartitionsDefinition(start_date=settings.start_date.isoformat(), timezone="UTC", end_offset=1)


def partition_days(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> tuple[date, ...]:
    """The days of the step's partition or partition range, in order."""
    keys = (
        context.op_execution_context.partition_keys
        if isinstance(context, dg.AssetCheckExecutionContext)
        else context.partition_keys
    )
    return tuple(sorted(date.fromisoformat(key) for key in keys))
