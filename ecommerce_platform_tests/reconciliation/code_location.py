"""The room as a Dagster code location that a daemon can load: assets, checks, and what reconciles again. Settings come from the
environment, as in production."""

from __future__ import annotations

import dagster as dg

from ecommerce_platform.iceberg.resource import build_resources as lake_resources
from ecommerce_platform.operations.reconverge import build_sensor, recheck_job
from ecommerce_platform.reconciliation.assets import build_assets
from ecommerce_platform.reconciliation.checks import build_checks
from ecommerce_platform.reconciliation.resource import build_resources
from ecommerce_platform.settings import load_settings

_settings = load_settings()
_job = recheck_job(_settings.start_date)
defs = dg.Definitions(
    assets=build_assets(_settings.start_date),
    asset_checks=build_checks(),
    resources={**build_resources(_settings), **lake_resources(_settings)},
    jobs=[_job],
    sensors=[build_sensor(_settings, _job)],
    executor=dg.in_process_executor,
)
