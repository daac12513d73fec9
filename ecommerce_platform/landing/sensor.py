"""The sensor on new landing files: asks for one run for each range of days whose files changed.

What belongs here: one tick. What does not: what changed (changes.py) and what runs (the job is handed in).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.execution.partitions import last_partition
from ecommerce_platform.execution.unfinished_runs import RANGE_END_TAG, RANGE_START_TAG, unfinished_runs
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.landing.assets import observation
from ecommerce_platform.landing.changes import (
    EMPTIED,
    Cursor,
    DayRange,
    RewrittenFiles,
    changed_days,
    day_digests,
    emptied_days,
    only_erased,
    ranges_of,
)
from ecommerce_platform.landing.emptied import PublishedEvents, emptied_warning, nothing_known, settled_days
from ecommerce_platform.landing.files import LandingError, LandingTable, list_table
from ecommerce_platform.landing.forgotten import ForgottenFiles, rewritten_files
from ecommerce_platform.landing.resource import StepLandingZone
from ecommerce_platform.settings import Profile, Settings

SENSOR_NAME = "new_landing_files"
SENSOR_TAG = "dagster/sensor_name"
LONGEST_RANGE_DAYS = 90
MOST_RUNS_A_TICK = 5
#: Dagster stores these one by one, slowly; what a long history's first tick leaves out, the observation step records.
MOST_OBSERVATIONS_A_TICK = 200


def sensor_status(profile: Profile) -> dg.DefaultSensorStatus:
    """Whether a sensor is on by default: on one machine a person switches it on."""
    return dg.DefaultSensorStatus.STOPPED if profile is Profile.LOCAL else dg.DefaultSensorStatus.RUNNING


def build_sensor(
    settings: Settings,
    job: dg.UnresolvedAssetJobDefinition,
    seconds_between_ticks: int = 60,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    published: Callable[[Lake], Mapping[str, Mapping[date, int]]] = lambda _: nothing_known(),
) -> dg.SensorDefinition:
    """The sensor that launches `job` for the days whose files changed. On one machine it is off until it is switched on.

    `published` reads how many events each table of the lake has published of each day; it is asked while a day's files are gone.
    """

    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=seconds_between_ticks,
        default_status=sensor_status(settings.profile),
        description="Launches a run for the days whose landing files came or changed, each change once; warns of days that have "
        "lost all of their files.",
    )
    def new_landing_files(
        context: dg.SensorEvaluationContext, landing_zone: StepLandingZone, lake: StepLake
    ) -> dg.SensorResult | dg.SkipReason:
        # Two runs at once would write the same tables; what changes meanwhile is still there at the next tick.
        unfinished = unfinished_runs(context.instance, clock(), job.name)
        unfinished.warn(context.log)
        if waits_for := unfinished.waits_for():
            return dg.SkipReason(waits_for)
        try:
            tables = [list_table(landing_zone, table) for table in source_tables()]
        except LandingError as error:
            return dg.SkipReason(str(error))
        # Keys of runs that were launched before the cursor was lost are spent.
        launched = (
            0 if context.cursor else context.instance.get_runs_count(dg.RunsFilter(tags={SENSOR_TAG: SENSOR_NAME}))
        )
        tick = evaluate(
            settings,
            landing_zone.uri,
            tables,
            context.cursor,
            lambda: published(lake),
            launched,
            lambda: rewritten_files(ForgottenFiles.of(settings, lake)),
        )
        if tick.warning:
            context.log.warning(tick.warning)
        return tick.result

    return new_landing_files


@dataclass(frozen=True)
class Tick:
    """What a tick asks of Dagster, and what it warns of."""

    result: dg.SensorResult | dg.SkipReason
    warning: str = ""


def evaluate(
    settings: Settings,
    landing_uri: str,
    tables: Sequence[LandingTable],
    cursor_text: str | None,
    published: PublishedEvents = nothing_known,
    lost_generation: int = 0,
    rewritten: RewrittenFiles = tuple,
) -> Tick:
    """One tick: the runs to request for what is in the landing zone and was not there at the cursor.

    Only the days of the requested runs move into the cursor; the others wait for the next tick. A day that only erasures
    have changed is not requested; `rewritten` is asked for them where a day has changed at all. One that has lost all of its
    files is never requested either: it is warned of at each tick until files are back, its events are withdrawn, or retention
    covers it.
    """
    seen = day_digests(tables)
    cursor = Cursor.from_text(cursor_text, lost_generation)
    last = last_partition(settings.start_date)
    emptied = emptied_days(cursor, seen, settings.start_date, last)
    settled = settled_days(emptied, published() if emptied else {}, settings.landing.retention_days)
    left = tuple(day for day in emptied if day not in settled)
    new = [day for day in left if cursor.digests[day] != EMPTIED]
    cursor = cursor.emptied(new, settled)
    warning = emptied_warning(landing_uri, left)
    changed = changed_days(cursor, seen, settings.start_date, last)
    if changed and (erasures := rewritten()):
        erased = only_erased(cursor, tables, changed, erasures)
        changed = tuple(day for day in changed if day not in erased)
    if not changed:
        message = warning or f"no files changed among {len(seen)} days of {landing_uri}"
        if not emptied:
            return Tick(dg.SkipReason(message))
        events = _observed(tables, new)
        return Tick(
            dg.SensorResult(skip_reason=dg.SkipReason(message), cursor=cursor.to_text(), asset_events=events), warning
        )
    ranges = ranges_of(changed, LONGEST_RANGE_DAYS)[:MOST_RUNS_A_TICK]
    requested = [day for days in ranges for day in days.days]
    result = dg.SensorResult(
        run_requests=[_run_request(days, seen, cursor.generation) for days in ranges],
        cursor=cursor.advanced(requested, seen).to_text(),
        asset_events=_observed(tables, [*requested, *new]),
    )
    return Tick(result, warning)


def _observed(tables: Sequence[LandingTable], days: Sequence[date]) -> list[dg.AssetObservation]:
    observed = [observation(table.table, day, table.days.get(day, ())) for table in tables for day in days]
    return observed if len(observed) <= MOST_OBSERVATIONS_A_TICK else []


def _run_request(days: DayRange, seen: Mapping[date, str], generation: int) -> dg.RunRequest:
    # A range of days is one run; Dagster's tags for it are those that `--partition-range` sets.
    tags = {
        RANGE_START_TAG: days.first.isoformat(),
        RANGE_END_TAG: days.last.isoformat(),
    }
    return dg.RunRequest(run_key=days.run_key(seen, generation), tags=tags)
