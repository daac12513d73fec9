"""How much a run of days reads, by which Spark's JVM is started (spark/options.py).

What belongs here: that number, from landing files and Iceberg's metadata. What does not: reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import complete_days
from ecommerce_platform.landing.files import LandingZone, landed_bytes
from ecommerce_platform.settings import SparkSettings


def bytes_to_read(
    zone: LandingZone, lake: Lake, section: SparkSettings, tables: Sequence[str], first: date, last: date
) -> int:
    """Bytes of the tables' landing files from `first` to `last`, and of all change events where Spark's analytics, which the
    same session computes next, read all of them: for each day, or to make the state from which they follow the changes, or to
    compare with it.
    """
    landed = landed_bytes(zone, tables, first, last)
    published = [table.current_snapshot() for table in map(lake.find, map(lake.events, source_tables())) if table]
    summaries = [snapshot.summary for snapshot in published if snapshot and snapshot.summary]
    events, size = (
        sum(int(summary[name] or 0) for summary in summaries) for name in ("total-records", "total-files-size")
    )
    follow = section.follow_changes_of(events) and any(map(lake.find, map(lake.latest, source_tables())))
    applied = complete_days(lake)
    check = section.check_is_due(len(applied), len({*applied, *_days(first, last)}))
    return landed if follow and not check else landed + size


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
