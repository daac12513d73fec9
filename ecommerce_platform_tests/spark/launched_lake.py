"""Code locations with the platform's own Spark steps, which a launcher runs in other processes, and what they leave in the lake.

Without pytest: the process of a launched step imports this too, and an image has none.
"""

from collections.abc import Iterable

import dagster as dg

from ecommerce_platform.analytics.assets import build_assets as analytics_assets
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import build_resources as iceberg_resources
from ecommerce_platform.lakehouse.assets import build_assets as lakehouse_assets
from ecommerce_platform.landing.resource import build_resources as landing_resources
from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.resource import build_resources

#: When and by which run a row was written, not what it says.
STAMPS = {"computed_at", "quarantined_at", "run_id"}


def lake_job() -> dg.JobDefinition:
    """The lakehouse and its analytics, by the settings of the environment."""
    settings = load_settings()
    lake = Lake.of(settings)
    return dg.Definitions(
        assets=[*lakehouse_assets(settings, lake), *analytics_assets(settings, lake)],
        jobs=[dg.define_asset_job("lake", selection="*", executor_def=dg.in_process_executor)],
        resources={**landing_resources(settings), **iceberg_resources(settings), **build_resources(settings)},
    ).resolve_job_def("lake")


def launched_lake_job() -> dg.JobDefinition:
    """The same; by another name, because Dagster keeps the definition of a job that it has loaded, and with it the settings."""
    return lake_job()


def rows_of(tables: Iterable[str]) -> dict[str, list[str]]:
    """Each table's rows as text, sorted, of the lake that the environment names."""
    settings = load_settings()
    rows_by_table = {}
    for name in tables:
        table = Lake.of(settings).load(name).scan().to_arrow()
        kept = [column for column in table.column_names if column not in STAMPS]
        rows_by_table[name] = sorted(str(row) for row in table.select(kept).to_pylist())
    return rows_by_table
