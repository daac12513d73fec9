"""Duplicates: an event delivered more than once within a day.

What belongs here: finding them. What does not: copies in other days, which stay as events and are harmless to the state.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.decode.plans import event_columns

#: Rows of one day that one task holds and one file gets; above it a day is spread over several.
ROWS_PER_BUCKET = 500_000

_BUCKET = "_bucket"


def mark_duplicates(
    events: DataFrame, contract: Contract, rows_of_largest_day: int, one_day: bool = False
) -> DataFrame:
    """Adds `_duplicate` (boolean), true for an event equal to the one before it.

    Before it: of the same day, key and LSN, in event order (`__ts_ms`, file, row), so that of two equal events with another
    version of the key between them (insert, delete, insert with one LSN) both stay. Equal: in every column of the contract and
    of the change-data-capture metadata. The rows come out clustered by day and sorted by day and key, as Iceberg wants them.

    `one_day` promises that all rows are of one day.
    """
    buckets = max(1, -(-rows_of_largest_day // ROWS_PER_BUCKET))
    if one_day:
        # As many tasks as buckets, each with its own, which it sorts in memory; asked for by number, they are not joined again.
        spread = events.repartition(buckets, *contract.key_names)
        # Sorting compares the first column cheaply, as numbers side by side, and the others row by row.
        together = [*contract.key_names, "__source_lsn"]
    else:
        # Day and bucket alone decide where a row goes: one exchange serves the comparison here and the writing by day after it.
        bucket = F.pmod(F.hash(*contract.key_names), F.lit(buckets))
        spread = events.withColumn(_BUCKET, bucket).repartition("date", _BUCKET)
        together = ["date", _BUCKET, *contract.key_names, "__source_lsn"]
    window = Window.partitionBy(*together).orderBy("__ts_ms", "__source_file", "__source_row")
    whole = F.struct(*(column.name for column in event_columns(contract)))
    # The first row has none before it: its `lag` is null, which a struct never equals, whatever nulls it holds.
    return spread.withColumn("_duplicate", whole.eqNullSafe(F.lag(whole).over(window))).drop(_BUCKET)
