"""The latest state of a source table, in Spark, from its change events.

What belongs here: event order, deletes and the placeholder of unchanged texts. What does not: reading tables (compute.py) and
metrics (customers.py, products.py, daily.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark programmer knows

from ecommerce_platform.contracts import Contract
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER

_DELETE = "DELETE"


def event_order() -> Column:
    """What orders the events of one key, as one value that can be compared; a missing LSN is lowest, as null is in Spark."""
    return F.struct("__source_lsn", "__ts_ms", "date", "__source_file", "__source_row")


def latest_state(events: DataFrame, contract: Contract, columns: Iterable[str]) -> DataFrame:
    """One row for each key whose last event is no DELETE: the key and `columns`, as the source has them now.

    `events` has the columns of the Iceberg event table. A text column with the placeholder gets the value of the key's last
    event that is no DELETE and has a real one (null is real), or null.
    """
    order = event_order()
    names = [name for name in columns if name != contract.key]
    texts = [name for name in names if name in contract.text_columns]
    others = [name for name in names if name not in texts]
    # One struct for all that the last event decides: one comparison an event instead of one a column.
    last = F.max_by(F.struct("__op", *others), order).alias("last")
    carried = [F.max_by(F.col(name), F.when(_is_real(name), order)).alias(name) for name in texts]
    state = events.groupBy(contract.key).agg(last, *carried).where(F.col("last.__op") != _DELETE)
    kept = [F.col(name) if name in texts else F.col(f"last.{name}").alias(name) for name in names]
    return state.select(contract.key, *kept)


def _is_real(name: str) -> Column:
    """Whether the event carries a value of the text column; events where it does not have no place in the comparison."""
    value = F.col(name)
    return (F.col("__op") != _DELETE) & (value.isNull() | (value != UNCHANGED_PLACEHOLDER))
