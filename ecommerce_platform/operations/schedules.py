"""What starts by the clock. What belongs here: hours and the reasons for them. Not here: what files or failures start."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from ecommerce_platform.execution.unfinished_runs import run_of_day, unfinished_runs
from ecommerce_platform.settings import Profile, Settings


def default_status(profile: Profile) -> dg.DefaultScheduleStatus:
    """On one machine nothing starts by itself until somebody switches it on."""
    return dg.DefaultScheduleStatus.STOPPED if profile is Profile.LOCAL else dg.DefaultScheduleStatus.RUNNING


def daily_batch_schedule(settings: Settings, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Runs `job` for the day that ended at midnight UTC.

    Changes of a day go on arriving for a while after midnight; the hours until `operations.run_hour_utc` hold all but the late
    files, which have a sensor. The run closes the days on which no file came as empty. A day that a run on its way has already
    is left to that run (and to its retries); runs of other days do not matter: this one waits for them in the queue.
    """
    hour = settings.operations.run_hour_utc

    @dg.schedule(
        name="daily_batch_schedule",
        cron_schedule=f"0 {hour} * * *",
        job=job,
        execution_timezone="UTC",
        default_status=default_status(settings.profile),
        description=f"At {hour:02d}:00 UTC, the batch of the day that has just ended.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = (context.scheduled_execution_time - timedelta(days=1)).date()
        if day < settings.start_date:
            return dg.SkipReason(f"{day} is before the first partition, {settings.start_date}")
        unfinished = unfinished_runs(context.instance, context.scheduled_execution_time, job.name)
        unfinished.warn(context.log)
        if run := run_of_day(unfinished.on_their_way, day):
            return dg.SkipReason(
                f"{day} is in a run that is not finished yet: {run.run_id} ({run.status.value.lower()})"
            )
        return dg.RunRequest(run_key=f"daily-{day}", partition_key=day.isoformat())

    return schedule


def observe_landing_schedule(profile: Profile, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Once an hour: the lineage page then shows what has landed and is not processed yet, whether the sensor runs or not."""
    return one_at_a_time(
        profile,
        "observe_landing_schedule",
        "30 * * * *",
        job,
        "Every hour: records which days of the landing zone changed. It launches nothing else.",
    )


def one_at_a_time(
    profile: Profile,
    name: str,
    cron: str,
    job: dg.UnresolvedAssetJobDefinition | dg.JobDefinition,
    description: str,
) -> dg.ScheduleDefinition:
    """A schedule that skips while a run of the job is on its way: the next hour or week does the same work."""

    @dg.schedule(
        name=name,
        cron_schedule=cron,
        job=job,
        execution_timezone="UTC",
        default_status=default_status(profile),
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        unfinished = unfinished_runs(context.instance, context.scheduled_execution_time, job.name)
        unfinished.warn(context.log)
        if waits_for := unfinished.waits_for():
            return dg.SkipReason(waits_for)
        return dg.RunRequest()

    return schedule
