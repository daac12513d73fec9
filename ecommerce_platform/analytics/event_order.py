"""The order of the events of one key, in Spark (docs/definitions.md, "event order of a key"; decision 0017).

What belongs here: where an event stands among those of its key. What does not: what follows from it (state.py, key_changes.py).
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark programmer knows

EFFECTIVE_LSN = "__effective_lsn"

#: Columns that the order reads, of events that `with_effective_lsn` made.
ORDER_COLUMNS = (EFFECTIVE_LSN, "__source_lsn", "__ts_ms", "date", "__source_file", "__source_row")


def with_effective_lsn(events: DataFrame, key: str) -> DataFrame:
    """Adds `__effective_lsn` (bigint): the event's own LSN, or, for a snapshot row that has none, the highest LSN among the
    events of its key whose `__ts_ms` is not after its own; null where there is none.

    `events` must be all events of their keys. An initial snapshot is older than the stream, which the files' statistics
    mostly answer: then every snapshot row is lowest, and no window is needed to learn it.
    """
    own = F.col("__source_lsn")
    if not _any_read_after_the_stream(events):
        return events.withColumn(EFFECTIVE_LSN, own)
    # A frame by range takes in equal times: "not after its own".
    seen_by_then = Window.partitionBy(key).orderBy("__ts_ms").rangeBetween(Window.unboundedPreceding, Window.currentRow)
    return events.withColumn(EFFECTIVE_LSN, F.coalesce(own, F.max(own).over(seen_by_then)))


def newest_first(*keys: str) -> WindowSpec:
    """The events of one key, the last one first: by effective LSN (null is lowest); of one LSN, events that have it
    themselves come before snapshot rows that stand after it."""
    return Window.partitionBy(*keys).orderBy(
        F.desc_nulls_last(EFFECTIVE_LSN),
        F.col("__source_lsn").isNull().desc(),
        F.desc("__ts_ms"),
        F.desc("date"),
        F.desc("__source_file"),
        F.desc("__source_row"),
    )


def _any_read_after_the_stream(events: DataFrame) -> bool:
    """Whether some event with an LSN, of any key, is not younger than the youngest snapshot row without one."""
    has_none = F.col("__source_lsn").isNull()
    youngest = events.where(has_none).agg(F.unix_micros(F.max("__ts_ms"))).first()
    if youngest is None or youngest[0] is None:
        return False
    # A constant, so that the files' statistics can answer.
    until = F.timestamp_micros(F.lit(youngest[0]))
    return not events.where(~has_none & (F.col("__ts_ms") <= until)).isEmpty()
