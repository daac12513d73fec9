"""What differs between two versions of the latest state: rows, and the business dates that have other figures.

What belongs here: finding rows that differ, and the dates that they concern. What does not: computing their figures
(incremental.py, buyers.py).

A result says of which versions it was computed (its snapshot names them). So what has to be computed again follows from two
versions of the state, and from nothing that an earlier run should have remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from threading import Lock

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.figures.purchases import with_business_date
from ecommerce_platform.analytics.follow.latest import State, read_slices
from ecommerce_platform.analytics.published import NEEDED
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake

#: Column of a row that one version alone has: -1 of the old one, 1 of the new one.
SIDE = "side"
#: Ranges that a reading is narrowed to: files are left out by their least and greatest values.
_RANGES = 64
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Version:
    """The latest state of all tables at one time, and the first and the last business date that has rows then."""

    spark: SparkSession
    lake: Lake
    states: Mapping[str, State]
    span: tuple[date, date]

    def rows(self, table: str) -> DataFrame:
        """Rows of the keys that are there; orders with their business date."""
        return with_business_date(self.present(table), *self.span) if table == "orders" else self.present(table)

    def present(self, table: str, slices: Sequence[int] | None = None) -> DataFrame:
        """Rows of the keys that are there, of these slices alone where they are given; without what the span adds."""
        columns = (load_contracts()[table].key, *NEEDED[table])
        rows = read_slices(self.spark, self.lake, table, self.states[table], slices)
        return rows.where(~F.col("deleted")).select(*columns)


class Differences:
    """By which rows earlier versions differ from `new`: found once, and kept until the end, whoever asks."""

    def __init__(self, new: Version) -> None:
        self.new = new
        self._lock = Lock()
        self._kept: dict[tuple[str, int], DataFrame] = {}

    def since(self, old: Version, table: str) -> DataFrame:
        """Rows of a table that one of the two versions alone has, with their `side`."""
        key = (table, old.states[table].snapshot_id)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = _differing(old, self.new, table).persist(StorageLevel.MEMORY_AND_DISK)
            return self._kept[key]

    def end(self) -> None:
        """Lets go of what was found."""
        for rows in self._kept.values():
            rows.unpersist()


def touched(old: Version, differences: Differences) -> list[date]:
    """The business dates whose figures may differ between `old` and the new version, in order. All others have the same figures
    in both.
    """
    new = differences.new
    changed_items = differences.since(old, "order_items")
    items = changed_items.select("order_id").where("order_id is not null").distinct().persist()
    # An order that has changed itself is there with both its versions; that of an item that has changed may have but one.
    of_items = new.rows("orders").where(within(items, "order_id", "id"))
    of_items = of_items.join(items, F.col("id") == F.col("order_id"), "left_semi")
    changed = differences.since(old, "orders")
    orders = of_items.select("business_date")
    for side, version in ((-1, old), (1, new)):
        of_side = with_business_date(changed.where(F.col(SIDE) == side), *version.span)
        orders = orders.unionByName(of_side.select("business_date"))
    if new.span[1] > old.span[1]:
        # Dates that the span has reached since: their orders have one now, changed or not.
        reached = between_dates("created_at", [(old.span[1] + _DAY, new.span[1])])
        orders = orders.unionByName(new.rows("orders").where(reached).select("business_date"))
    users = differences.since(old, "users")
    registered = users.groupBy("id", F.to_date("created_at").alias("date")).agg(F.sum(SIDE).alias(SIDE))
    concerned = orders.select(F.col("business_date").alias("date")).union(
        registered.where(f"{SIDE} <> 0").select("date")
    )
    dates = concerned.where("date is not null").distinct().collect()
    items.unpersist()
    first, last = new.span
    return sorted(row["date"] for row in dates if first <= row["date"] <= last)


def _differing(old: Version, new: Version, table: str) -> DataFrame:
    before, after = old.states[table].files, new.states[table].files
    was = old.present(table, sorted({before[path] for path in before.keys() - after.keys()}))
    now = new.present(table, sorted({after[path] for path in after.keys() - before.keys()}))
    both = was.withColumn(SIDE, F.lit(-1)).unionByName(now.withColumn(SIDE, F.lit(1)))
    return both.groupBy(*was.columns).agg(F.sum(SIDE).alias(SIDE)).where(f"{SIDE} <> 0")


def within(keys: DataFrame, name: str, column: str) -> Column:
    """Condition that narrows a reading by `column` to ranges that contain all values of `name` in `keys`, whole numbers."""
    # Near keys together, so that the driver gets few rows.
    together = keys.where(F.col(name).isNotNull()).groupBy(F.shiftright(F.col(name), 10))
    ends = together.agg(F.min(name).alias("first"), F.max(name).alias("last")).collect()
    ranges = joined([(row["first"], row["last"]) for row in ends])
    return either(F.col(column).between(first, last) for first, last in ranges)


def between_dates(column: str, runs: Iterable[tuple[date, date]]) -> Column:
    """Condition on a timestamp: it is in one of the runs of dates, both ends included. Without a function around the column, so
    that the files' statistics can answer.
    """
    # The day after the last may be one that no calendar has: the end is the last date's last microsecond.
    start, end = "00:00:00", "23:59:59.999999"
    return either(
        F.col(column).between(F.lit(f"{first} {start}").cast("timestamp"), F.lit(f"{last} {end}").cast("timestamp"))
        for first, last in runs
    )


def near_dates(column: str, dates: Sequence[date]) -> Column:
    """Condition that narrows a reading to runs of dates that contain all `dates`."""
    days = joined([(day.toordinal(), day.toordinal()) for day in dates])
    return between_dates(column, ((date.fromordinal(first), date.fromordinal(last)) for first, last in days))


def either(conditions: Iterable[Column]) -> Column:
    """Whether one of the conditions holds; false without any."""
    combined = F.lit(False)
    for condition in conditions:
        combined = combined | condition
    return combined


def joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most so many ranges that contain all of these: those with the least between them are joined."""
    ordered = sorted(ranges)
    gaps = sorted((later[0] - earlier[1], place) for place, (earlier, later) in enumerate(pairwise(ordered)))
    apart = {place for gap, place in gaps[max(0, len(gaps) - (_RANGES - 1)) :] if gap > 1}
    joined: list[tuple[int, int]] = []
    for place, (first, last) in enumerate(ordered):
        if joined and place - 1 not in apart:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
