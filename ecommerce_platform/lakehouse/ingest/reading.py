"""How much a run of days reads, by which Spark's JVM is started (spark/options.py).

What belongs here: that number, from landing files and Iceberg's metadata. What does not: reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import complete, event_tables, read_table_ledger
from ecommerce_platform.landing.changes import DayRange
from ecommerce_platform.landing.files import LandingZone, landed_bytes
from ecommerce_platform.settings import SparkSettings


def bytes_to_read(
    zone: LandingZone, lake: Lake, section: SparkSettings, tables: Sequence[str], first: date, last: date
) -> int:
    """Bytes of the tables' landing files from `first` to `last`, and of all change events where Spark's analytics, which the
    same session computes next, read all of them: for each day, or to make the state from which they follow the changes, or to
    compare with it.
    """
    landed, events_of = landed_bytes(zone, tables, first, last), event_tables(lake)
    snapshots = [table.current_snapshot() for table in events_of.values()]
    summaries = [snapshot.summary for snapshot in snapshots if snapshot and snapshot.summary]
    events, size = (
        sum(int(summary[name] or 0) for summary in summaries) for name in ("total-records", "total-files-size")
    )
    if section.follow_changes_of(events) and any(map(lake.find, map(lake.latest, source_tables()))):
        applied = complete({name: read_table_ledger(name, table).published for name, table in events_of.items()})
        if not section.check_is_due(len(applied), len({*applied, *DayRange(first, last).days})):
            return landed
    return landed + size
