"""Runs of a real Dagster instance, and an exporter that reads them."""

import dagster as dg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import Known, Model, PlatformState

KNOWN = Known(
    models=(
        Model("mart_customer_analytics", "marts/customer_analytics", "incremental"),
        Model("mart_daily_business_metrics", "marts/daily_business_metrics", "table"),
        Model("mart_product_performance", "marts/product_performance", "table"),
    ),
    jobs=("daily_batch",),
    checks=(("marts/daily_business_metrics", "adds_up"),),
)


PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-31")


def an_asset(key: list[str], *, fails: bool = False, models: tuple[str, ...] = ()) -> dg.AssetsDefinition:
    @dg.asset(key=key, partitions_def=PARTITIONS)
    def made() -> dg.MaterializeResult:
        if fails:
            raise dg.Failure("on purpose", metadata={"failed": dg.JsonMetadataValue(list(models))})
        return dg.MaterializeResult(metadata={"rows": 7, "seconds": 0.25, "materialization": "table"})

    return made


def run(instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition], day: str = "2026-01-01") -> None:
    dg.materialize(assets, instance=instance, partition_key=day, raise_on_error=False)


def samples(exporter: Exporter) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    registry = CollectorRegistry()
    registry.register(exporter)
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def exporter_of(instance: dg.DagsterInstance, state: PlatformState | None = None) -> Exporter:
    exporter = Exporter(instance, lambda: state or PlatformState(), KNOWN, say=lambda _: None)
    exporter.refresh()
    return exporter


def value(exporter: Exporter, name: str, **labels: str) -> float | None:
    return samples(exporter).get((name, frozenset(labels.items())))
