"""A code location for the daemon: the real new-files sensor, and a batch of one asset. `dagster-daemon run -f` loads it."""

from __future__ import annotations

import dagster as dg

from ecommerce_platform.landing.sensor import build_sensor
from ecommerce_platform.partitions import daily_partitions
from ecommerce_platform.settings import Profile, load_settings

SETTINGS = load_settings().model_copy(update={"profile": Profile.KIND})


@dg.asset(partitions_def=daily_partitions(SETTINGS), backfill_policy=dg.BackfillPolicy.single_run())
def batch() -> None: ...


daily_batch = dg.define_asset_job("daily_batch", selection=[batch], executor_def=dg.in_process_executor)
sensor = build_sensor(SETTINGS, daily_batch, seconds_between_ticks=1)
defs = dg.Definitions(assets=[batch], jobs=[daily_batch], sensors=[sensor])
