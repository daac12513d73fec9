"""The latest state of a source table, in Spark, from its change events.

What belongs here: deletes and the placeholder of unchanged texts. What does not: event order (event_order.py), texts that a key
change left out (key_changes.py), reading tables (compute.py) and metrics (customers.py, products.py, daily.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark programmer knows

from ecommerce_platform.analytics.event_order import newest_first, with_effective_lsn
from ecommerce_platform.analytics.key_changes import leaves_out, with_moved_texts
from ecommerce_platform.contracts import Contract
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER

_DELETE = "DELETE"


def latest_state(events: DataFrame, contract: Contract, columns: Iterable[str]) -> DataFrame:
    """One row for each key whose last event is not a DELETE: the key and `columns`, as the source has them now.

    `events` has the columns of the Iceberg event table. A text column with the placeholder gets the value of the key's last
    event that is not a DELETE and has a real one (null is real), or null; in the INSERT of a key change, the old key's.
    """
    names = [name for name in columns if name != contract.key]
    texts = [name for name in names if name in contract.text_columns]
    events, last_first = with_effective_lsn(events, contract.key), newest_first(contract.key)
    if not _any_left_out(events, texts):
        # The last event is enough, at half the cost.
        state = events.withColumn("__rank", F.row_number().over(last_first))
        return _last(state, contract.key, [F.col(name) for name in names])
    events = with_moved_texts(events, contract, texts)
    whole_key = last_first.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    # A window sorts the events of a key once for all columns. max_by would do, too, but aggregates by sorting twice.
    state = events.withColumn("__rank", F.row_number().over(last_first))
    kept = []
    for name in names:
        if name in texts:
            # In a struct, so that a real null is a value, and not an event to look past.
            real = F.first(F.when(_is_real(name), F.struct(name)), ignorenulls=True).over(whole_key)
            state = state.withColumn(f"__real_{name}", real)
            kept.append(F.col(f"__real_{name}.{name}").alias(name))
        else:
            kept.append(F.col(name))
    return _last(state, contract.key, kept)


def _any_left_out(events: DataFrame, texts: Sequence[str]) -> bool:
    """Whether any event has the placeholder in one of `texts`, which the files' statistics mostly answer."""
    return bool(texts) and not events.where(leaves_out(texts)).isEmpty()


def _last(ranked: DataFrame, key: str, kept: Sequence[Column]) -> DataFrame:
    return ranked.where((F.col("__rank") == 1) & (F.col("__op") != _DELETE)).select(key, *kept)


def _is_real(name: str) -> Column:
    """Whether the event carries a value of the text column."""
    value = F.col(name)
    return (F.col("__op") != _DELETE) & (value.isNull() | (value != UNCHANGED_PLACEHOLDER))
