"""The sensor on new landing files: asks for one run for each range of days whose files changed.

What belongs here: one tick. What does not: what changed (changes.py) and what runs (the job is handed in).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ecommerce_platform.contracts import SOURCE_TABLES
from ecommerce_platform.landing.assets import observation
from ecommerce_platform.landing.changes import Cursor, DayRange, changed_days, day_digests, ranges_of
from ecommerce_platform.landing.files import LandingError, LandingTable, list_table
from ecommerce_platform.partitions import daily_partitions
from ecommerce_platform.settings import Profile, Settings
from ecommerce_platform.unfinished_runs import RANGE_END_TAG, RANGE_START_TAG, unfinished_runs

SENSOR_NAME = "new_landing_files"
LONGEST_RANGE_DAYS = 90
MOST_RUNS_A_TICK = 5
#: Dagster stores these one by one, slowly; what a long history's first tick leaves out, the observation step records.
MOST_OBSERVATIONS_A_TICK = 200


def sensor_status(settings: Settings) -> dg.DefaultSensorStatus:
    """Whether a sensor is on by itself: on one machine a person switches it on."""
    return dg.DefaultSensorStatus.STOPPED if settings.profile is Profile.LOCAL else dg.DefaultSensorStatus.RUNNING


def build_sensor(
    settings: Settings,
    job: UnresolvedAssetJobDefinition,
    seconds_between_ticks: int = 60,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """The sensor that launches `job` for the days whose files changed. On one machine it is off until it is switched on."""

    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=seconds_between_ticks,
        default_status=sensor_status(settings),
        description="Launches a run for the days whose landing files came, changed or went; each state of a day once.",
    )
    def new_landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        # Two runs at once would write the same tables; what changes meanwhile is still there at the next tick.
        unfinished = unfinished_runs(context.instance, clock(), job.name)
        unfinished.warn(context.log)
        if waits_for := unfinished.waits_for():
            return dg.SkipReason(waits_for)
        try:
            tables = [list_table(settings.landing_uri, table, settings.s3) for table in SOURCE_TABLES]
        except LandingError as error:
            return dg.SkipReason(str(error))
        return evaluate(settings, tables, context.cursor)

    return new_landing_files


def evaluate(
    settings: Settings, tables: Sequence[LandingTable], cursor_text: str | None
) -> dg.SensorResult | dg.SkipReason:
    """One tick: the runs to request for what is in the landing zone and was not there at the cursor.

    Only the days of the requested runs move into the cursor; the others wait for the next tick.
    """
    seen = day_digests(tables)
    cursor = Cursor.from_text(cursor_text)
    last = daily_partitions(settings).get_last_partition_key()
    changed = changed_days(cursor, seen, settings.start_date, date.fromisoformat(last)) if last else ()
    if not changed:
        return dg.SkipReason(f"no files changed among {len(seen)} days of {settings.landing_uri}")
    ranges = ranges_of(changed, LONGEST_RANGE_DAYS)[:MOST_RUNS_A_TICK]
    requested = [day for days in ranges for day in days.days]
    observed = [observation(table.table, day, table.days.get(day, ())) for table in tables for day in requested]
    return dg.SensorResult(
        run_requests=[_run_request(days, seen) for days in ranges],
        cursor=cursor.advanced(requested, seen).to_text(),
        asset_events=observed if len(observed) <= MOST_OBSERVATIONS_A_TICK else [],
    )


def _run_request(days: DayRange, seen: Mapping[date, str]) -> dg.RunRequest:
    # A range of days is one run; Dagster's tags for it are those that `--partition-range` sets.
    tags = {
        RANGE_START_TAG: days.first.isoformat(),
        RANGE_END_TAG: days.last.isoformat(),
    }
    return dg.RunRequest(run_key=days.run_key(seen), tags=tags)
