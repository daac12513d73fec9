"""The state of keys from further events, without the events of before.

What belongs here: the form in which a key's state can take in more events, and which events it cannot take in. What does not:
where states are kept (latest.py), and the other way to the latest state, from all events at once (state.py), which this one is
checked against.

A state is a greatest element: the last event in event order, of each text the last event that has a real one, and how far the
events of the key go. So states and events can be taken together in any order and any number of times. What an event's place
depends on beside the event itself, `refolded` finds: a snapshot row's place follows from the other events of its key.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.event_order import EFFECTIVE_LSN
from ecommerce_platform.contracts import Contract
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER

#: Where an event stands among those of its key; compared field by field, null lowest (event_order.newest_first).
PLACE_TYPE = "struct<lsn:bigint,read:boolean,seen:timestamp,date:date,file:string,row:{row}>"
#: The highest LSN of the key, the latest time of an event that has one, and of a snapshot row that has none.
REACH = {"__lsn": "bigint", "__streamed": "timestamp", "__read": "timestamp"}


def text_place(name: str) -> str:
    """Column of the state: the place of the event that a text comes from, null when no event has a real one."""
    return f"__{name}_at"


def state_columns(contract: Contract, names: Sequence[str]) -> dict[str, str]:
    """Columns and Spark types of a state: the key, `deleted`, `names`, and what later events are compared with."""
    place = PLACE_TYPE.format(row=contract.column("__source_row").spark_type)
    values = {name: contract.column(name).spark_type for name in (contract.key, *names)}
    texts = {text_place(name): place for name in names if name in contract.text_columns}
    return values | {"deleted": "boolean", "__at": place} | texts | REACH


def states_of(events: DataFrame, contract: Contract, names: Sequence[str]) -> DataFrame:
    """Each event as the state of its key that it alone would make. `events` have their effective LSN, and no text that a key
    change left out.
    """
    place = F.struct(
        F.col(EFFECTIVE_LSN).alias("lsn"),
        F.col("__source_lsn").isNull().alias("read"),
        F.col("__ts_ms").alias("seen"),
        "date",
        F.col("__source_file").alias("file"),
        F.col("__source_row").alias("row"),
    )
    deleted = F.col("__op") == "DELETE"
    columns = [F.col(contract.key)]
    for name in names:
        real = ~deleted & (F.col(name).isNull() | (F.col(name) != UNCHANGED_PLACEHOLDER))
        columns.append(F.when(real, F.col(name)).alias(name) if name in contract.text_columns else F.col(name))
    columns += [deleted.alias("deleted"), place.alias("__at")]
    for name in names:
        if name in contract.text_columns:
            real = ~deleted & (F.col(name).isNull() | (F.col(name) != UNCHANGED_PLACEHOLDER))
            columns.append(F.when(real, place).alias(text_place(name)))
    has_lsn = F.col("__source_lsn").isNotNull()
    return events.select(
        *columns,
        F.col("__source_lsn").alias("__lsn"),
        F.when(has_lsn, F.col("__ts_ms")).alias("__streamed"),
        F.when(~has_lsn, F.col("__ts_ms")).alias("__read"),
    )


def together(states: DataFrame, contract: Contract, names: Sequence[str]) -> DataFrame:
    """One state for each key, from any number of states of it."""
    texts = [name for name in names if name in contract.text_columns]
    others = [name for name in names if name not in texts]
    last = F.max(F.struct("__at", "deleted", *others)).alias("__last")
    # In a struct with its place, so that a real null is a value.
    real = [
        F.max(F.when(F.col(text_place(name)).isNotNull(), F.struct(text_place(name), name))).alias(f"__{name}")
        for name in texts
    ]
    grouped = states.groupBy(contract.key).agg(last, *real, *(F.max(name).alias(name) for name in REACH))
    return grouped.select(
        contract.key,
        *(F.col(f"__{name}.{name}" if name in texts else f"__last.{name}").alias(name) for name in names),
        F.col("__last.deleted").alias("deleted"),
        F.col("__last.__at").alias("__at"),
        *(F.col(f"__{name}.{text_place(name)}").alias(text_place(name)) for name in texts),
        *REACH,
    )


def with_lsn_after(events: DataFrame, state: DataFrame, key: str) -> DataFrame:
    """`events` with their effective LSN, where `state` stands for all earlier ones of their keys, none of which is `refolded`."""
    own = F.col("__source_lsn")
    seen_by_then = Window.partitionBy(key).orderBy("__ts_ms").rangeBetween(Window.unboundedPreceding, Window.currentRow)
    before = state.select(key, F.col("__lsn").alias("__before"))
    effective = F.coalesce(own, F.greatest(F.max(own).over(seen_by_then), F.col("__before")))
    return events.join(before, key, "left").withColumn(EFFECTIVE_LSN, effective).drop("__before")


def refolded(events: DataFrame, state: DataFrame, key: str) -> DataFrame:
    """Keys whose state cannot take in `events`: an event is not younger than a snapshot row that the state has taken in, whose
    place it may change, or a snapshot row is older than an event that the state has taken in, so that the state cannot tell its
    place.
    """
    reach = state.select(key, "__streamed", "__read")
    has_lsn, seen = F.col("__source_lsn").isNotNull(), F.col("__ts_ms")
    changes_a_place = has_lsn & (seen <= F.col("__read"))
    has_no_place = ~has_lsn & (seen < F.col("__streamed"))
    return (
        events.join(reach, key).where(_or_unknown(changes_a_place) | _or_unknown(has_no_place)).select(key).distinct()
    )


def _or_unknown(condition: Column) -> Column:
    """False for null: a bound that is null bounds nothing."""
    return F.coalesce(condition, F.lit(False))
