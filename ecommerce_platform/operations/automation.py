"""All that starts or watches runs: jobs, schedules, sensors. docs/operations.md names each of them with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from ecommerce_platform.lakehouse.days.ledger import published_events
from ecommerce_platform.landing.sensor import build_sensor as landing_sensor
from ecommerce_platform.operations.jobs import daily_batch_job, observe_landing_job
from ecommerce_platform.operations.maintenance import maintenance_job, maintenance_schedule
from ecommerce_platform.operations.notifications.sensor import build_sensor as notification_sensor
from ecommerce_platform.operations.reconverge import build_sensor as reconverge_sensor
from ecommerce_platform.operations.reconverge import recheck_job
from ecommerce_platform.operations.retries import build_sensor as retry_sensor
from ecommerce_platform.operations.schedules import daily_batch_schedule, observe_landing_schedule
from ecommerce_platform.settings import Settings


@dataclass(frozen=True)
class Automation:
    """What the code location hands to Dagster beside assets and checks."""

    jobs: tuple[dg.UnresolvedAssetJobDefinition | dg.JobDefinition, ...]
    schedules: tuple[dg.ScheduleDefinition, ...]
    sensors: tuple[dg.SensorDefinition, ...]


def build_automation(settings: Settings) -> Automation:
    """Jobs, schedules and sensors for these settings."""
    daily, observe, again = daily_batch_job(settings), observe_landing_job(), recheck_job(settings.start_date)
    maintenance = maintenance_job(settings)
    return Automation(
        jobs=(daily, observe, again, maintenance),
        schedules=(
            daily_batch_schedule(settings, daily),
            observe_landing_schedule(settings.profile, observe),
            maintenance_schedule(settings.profile, maintenance),
        ),
        sensors=(
            landing_sensor(settings, daily, published=published_events),
            reconverge_sensor(settings, again),
            retry_sensor(settings.profile, daily),
            notification_sensor(settings),
        ),
    )
