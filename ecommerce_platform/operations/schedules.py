"""When the day's run starts by itself. What belongs here: hours and the reasons for them."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from ecommerce_platform.settings import Settings

#: Changes of a day go on arriving for a while after midnight; two hours hold all but the late files, which have a sensor.
RUN_HOUR_UTC = 2


def daily_batch_schedule(settings: Settings, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Runs `job` for the day that ended at midnight UTC."""

    @dg.schedule(
        name="daily_batch_schedule",
        cron_schedule=f"0 {RUN_HOUR_UTC} * * *",
        job=job,
        execution_timezone="UTC",
        description=f"At {RUN_HOUR_UTC:02d}:00 UTC, the batch of the day that has just ended.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = (context.scheduled_execution_time - timedelta(days=1)).date()
        if day < settings.start_date:
            return dg.SkipReason(f"{day} is before the first partition, {settings.start_date}")
        return dg.RunRequest(run_key=f"daily-{day}", partition_key=day.isoformat())

    return schedule
