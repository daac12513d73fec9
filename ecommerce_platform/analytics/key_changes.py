"""Texts that the INSERT of a key change left out, in Spark: taken from the old key's history.

What belongs here: finding key changes, and following them. What does not: event order (event_order.py), the latest state
(state.py).

The source reports a key change as a DELETE of the old key and an INSERT of the new one, at one LSN and source time. A large text
that did not change is left out of it (docs/definitions.md, "unchanged placeholder").
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark programmer knows

from ecommerce_platform.analytics.event_order import EFFECTIVE_LSN, ORDER_COLUMNS, newest_first
from ecommerce_platform.contracts import Contract
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER

_PLACE = ("__source_lsn", "__source_ts_ms")


def leaves_out(texts: Sequence[str]) -> Column:
    """True for an event with the placeholder in one of these text columns; else false or null."""
    return reduce(Column.__or__, (F.col(name) == UNCHANGED_PLACEHOLDER for name in texts))


def with_moved_texts(events: DataFrame, contract: Contract, texts: Sequence[str]) -> DataFrame:
    """The events; where an INSERT of a key change has the placeholder in one of `texts`, the old key's text, or null.

    Looks first whether there is such an INSERT at all, which the files' statistics mostly answer.
    """
    if not texts:
        return events
    moving = events.where((F.col("__op") == "INSERT") & leaves_out(texts))
    if moving.isEmpty():
        return events
    moves = _moves(events, moving, contract.key).persist()
    texts_by_column = [
        _followed(_known_texts(events, moves, contract.key, name)).withColumnRenamed("text", f"__moved_{name}")
        for name in texts
    ]
    moved = moves.select(
        F.col("new").alias(contract.key), *_PLACE, F.lit("INSERT").alias("__op"), F.lit(True).alias("__moved")
    )
    for texts_of_column in texts_by_column:
        moved = moved.join(texts_of_column, list(_PLACE), "left")
    filled = {
        name: F.when(F.col("__moved") & (F.col(name) == UNCHANGED_PLACEHOLDER), F.col(f"__moved_{name}")).otherwise(
            F.col(name)
        )
        for name in texts
    }
    joined = events.join(moved, [contract.key, *_PLACE, "__op"], "left")
    return joined.withColumns(filled).select(*events.columns)


def _moves(events: DataFrame, moving: DataFrame, key: str) -> DataFrame:
    """`old` and `new` key of each place where one key alone was deleted and one other alone inserted."""
    changes = events.where(F.col("__op").isin("INSERT", "DELETE")).join(moving.select(*_PLACE).distinct(), list(_PLACE))
    gone, come = (F.collect_set(F.when(F.col("__op") == op, F.col(key))) for op in ("DELETE", "INSERT"))
    places = changes.groupBy(*_PLACE).agg(gone.alias("gone"), come.alias("come"))
    alone = (F.size("gone") == 1) & (F.size("come") == 1) & (F.col("gone") != F.col("come"))
    return places.where(alone).select(*_PLACE, F.col("gone")[0].alias("old"), F.col("come")[0].alias("new"))


def _known_texts(events: DataFrame, moves: DataFrame, key: str, name: str) -> DataFrame:
    """What the last event with a text of the old key before each move has: a text, or the place of another move that has it."""
    as_new = moves.select(F.col("new").alias(key), *_PLACE, F.lit("INSERT").alias("__op"), F.lit(True).alias("__moved"))
    left_out = F.coalesce(F.col(name) == UNCHANGED_PLACEHOLDER, F.lit(False))
    history = events.where(F.col("__op") != "DELETE").join(as_new, [key, *_PLACE, "__op"], "left")
    telling = history.where(~left_out | F.col("__moved")).select(
        F.col(key).alias("old"),
        F.col(name).alias("text"),
        F.when(left_out, F.col("__source_lsn")).alias("next_lsn"),
        F.when(left_out, F.col("__source_ts_ms")).alias("next_at"),
        *ORDER_COLUMNS,
    )
    moved_at = moves.select("old", F.col("__source_lsn").alias("moved_lsn"), F.col("__source_ts_ms").alias("moved_at"))
    before = telling.join(moved_at, "old").where(F.coalesce(F.col(EFFECTIVE_LSN) < F.col("moved_lsn"), F.lit(True)))
    ranked = before.withColumn("__rank", F.row_number().over(newest_first("moved_lsn", "moved_at")))
    return ranked.where(F.col("__rank") == 1).select("moved_lsn", "moved_at", "text", "next_lsn", "next_at")


def _followed(texts: DataFrame) -> DataFrame:
    """`text` by place, moves that point to moves followed to their ends: each round goes twice as far as the one before."""
    texts = texts.persist()
    while not texts.where(F.col("next_lsn").isNotNull()).isEmpty():
        further = texts.select(
            F.col("moved_lsn").alias("next_lsn"),
            F.col("moved_at").alias("next_at"),
            F.col("text").alias("next_text"),
            F.col("next_lsn").alias("after_lsn"),
            F.col("next_at").alias("after_at"),
        )
        # Where no event knows the text, it is null.
        texts = (
            texts.join(further, ["next_lsn", "next_at"], "left")
            .select(
                *("moved_lsn", "moved_at"),
                F.when(F.col("next_lsn").isNull(), F.col("text")).otherwise(F.col("next_text")).alias("text"),
                F.col("after_lsn").alias("next_lsn"),
                F.col("after_at").alias("next_at"),
            )
            .persist()
        )
    return texts.select(F.col("moved_lsn").alias("__source_lsn"), F.col("moved_at").alias("__source_ts_ms"), "text")
