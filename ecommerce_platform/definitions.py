"""The front door: assembles every room into one Dagster code location. Holds no logic.

`build_definitions(settings, **overrides)` assembles production and tests alike; an override replaces the resource of that name.
"""

from __future__ import annotations

import gc
import sys
import warnings

import dagster as dg

from ecommerce_platform.analytics.assets import build_assets as analytics_assets
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.execution.resuming import executor_for
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import RESOURCE as LAKE
from ecommerce_platform.iceberg.resource import build_resources as iceberg_resources
from ecommerce_platform.lakehouse.assets import build_assets as lakehouse_assets
from ecommerce_platform.lakehouse.checks import build_checks as lakehouse_checks
from ecommerce_platform.landing.assets import build_assets as landing_assets
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.landing.resource import RESOURCE as LANDING_ZONE
from ecommerce_platform.landing.resource import build_resources as landing_resources
from ecommerce_platform.operations.automation import build_automation
from ecommerce_platform.operations.freshness import with_freshness
from ecommerce_platform.operations.steps_at_once import steps_at_once
from ecommerce_platform.reconciliation.assets import build_assets as reconciliation_assets
from ecommerce_platform.reconciliation.checks import build_checks as reconciliation_checks
from ecommerce_platform.reconciliation.resource import build_resources as reconciliation_resources
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.spark.resource import build_resources as spark_resources
from ecommerce_platform.transformation.assets import build_assets as transformation_assets
from ecommerce_platform.transformation.checks import build_checks as transformation_checks
from ecommerce_platform.transformation.resource import build_resources as transformation_resources
from ecommerce_platform.warehouse.assets import build_assets as warehouse_assets
from ecommerce_platform.warehouse.checks import build_checks as warehouse_checks
from ecommerce_platform.warehouse.resource import build_resources as warehouse_resources


def build_resources(settings: Settings) -> dict[str, object]:
    """Everything of the outside world that steps reach, by resource name."""
    return {
        **landing_resources(settings),
        **iceberg_resources(settings),
        **spark_resources(settings),
        **warehouse_resources(settings),
        **transformation_resources(settings),
        **reconciliation_resources(settings),
    }


#: The page that explains a group, relative to the repository.
DOCUMENTATION = {
    "landing": "docs/architecture.md",
    "lakehouse": "docs/change-events.md",
    "analytics": "docs/definitions.md",
    "warehouse": "docs/architecture.md",
    "staging": "docs/definitions.md",
    "intermediate": "docs/transformation.md",
    "marts": "docs/definitions.md",
    "reconciliation": "docs/reconciliation.md",
}


def with_links(assets: list[dg.AssetsDefinition], late_hour: int) -> list[dg.AssetsDefinition]:
    """The assets with the page that explains each, references to their code, and how fresh they have to be: of the day
    before, from `late_hour` (UTC) on."""

    def linked(spec: dg.AssetSpec) -> dg.AssetSpec:
        page = DOCUMENTATION[str(spec.group_name)]
        documented = spec.merge_attributes(metadata={"documentation": dg.MetadataValue.path(page)})
        return with_freshness(documented, late_hour)

    with warnings.catch_warnings():
        # Dagster's code references are in beta, and it would say so to everyone who loads the code location.
        warnings.simplefilter("ignore", dg.BetaWarning)
        referenced = dg.with_source_code_references(assets)
    return [asset.map_asset_specs(linked) for asset in referenced if isinstance(asset, dg.AssetsDefinition)]


def build_definitions(
    settings: Settings, *, landing_zone: LandingZone | None = None, lake: Lake | None = None, **overrides: object
) -> dg.Definitions:
    """The code location for `settings`; a landing zone, a lake and `overrides` replace resources by name."""
    zone, lake = landing_zone or LandingZone.of(settings), lake or Lake.of(settings)
    resources = build_resources(settings) | {LANDING_ZONE: zone, LAKE: lake}
    if unknown := sorted(overrides.keys() - resources.keys()):
        raise ValueError(f"no such resource: {', '.join(unknown)}; there are {', '.join(resources)}")
    automation = build_automation(settings)
    return dg.Definitions(
        assets=with_links(
            [
                *landing_assets(zone, settings.start_date),
                *lakehouse_assets(settings, lake),
                *analytics_assets(settings, lake),
                *warehouse_assets(settings),
                *transformation_assets(settings),
                *reconciliation_assets(settings.start_date),
            ],
            settings.operations.day_late_hour_utc,
        ),
        asset_checks=[
            *lakehouse_checks(settings),
            *warehouse_checks(),
            *transformation_checks(BusinessSpan.of(settings)),
            *reconciliation_checks(),
        ],
        jobs=automation.jobs,
        schedules=automation.schedules,
        sensors=automation.sensors,
        resources={**resources, **overrides},
        executor=executor_for(steps_at_once(settings.runs.steps_at_once, settings.spark.launcher, zone)),
    )


defs = build_definitions(load_settings())

# What is loaded by now stays until the process ends: looking for garbage in it again and again, and once more at the end, takes
# a second of each short process. But DuckDB's library, where it is loaded already, would log frozen objects as leaks.
if "duckdb" not in sys.modules:
    gc.freeze()
