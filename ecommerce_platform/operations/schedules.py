"""What starts by the clock. What belongs here: hours and the reasons for them. Not here: what files or failures start."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from ecommerce_platform.settings import Profile, Settings


def default_status(settings: Settings) -> dg.DefaultScheduleStatus:
    """On one machine nothing starts by itself until somebody switches it on."""
    local = settings.profile is Profile.LOCAL
    return dg.DefaultScheduleStatus.STOPPED if local else dg.DefaultScheduleStatus.RUNNING


def daily_batch_schedule(settings: Settings, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Runs `job` for the day that ended at midnight UTC.

    Changes of a day go on arriving for a while after midnight; the hours until `operations.run_hour_utc` hold all but the late
    files, which have a sensor. The run is there for the days on which no file came: they are closed as empty.
    """
    hour = settings.operations.run_hour_utc

    @dg.schedule(
        name="daily_batch_schedule",
        cron_schedule=f"0 {hour} * * *",
        job=job,
        execution_timezone="UTC",
        default_status=default_status(settings),
        description=f"At {hour:02d}:00 UTC, the batch of the day that has just ended.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = (context.scheduled_execution_time - timedelta(days=1)).date()
        if day < settings.start_date:
            return dg.SkipReason(f"{day} is before the first partition, {settings.start_date}")
        return dg.RunRequest(run_key=f"daily-{day}", partition_key=day.isoformat())

    return schedule


def observe_landing_schedule(settings: Settings, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Once an hour: the lineage page then shows what has landed and is not processed yet, whether the sensor runs or not."""
    return dg.ScheduleDefinition(
        name="observe_landing_schedule",
        cron_schedule="30 * * * *",
        job=job,
        execution_timezone="UTC",
        default_status=default_status(settings),
        description="Every hour: records which days of the landing zone changed. It launches nothing else.",
    )
