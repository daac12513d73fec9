"""The four event tables as Dagster assets: one step for all of them, and for all days of its range.

What belongs here: declaring the assets, calling the ingestion, and reporting. What does not: how a day is published (ingest/).

The step does not fail because days were refused: the good days go on, the refused ones are in the ledger, in their partition's
metadata, and in the check `all_days_published`, which fails the run in the end (checks.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from ecommerce_platform.contracts import Contract, load_contracts, source_tables
from ecommerce_platform.execution.partitions import add_days_metadata, daily_partitions, last_partition, partition_days
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.days.withheld import WHY_WITHHELD
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest, TableResult
from ecommerce_platform.lakehouse.ingest.reading import bytes_to_read
from ecommerce_platform.lakehouse.ingest.tables import TABLE_PROPERTIES
from ecommerce_platform.landing.resource import StepLandingZone
from ecommerce_platform.landing.unread import unread
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.launchers.choose import SparkSteps
from ecommerce_platform.spark.resource import SparkResource

GROUP = "lakehouse"
OWNERS = ("team:data-platform",)


def event_key(table: str) -> dg.AssetKey:
    """The asset of a table of change events."""
    return dg.AssetKey(["iceberg", table])


def build_assets(settings: Settings, lake: Lake) -> list[dg.AssetsDefinition]:
    """`iceberg/users`, `iceberg/products`, `iceberg/orders`, `iceberg/order_items`, with the names that they have in `lake`."""
    contracts = load_contracts()

    @dg.multi_asset(
        name="change_events",
        pool="iceberg_events",
        specs=[_spec(lake, contracts[table]) for table in source_tables()],
        can_subset=True,
        partitions_def=daily_partitions(settings.start_date),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @plain_words
    def change_events(
        context: dg.AssetExecutionContext,
        lake: StepLake,
        landing_zone: StepLandingZone,
        spark: SparkResource,
        spark_steps: SparkSteps,
    ) -> Iterator[dg.MaterializeResult]:
        selected = [table for table in source_tables() if event_key(table) in context.selected_asset_keys]
        days = partition_days(context)
        last = last_partition(settings.start_date)

        def to_read() -> int:
            return bytes_to_read(landing_zone, lake, settings.spark, selected, days[0], days[-1])

        intake = Intake.of(settings, landing_zone, lake)
        job = Ingest(lake, intake, lambda: spark.session_for(to_read), context.run.run_id)
        for table, result in ingest(job, days, selected).items():
            key = event_key(table)
            landing = f"{landing_zone.uri}/{table}"
            by_day = {
                day: {**day_metadata(result, day), "landing_folder": dg.MetadataValue.path(f"{landing}/date={day}")}
                for day in days
            }
            add_days_metadata(context, [key], by_day)
            for refused in result.refused.values():
                context.log.error(f"{key.to_user_string()} {refused.day} is not published: {refused.reason}")
            not_read = unread(landing_zone, table, settings.start_date, last)
            for line in not_read:
                context.log.warning(f"{key.to_user_string()}: {line}")
            for day, warning in result.warnings.items():
                context.log.warning(f"{key.to_user_string()} {day}: {warning}")
            yield dg.MaterializeResult(asset_key=key, metadata=table_metadata(result, contracts[table], not_read))

    return [change_events]


def _spec(lake: Lake, contract: Contract) -> dg.AssetSpec:
    table = contract.table
    return dg.AssetSpec(
        key=event_key(table),
        deps=[dg.AssetKey(["landing", table])],
        description=(
            f"Change events of {table} in Iceberg: {contract.description} Each landing day is decoded by the contract, "
            "audited on a branch, and published as a whole; rows that are not events are kept in quarantine."
        ),
        group_name=GROUP,
        kinds={"spark", "iceberg"},
        owners=OWNERS,
        metadata={
            "dagster/table_name": f"{lake.section.catalog_name}.{lake.events(table)}",
            "dagster/column_schema": _column_schema(contract),
            "quarantine_table": lake.quarantine(table),
            "table_properties": dict(TABLE_PROPERTIES),
            "contract": f"{contract.source} {contract.version}",
        },
    )


def _column_schema(contract: Contract) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.spark_type,
                column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in contract.all_event_columns
        ]
    )


def table_metadata(result: TableResult, contract: Contract, not_read: Sequence[str] = ()) -> Mapping[str, Any]:
    """What the step as a whole did for the table; `not_read` is what lies in its landing folder and no run reads."""
    records = result.records.values()
    unread_entries = {"landing_not_read": list(not_read)} if not_read else {}
    return unread_entries | {
        "dagster/row_count": sum(record.published for record in records),
        "dagster/column_schema": _column_schema(contract),
        "days_published_now": len(result.published),
        "days_unchanged": len(result.unchanged),
        "days_refused": len(result.refused),
        "rows_landed_in_step": sum(record.landed for record in records),
        "current_snapshot_id": str(result.snapshot_id),
        "step_seconds": round(result.seconds, 2),
    }


def day_metadata(result: TableResult, day: date) -> dict[str, Any]:
    """What became of one day of the table."""
    metadata: dict[str, Any] = {}
    record, refused = result.records.get(day), result.refused.get(day)
    if record:
        metadata = {
            "state": "published" if day in result.published else "unchanged",
            "rows_landed": record.landed,
            "rows_published": record.published,
            "rows_quarantined": record.quarantined,
            "rows_duplicate": record.duplicates,
            "dagster/partition_row_count": record.published,
            "files": record.files,
            "bytes": record.bytes,
            # As text: the numbers are beyond what the UI's JavaScript can hold.
            "snapshot_id": str(record.snapshot_id),
            "content_id": record.content_id,
            "published_by_run": record.run_id,
        }
    if record and record.by_hand:
        by_hand = record.by_hand
        if by_hand.withdrawn:
            metadata["events_withdrawn_by_hand"] = by_hand.withdrawn
        metadata |= {
            "published_by_hand": f"{by_hand.reason} ({by_hand.by}, {by_hand.at})",
            "refused_before": by_hand.refusal,
        }
    if day in result.retained:
        metadata["landing_files"] = "none: past ECOMMERCE_LANDING__RETENTION_DAYS; what is published stays"
    if refused:
        # What is published of the day, if anything, is the last good state: the numbers above are of that.
        metadata |= {"state": "refused", "reason": refused.reason, "refused_branch": refused.branch or "none"}
    if day in result.warnings:
        metadata["volume_warning"] = result.warnings[day]
    if day in result.epoch_units:
        metadata["epoch_units"] = "; ".join(f"{name}: {unit}" for name, unit in result.epoch_units[day].items())
    if record and record.withheld:
        metadata["columns_withheld"] = f"{', '.join(record.withheld)}: {WHY_WITHHELD}"
    if day in result.unknown_columns:
        metadata["columns_unknown_to_contract"] = ", ".join(result.unknown_columns[day])
    return metadata
