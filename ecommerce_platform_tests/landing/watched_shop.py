"""A landing zone, a code location on it, and the sensor's ticks."""

from datetime import date
from pathlib import Path

import dagster as dg

from ecommerce_platform.execution.partitions import daily_partitions, partition_days
from ecommerce_platform.iceberg.resource import build_resources as lake_resources
from ecommerce_platform.landing.assets import build_assets, landing_key
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.landing.resource import build_resources
from ecommerce_platform.landing.sensor import build_sensor
from ecommerce_platform.settings import Settings

DAY = date(2026, 1, 1)


def write(settings: Settings, table: str, day: date, name: str = "part-0.parquet", content: bytes = b"x") -> Path:
    path = Path(settings.landing_uri) / table / f"date={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Shop:
    """A code location with one asset behind the landing assets, and the sensor's ticks on it."""

    def __init__(self, settings: Settings, published: dict[str, dict[date, int]] | None = None) -> None:
        self.settings = settings
        self.resources = {**build_resources(settings), **lake_resources(settings)}
        self.instance = dg.DagsterInstance.ephemeral()
        self.ran: list[tuple[date, ...]] = []
        self.cursor: str | None = None

        @dg.asset(
            key=["iceberg", "orders"],
            deps=[landing_key("orders")],
            partitions_def=daily_partitions(settings.start_date),
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def orders(context: dg.AssetExecutionContext) -> None:
            self.ran.append(partition_days(context))

        job = dg.define_asset_job(
            "daily_batch", selection=[orders], partitions_def=daily_partitions(settings.start_date)
        )
        self.sensor = build_sensor(settings, job, published=lambda _: published or {})
        self.definitions = dg.Definitions(
            assets=[*build_assets(LandingZone.of(settings), settings.start_date), orders],
            jobs=[job],
            sensors=[self.sensor],
            resources=self.resources,
        )

    def tick(self) -> tuple[dg.RunRequest, ...]:
        context = dg.build_sensor_context(
            self.instance, self.cursor, definitions=self.definitions, resources=self.resources
        )
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        self.skip_message = data.skip_message
        self.events = data.asset_events
        return tuple(data.run_requests or ())

    def run(self, request: dg.RunRequest) -> None:
        job = self.definitions.resolve_job_def("daily_batch")
        assert job.execute_in_process(instance=self.instance, tags=dict(request.tags)).success
