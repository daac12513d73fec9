"""The landing zone as Dagster sees it: four external assets, observed, never made by the platform.

What belongs here: their declaration and the observation step. What does not: listing (files.py) and versions (changes.py).
"""

import warnings
from collections.abc import Iterator
from datetime import date

import dagster as dg

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.execution.partitions import daily_partitions, last_partition
from ecommerce_platform.landing.changes import data_version
from ecommerce_platform.landing.files import LandingFile, LandingTable, LandingZone, list_table
from ecommerce_platform.landing.resource import StepLandingZone
from ecommerce_platform.landing.unread import unread

GROUP = "landing"
OWNERS = ("team:data-platform",)
#: Under which Dagster stores the version of an observed asset.
DATA_VERSION_TAG = "dagster/data_version"
EMPTIED = "its files are gone; what is published of it stays until the events are withdrawn on purpose"


def landing_key(table: str) -> dg.AssetKey:
    """The asset of a table's landing files."""
    return dg.AssetKey([GROUP, table])


def build_assets(zone: LandingZone, first: date) -> list[dg.AssetsDefinition]:
    """The landing assets, with days from `first` on: one step observes them all, and records the days whose files changed."""
    partitions = daily_partitions(first)
    specs = [_spec(contract, zone, partitions) for contract in load_contracts().values()]

    # Beta in name only: it is how external assets with owners and kinds are observed in one step.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        observed = dg.multi_observable_source_asset(name="observe_landing", specs=specs, can_subset=True)

    @observed
    def observe_landing(context: dg.AssetExecutionContext, landing_zone: StepLandingZone) -> Iterator[dg.ObserveResult]:
        last = last_partition(first)
        for key in sorted(context.selected_asset_keys):
            name = key.path[-1]
            table = list_table(landing_zone, name)
            known = recorded_versions(context.instance, key)
            for item in observations(table, known, first, last):
                context.log_event(item)
                if not table.days.get(date.fromisoformat(item.partition or "")):
                    context.log.warning(f"{key.to_user_string()} {item.partition}: {EMPTIED}")
            for line in unread(landing_zone, name, first, last):
                context.log.warning(f"{key.to_user_string()}: {line}")
        # Each day has been recorded above; a result of the whole step would be one without a day.
        yield from ()

    return [observe_landing]


def _spec(contract: Contract, zone: LandingZone, partitions: dg.PartitionsDefinition) -> dg.AssetSpec:
    columns = [dg.TableColumn(column.name, column.spark_type, column.description) for column in contract.columns]
    return dg.AssetSpec(
        key=landing_key(contract.table),
        description=f"{contract.description} Change events as Parquet, one folder for each day of arrival.",
        group_name=GROUP,
        kinds={"parquet", "s3" if zone.is_on_s3 else "file"},
        owners=OWNERS,
        partitions_def=partitions,
        metadata={
            "dagster/uri": f"{zone.uri.rstrip('/')}/{contract.table}",
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "contract": f"{contract.source} {contract.version}",
        },
    )


def recorded_versions(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, str]:
    """The data version last recorded for each day."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION_TAG]
    )
    return {day: tags_of_day[DATA_VERSION_TAG] for day, tags_of_day in tags.items() if DATA_VERSION_TAG in tags_of_day}


def observations(table: LandingTable, known: dict[str, str], first: date, last: date) -> Iterator[dg.AssetObservation]:
    """One observation for each day from `first` to `last` whose files differ from what is known; a day that lost its
    files is observed as empty.
    """
    emptied = {date.fromisoformat(day): () for day, version in known.items() if version != data_version(())}
    days: dict[date, tuple[LandingFile, ...]] = {**emptied, **table.days}
    for day, files in sorted(days.items()):
        if first <= day <= last and known.get(day.isoformat()) != data_version(files):
            yield observation(table.table, day, files)


def observation(table: str, day: date, files: tuple[LandingFile, ...]) -> dg.AssetObservation:
    """What Dagster records of one day of a table's landing files."""
    metadata: dict[str, int | str] = {"files": len(files), "bytes": sum(file.size for file in files)}
    return dg.AssetObservation(
        asset_key=landing_key(table),
        partition=day.isoformat(),
        tags={DATA_VERSION_TAG: data_version(files)},
        metadata=metadata if files else {**metadata, "warning": "no files"},
    )
