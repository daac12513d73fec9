"""Computes the analytics of the published days, and replaces their tables: from the state that is kept, or from all events.

What belongs here: which of the two ways is taken, when there is nothing to do, and the way from all events. What does not:
Dagster (assets.py), the way from the state (incremental.py), and the transformations themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from ecommerce_platform.analytics import state
from ecommerce_platform.analytics.beside import side_by_side
from ecommerce_platform.analytics.declared import APPLIED_DAYS, AS_OF, BASIS, RUN_ID, TABLES
from ecommerce_platform.analytics.follow.incremental import refresh_from_state
from ecommerce_platform.analytics.frames import Frames
from ecommerce_platform.analytics.published import NEEDED, PublishedInput, read_events
from ecommerce_platform.analytics.tables import (
    AnalyticsError,
    WrittenTable,
    current,
    remember_checked,
    replace,
)
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.catalog import ensure_namespaces
from ecommerce_platform.iceberg.installation import claim
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import SparkSettings

#: Applied days of a result that was last compared longer ago than any setting allows.
NEVER_CHECKED = -(10**9)


def refresh(
    open_session: Callable[[], SparkSession],
    lake: Lake,
    section: SparkSettings,
    published: PublishedInput,
    names: Iterable[str],
    run_id: str,
) -> dict[str, WrittenTable]:
    """Brings the `wanted` tables to `published`. Those that were computed from the very same input stay as they are, and
    when all of them were, no session is opened.
    """
    basis = published.basis
    refreshed = {name: current(lake, name) for name in names}
    done = {name: entry for name, entry in refreshed.items() if entry is not None and entry.basis == basis}
    missing = [name for name in refreshed if name not in done]
    if not missing:
        return done
    claim(lake, lake.catalog)
    spark = open_session()
    ensure_namespaces(spark, lake.section)
    properties = {
        AS_OF: published.as_of.isoformat() if published.as_of else "",
        APPLIED_DAYS: str(len(published.days)),
        BASIS: basis,
        RUN_ID: run_id,
    }
    if any(refreshed[name] is None for name in missing) or not _keeps_state(section, published.events):
        # The first time there is nothing to follow, and the state is another table to write beside a long history.
        return done | _from_events(spark, lake, published, missing, properties)
    written = refresh_from_state(spark, lake, published, missing, properties)
    applied = len(published.days)
    due = [name for name in missing if section.check_is_due(written[name].checked_days, applied)]
    if due:
        _check(spark, lake, published, due, properties)
    return done | written


def _keeps_state(section: SparkSettings, events: int) -> bool:
    return section.follow_changes_of(events) and all(load_contracts()[table].has_number_key for table in NEEDED)


def _from_events(
    spark: SparkSession,
    lake: Lake,
    published: PublishedInput,
    names: list[str],
    properties: Mapping[str, str],
) -> dict[str, WrittenTable]:
    """Replaces these tables by what all events give."""
    # What they share is computed once.
    with all_frames(spark, lake, published) as frames:

        def write(name: str) -> WrittenTable:
            return replace(spark, lake, TABLES[name], frames.result(name), properties)

        written = side_by_side(spark, [partial(write, name) for name in names])
    return dict(zip(names, written, strict=True))


def all_frames(spark: SparkSession, lake: Lake, published: PublishedInput) -> Frames:
    """The results, as all events of the published days give them."""
    # Each asks its events what they hold before it is planned: small jobs, which leave the cores to each other.
    states = side_by_side(spark, [partial(read_state, spark, lake, published, table) for table in NEEDED])
    return Frames(dict(zip(NEEDED, states, strict=True)), published.span.dates(published.as_of))


def _check(
    spark: SparkSession,
    lake: Lake,
    published: PublishedInput,
    names: list[str],
    properties: Mapping[str, str],
) -> None:
    """Holds these tables against what all events give, row for row.

    Where they differ they are replaced, the state is made again, and AnalyticsError says so: earlier figures were wrong, too.
    """
    with all_frames(spark, lake, published) as frames:
        differing = {name: differences(spark, lake, name, frames.result(name)) for name in names}
        wrong = {name: rows for name, rows in differing.items() if rows}
        for name in wrong:
            replace(spark, lake, TABLES[name], frames.result(name), properties)
    if wrong:
        refresh_from_state(spark, lake, published, [], properties, rebuild=True)
    for name in names:
        remember_checked(lake, name, len(published.days))
    if wrong:
        where = ", ".join(f"{name} in {rows} rows" for name, rows in wrong.items())
        raise AnalyticsError(
            f"the analytics that followed the changes differ from those of all events: {where}. They are replaced "
            "and right now; figures of earlier days were wrong. Materialize the day again, and report this as a fault of the "
            "platform"
        )


@dataclass(frozen=True)
class Comparison:
    """A result beside what all events give: its rows, and how many rows one of the two alone has."""

    table: str
    rows: int
    differing: int


def compare_with_all_events(
    open_session: Callable[[], SparkSession], lake: Lake, published: PublishedInput
) -> list[Comparison]:
    """Holds the results against what all events give, and writes none of them. Where they differ, the next run that computes
    them compares again and puts the right ones in their place, if the setting `analytics_check_every_days` is not 0.

    Raises AnalyticsError when a result is of another input than `published`.
    """
    basis, stored = published.basis, {name: current(lake, name) for name in TABLES}
    fresh = {name: result for name, result in stored.items() if result is not None and result.basis == basis}
    if behind := sorted(stored.keys() - fresh.keys()):
        raise AnalyticsError(
            f"{', '.join(behind)}: not computed from what the lakehouse has published now, so that there is nothing to compare; "
            "materialize the analytics of the last day, and compare again"
        )
    spark = open_session()
    with all_frames(spark, lake, published) as frames:
        compared = [
            Comparison(name, result.rows, differences(spark, lake, name, frames.result(name), result.snapshot_id))
            for name, result in fresh.items()
        ]
    for item in compared:
        if item.differing:
            remember_checked(lake, item.table, NEVER_CHECKED)
    return compared


def differences(spark: SparkSession, lake: Lake, name: str, expected: DataFrame, snapshot_id: int | None = None) -> int:
    """How many rows of a result's table, now or at a snapshot, are not among `expected`, and the other way round."""
    at = "" if snapshot_id is None else f" version as of {int(snapshot_id)}"
    stored = spark.sql(f"select * from {lake.in_spark(lake.analytics(name))}{at}").select(*expected.columns)
    missing, needless = expected.exceptAll(stored), stored.exceptAll(expected)
    return missing.count() + needless.count()


def read_state(spark: SparkSession, lake: Lake, published: PublishedInput, table: str) -> DataFrame:
    """The latest state of a table over the published days, with the columns that the transformations need."""
    contract = load_contracts()[table]
    events = read_events(spark, lake, published, table, (contract.key, *NEEDED[table]))
    return state.latest_state(events, contract, NEEDED[table])
