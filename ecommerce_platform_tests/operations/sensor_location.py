"""A code location for the daemon: the real sensors of new files and of retries, and a batch of one asset.

`dagster-daemon run -f` loads it. Retries are an hour ahead, so that their pauses are over at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from ecommerce_platform.execution.partitions import daily_partitions
from ecommerce_platform.iceberg.resource import build_resources as lake_resources
from ecommerce_platform.landing.resource import build_resources
from ecommerce_platform.landing.sensor import build_sensor
from ecommerce_platform.operations.retries import build_sensor as build_retry_sensor
from ecommerce_platform.settings import Profile, load_settings

SETTINGS = load_settings().model_copy(update={"profile": Profile.KIND})


@dg.asset(partitions_def=daily_partitions(SETTINGS.start_date), backfill_policy=dg.BackfillPolicy.single_run())
def batch() -> None: ...


daily_batch = dg.define_asset_job("daily_batch", selection=[batch], executor_def=dg.in_process_executor)
new_files = build_sensor(SETTINGS, daily_batch, seconds_between_ticks=1)
retries = build_retry_sensor(SETTINGS.profile, daily_batch, lambda: datetime.now(UTC) + timedelta(hours=2))
defs = dg.Definitions(
    assets=[batch],
    jobs=[daily_batch],
    sensors=[new_files, retries],
    resources={**build_resources(SETTINGS), **lake_resources(SETTINGS)},
)
