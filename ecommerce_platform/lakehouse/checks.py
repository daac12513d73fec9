"""What must hold for the event tables, as Dagster asset checks. They ask the ledger and the table, never the step's own word.

What belongs here: declaring the checks and their results. What does not: the verdict on a day, which is taken before it is
published (audit.py): a day that fails it is not there to be checked.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import partial

import dagster as dg

from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.execution.partitions import daily_partitions, last_partition
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.lakehouse.assets import event_key
from ecommerce_platform.lakehouse.days.ledger import TableLedger, read_table_ledger
from ecommerce_platform.lakehouse.days.withheld import withheld_columns, withheld_lines
from ecommerce_platform.lakehouse.ingest.audit import count_days, volume_warning
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.landing.resource import StepLandingZone
from ecommerce_platform.landing.unread import unread
from ecommerce_platform.settings import Settings

_CONSERVATION = (
    "Rows landed = rows published + rows quarantined + duplicates, and the table holds what the ledger says."
)
_SHARE = "The share of rows in quarantine is within the limit."
_VOLUME = "As many rows landed as on the same weekday of recent weeks, within a factor of two."
_READ = "Everything in the table's landing folder belongs to a day that some run reads."
_COLUMNS = "No column of the published days' files was left out because no contract classifies it."
_PUBLISHED = (
    "All days of the run are published with their newest content; if not, the run fails after all else has finished."
)


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`row_conservation` (blocking), `quarantine_share`, `volume`, `landing_is_read`, `columns_are_classified`, and
    `all_days_published` of each event table.
    """
    first, limit = settings.start_date, settings.landing.max_quarantined_share
    return [_audit_checks(first, limit), _closing_check(first)]


def _audit_checks(first: date, most_quarantined: Decimal) -> dg.AssetChecksDefinition:
    specs = [
        spec
        for table in source_tables()
        for spec in (
            dg.AssetCheckSpec("row_conservation", asset=event_key(table), blocking=True, description=_CONSERVATION),
            dg.AssetCheckSpec("quarantine_share", asset=event_key(table), description=_SHARE),
            dg.AssetCheckSpec("volume", asset=event_key(table), description=_VOLUME),
            dg.AssetCheckSpec("landing_is_read", asset=event_key(table), description=_READ),
            dg.AssetCheckSpec("columns_are_classified", asset=event_key(table), description=_COLUMNS),
        )
    ]

    @dg.multi_asset_check(name="change_events_audit", specs=specs, can_subset=True)
    @plain_words
    def change_events_audit(
        context: dg.AssetCheckExecutionContext, lake: StepLake, landing_zone: StepLandingZone
    ) -> Iterator[dg.AssetCheckResult]:
        days = checked_days(context, daily_partitions(first))
        partitions = first, last_partition(first)
        checks: dict[str, Callable[[str, Sequence[date]], dg.AssetCheckResult]] = {
            "row_conservation": partial(row_conservation, lake),
            "quarantine_share": partial(quarantine_share, lake, most_quarantined),
            "volume": partial(volume, lake),
            "landing_is_read": partial(landing_is_read, landing_zone, partitions),
            "columns_are_classified": partial(columns_are_classified, lake),
        }
        for key in sorted(context.selected_asset_check_keys):
            yield checks[key.name](key.asset_key.path[-1], days)

    return change_events_audit


def _closing_check(first: date) -> dg.AssetChecksDefinition:
    specs = [
        dg.AssetCheckSpec("all_days_published", asset=event_key(table), description=_PUBLISHED)
        for table in source_tables()
    ]

    @dg.multi_asset_check(name="all_days_published", specs=specs, can_subset=True)
    @plain_words
    def all_days_published(context: dg.AssetCheckExecutionContext, lake: StepLake) -> Iterator[dg.AssetCheckResult]:
        days = checked_days(context, daily_partitions(first))
        missing: list[str] = []
        for key in sorted(context.selected_asset_check_keys):
            problems = unpublished(lake, key.asset_key.path[-1], days)
            missing += problems
            yield dg.AssetCheckResult(
                passed=not problems,
                asset_key=key.asset_key,
                check_name=key.name,
                metadata={"days": len(days), "not_published": problems},
            )
        if missing:
            raise dg.Failure(
                f"{len(missing)} of the run's days are not published; the good days went through. "
                + " | ".join(missing),
                allow_retries=False,
            )

    return all_days_published


def checked_days(
    context: dg.AssetCheckExecutionContext, partitions: dg.TimeWindowPartitionsDefinition
) -> tuple[date, ...]:
    """The days of the run; a run without partitions checks all days that are published."""
    if context.op_execution_context.has_partition_key or context.op_execution_context.has_partition_key_range:
        window = context.op_execution_context.partition_key_range
        return tuple(date.fromisoformat(key) for key in partitions.get_partition_keys_in_range(window))
    return ()


def _ledger(lake: Lake, table: str) -> TableLedger:
    return read_table_ledger(table, lake.load(lake.events(table)))


def row_conservation(lake: Lake, table: str, days: Sequence[date]) -> dg.AssetCheckResult:
    """Compares the ledger with itself and with the manifests of the published snapshot."""
    iceberg = lake.load(lake.events(table))
    records = [record for day, record in read_table_ledger(table, iceberg).published.items() if not days or day in days]
    snapshot = iceberg.current_snapshot()
    counted = (
        count_days(iceberg, snapshot.snapshot_id, load_contracts()[table], [record.day for record in records])
        if snapshot and records
        else {}
    )
    wrong = [
        f"{record.day}: {record.landed} landed, {record.published} published, {record.quarantined} quarantined, "
        f"{record.duplicates} duplicates, {counted[record.day].rows if record.day in counted else 0} in the table"
        for record in records
        if not record.conserved or record.published != (counted[record.day].rows if record.day in counted else 0)
    ]
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=event_key(table),
        check_name="row_conservation",
        metadata={
            "days": len(records),
            "rows_landed": sum(record.landed for record in records),
            "rows_published": sum(record.published for record in records),
            "rows_quarantined": sum(record.quarantined for record in records),
            "rows_duplicate": sum(record.duplicates for record in records),
            "wrong_days": wrong,
        },
    )


def quarantine_share(lake: Lake, limit: Decimal, table: str, days: Sequence[date]) -> dg.AssetCheckResult:
    """The highest share of quarantined rows of a published day, against the limit."""
    records = {day: record for day, record in _ledger(lake, table).published.items() if not days or day in days}
    shares = {day: record.quarantined / record.landed for day, record in records.items() if record.landed}
    by_hand = [
        f"{day}: {record.by_hand.reason} ({record.by_hand.by}, {record.by_hand.at})"
        for day, record in records.items()
        if record.by_hand
    ]
    above = [f"{day}: {share:.2%}" for day, share in shares.items() if share > limit]
    return dg.AssetCheckResult(
        passed=not above,
        asset_key=event_key(table),
        check_name="quarantine_share",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "highest_share": max(shares.values(), default=0.0),
            "limit": float(limit),
            "days_above": above,
            "days_published_by_hand": by_hand,
        },
    )


def volume(lake: Lake, table: str, days: Sequence[date]) -> dg.AssetCheckResult:
    """Days on which unusually few or many rows landed."""
    records = _ledger(lake, table).published
    volume_warnings = [
        volume_warning(records, day, record.landed) for day, record in records.items() if not days or day in days
    ]
    warnings = [warning for warning in volume_warnings if warning]
    return dg.AssetCheckResult(
        passed=not warnings,
        asset_key=event_key(table),
        check_name="volume",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unusual_days": warnings},
    )


def landing_is_read(
    zone: LandingZone, partitions: tuple[date, date], table: str, days: Sequence[date]
) -> dg.AssetCheckResult:
    """Misnamed folders, stray files, and days without a partition, whatever the run's days are."""
    lines = unread(zone, table, *partitions)
    return dg.AssetCheckResult(
        passed=not lines,
        asset_key=event_key(table),
        check_name="landing_is_read",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"not_read": list(lines)},
    )


def columns_are_classified(lake: Lake, table: str, days: Sequence[date]) -> dg.AssetCheckResult:
    """Columns of the days' files that production left out, by the ledger."""
    withheld = withheld_columns(_ledger(lake, table), days)
    return dg.AssetCheckResult(
        passed=not withheld,
        asset_key=event_key(table),
        check_name="columns_are_classified",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"columns_withheld": withheld_lines(table, withheld)},
    )


def unpublished(lake: Lake, table: str, days: Sequence[date]) -> list[str]:
    """Why days of the run are not published, one line a day."""
    ledger = _ledger(lake, table)
    refused = [item for day, item in ledger.refused.items() if not days or day in days]
    absent = [day for day in days if day not in ledger.published and day not in ledger.refused]
    return [f"{table} {item.day}: {item.reason}" for item in refused] + [
        f"{table} {day}: nothing is published; materialize iceberg/{table} for it" for day in absent
    ]
