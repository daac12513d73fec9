"""The Spark analytics as Dagster sees them: three tables, one step.

What belongs here: declaration, which days are published, metadata. What does not: how they are computed (compute.py).
"""

import time
from collections.abc import Iterator

import dagster as dg
from pyiceberg.table.snapshots import Snapshot

from ecommerce_platform.analytics.compute import refresh
from ecommerce_platform.analytics.declared import TABLES, AnalyticsTable
from ecommerce_platform.analytics.published import NEEDED, PublishedInput, digest_of_code
from ecommerce_platform.analytics.tables import WrittenTable
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.execution.partitions import daily_partitions, partition_days
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.lakehouse.days.ledger import complete, event_tables, read_table_ledger
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.launchers.choose import SparkSteps
from ecommerce_platform.spark.resource import SparkResource

GROUP = "analytics"
OWNERS = ("team:data-platform",)


def analytics_key(table: str) -> dg.AssetKey:
    """The asset of an analytics table."""
    return dg.AssetKey(["iceberg", table])


def build_assets(settings: Settings, lake: Lake) -> list[dg.AssetsDefinition]:
    """The three analytics tables of `lake`, computed together by one step from the four event tables."""
    # Here, and kept: steps run beside each other, and dbt's threads read syntax trees, which no two threads may do at once.
    digest_of_code()
    partitions = daily_partitions(settings.start_date)
    specs = [_spec(table, lake, partitions) for table in TABLES.values()]

    @dg.multi_asset(
        name="spark_analytics",
        pool="iceberg_analytics",
        specs=specs,
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @plain_words
    def spark_analytics(
        context: dg.AssetExecutionContext, lake: StepLake, spark: SparkResource, spark_steps: SparkSteps
    ) -> Iterator[dg.MaterializeResult]:
        started = time.monotonic()
        selected = [name for name in TABLES if analytics_key(name) in context.selected_asset_keys]
        published = published_input(lake, BusinessSpan.of(settings))
        written = refresh(lambda: spark.spark_session, lake, settings.spark, published, selected, context.run.run_id)
        seconds = round(time.monotonic() - started, 3)
        waiting = [day.isoformat() for day in partition_days(context) if day not in published.days]
        if waiting:
            context.log.warning(f"not among the days that all tables have published: {', '.join(waiting)}")
        for name in selected:
            yield dg.MaterializeResult(
                asset_key=analytics_key(name), metadata=_metadata(written[name], published, seconds)
            )

    return [spark_analytics]


def published_input(lake: Lake, span: BusinessSpan) -> PublishedInput:
    """What the lakehouse has published, each table's ledger and snapshot from one state of its metadata; no days that need a
    table which does not exist.
    """
    tables = event_tables(lake)
    ledgers = {table: read_table_ledger(table, iceberg).published for table, iceberg in tables.items()}
    snapshots = {table: iceberg.current_snapshot() for table, iceberg in tables.items()}
    return PublishedInput(
        days=complete(ledgers),
        contents={(table, day): record.content_id for table, days in ledgers.items() for day, record in days.items()},
        snapshots={table: snapshot.snapshot_id for table, snapshot in snapshots.items() if snapshot},
        span=span,
        events=sum(_rows(snapshots.get(table)) for table in NEEDED),
    )


def _rows(snapshot: Snapshot | None) -> int:
    return int((snapshot.summary and snapshot.summary["total-records"]) or 0) if snapshot else 0


def _spec(table: AnalyticsTable, lake: Lake, partitions: dg.PartitionsDefinition) -> dg.AssetSpec:
    columns = [dg.TableColumn(column.name, column.spark_type, column.description) for column in table.columns]
    return dg.AssetSpec(
        key=analytics_key(table.name),
        deps=[dg.AssetKey(["iceberg", source]) for source in source_tables()],
        description=f"{table.description} Computed by Spark from all published days.",
        group_name=GROUP,
        kinds={"spark", "iceberg"},
        owners=OWNERS,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": f"{lake.section.catalog_name}.{lake.analytics(table.name)}",
            "dagster/column_schema": dg.TableSchema(columns=columns),
        },
    )


def _metadata(written: WrittenTable, published: PublishedInput, seconds: float) -> dict[str, str | int | float | bool]:
    return {
        "dagster/row_count": written.rows,
        "bytes": written.bytes,
        "seconds": seconds,
        "snapshot_id": str(written.snapshot_id),  # text: the UI rounds numbers of that size
        "as_of": published.as_of.isoformat() if published.as_of else "no day is published",
        "applied_days": len(published.days),
        "unchanged": not written.written,
    }
