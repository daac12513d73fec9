"""How fresh an asset has to be, for Dagster's own view of it. What does not belong here: notifications and alerts."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

#: What people read: of these a late day is seen. What lies before them is late whenever they are.
FRESH_GROUPS = frozenset({"marts", "reconciliation"})


def with_freshness(spec: dg.AssetSpec, late_hour: int) -> dg.AssetSpec:
    """The spec with its policy: materialized each day between midnight and `late_hour`, UTC."""
    if spec.group_name not in FRESH_GROUPS:
        return spec
    policy = dg.FreshnessPolicy.cron(
        deadline_cron=f"0 {late_hour} * * *", lower_bound_delta=timedelta(hours=late_hour or 24), timezone="UTC"
    )
    return spec.replace_attributes(freshness_policy=policy)
