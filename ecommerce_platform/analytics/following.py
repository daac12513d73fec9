"""Brings the state tables to what is published: by the events that have come and gone since, or from all events.

What belongs here: which events a state lacks, and when it must be made again. What does not: how a state takes in events
(fold.py), where it is kept (latest.py), and the results that are computed from it (incremental.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.event_order import EFFECTIVE_LSN, with_effective_lsn
from ecommerce_platform.analytics.fold import refolded, states_of, together, with_lsn_after
from ecommerce_platform.analytics.key_changes import leaves_out, with_moved_texts
from ecommerce_platform.analytics.latest import (
    State,
    StateBasis,
    content_digest,
    divided,
    load_state,
    read_slices,
    slice_of,
    slice_rows,
    write_state,
)
from ecommerce_platform.analytics.published import (
    NEEDED,
    PublishedInput,
    definition_digest,
    events_of_days,
    read_events,
)
from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.catalog import load_iceberg_table


def follow(spark: SparkSession, settings: Settings, published: PublishedInput, table: str, *, rebuild: bool) -> State:
    """Brings the state of a source table to `published`; what it is then. With `rebuild`, from all events in any case."""
    contract = load_contracts()[table]
    target = StateBasis(
        definition_digest(load_contracts()),
        published.snapshots.get(table),
        {day: content_digest(published.contents.get((table, day), "")) for day in published.days},
        None,
    )
    step = _Step(spark, settings, published, contract, target)
    state = None if rebuild else load_state(settings, table)
    if state is None or state.basis.definition != target.definition:
        return step.rebuilt()
    if state.basis.days == target.days:
        return state
    return step.carried_on(state) or step.rebuilt()


@dataclass(frozen=True)
class _Step:
    """One table on its way to `target`."""

    spark: SparkSession
    settings: Settings
    published: PublishedInput
    contract: Contract
    target: StateBasis

    @property
    def names(self) -> tuple[str, ...]:
        return NEEDED[self.contract.table]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.contract.key, *self.names)

    @property
    def texts(self) -> list[str]:
        return [name for name in self.names if name in self.contract.text_columns]

    def rebuilt(self) -> State:
        """From all events of the published days."""
        contract = self.contract
        events = read_events(self.spark, self.settings, self.published, contract.table, self.columns)
        basis = replace(self.target, moved_lsn=self._moved_lsn(events))
        placed = with_moved_texts(with_effective_lsn(events, contract.key), contract, self.texts)
        rows = together(states_of(placed, contract, self.names), contract, self.names)
        rows = rows.persist(StorageLevel.MEMORY_AND_DISK)
        count = rows.count()
        bounds = divided(rows, contract.key, count, slice_rows(count))
        written = write_state(self.spark, self.settings, contract, self.names, rows, basis, bounds)
        rows.unpersist()
        return written

    def carried_on(self, state: State) -> State | None:
        """By the events that have come and gone since `state`; None where only all events can tell."""
        changed = self._changed_events(state)
        if changed is None:
            return None
        come, gone = (events.persist(StorageLevel.MEMORY_AND_DISK) for events in changed)
        try:
            return self._taken_in(state, come, gone)
        finally:
            come.unpersist()
            gone.unpersist()

    def _taken_in(self, state: State, come: DataFrame, gone: DataFrame) -> State | None:
        key = self.contract.key
        touched = self._touched_slices(state, come, gone)
        before = read_slices(self.spark, self.settings, self.contract.table, state, list(touched)).drop("slice")
        before = before.persist(StorageLevel.MEMORY_AND_DISK)
        apart = refolded(come, before, key).union(gone.select(key)).distinct().persist()
        any_apart = apart.count() > 0
        placed = with_lsn_after(come, before, key)
        if self._moves_texts(state, placed, any_apart):
            return None
        states = before.unionByName(states_of(placed, self.contract, self.names))
        if any_apart:
            # What these keys' events are worth depends on each other: all of them are read.
            events = read_events(self.spark, self.settings, self.published, self.contract.table, self.columns)
            own = with_effective_lsn(events.join(apart, key, "left_semi"), key)
            states = states.join(apart, key, "left_anti").unionByName(states_of(own, self.contract, self.names))
        rows = together(states, self.contract, self.names)
        basis = replace(self.target, moved_lsn=state.basis.moved_lsn, before=state.snapshot_id)
        bounds: set[int] = set()
        for lowest, more in touched.items():
            count = state.rows.get(lowest, 0) + more
            bounds |= (
                {lowest}
                if count < 2 * slice_rows(sum(state.rows.values()))
                else self._bounds(state, rows, lowest, count)
            )
        written = write_state(
            self.spark, self.settings, self.contract, self.names, rows, basis, sorted(bounds), list(touched)
        )
        before.unpersist()
        apart.unpersist()
        return written

    def _changed_events(self, state: State) -> tuple[DataFrame, DataFrame] | None:
        """Events that the published days have and the state has not taken in, and those that it has taken in and the days lack.
        None where the lake no longer has what the state has taken in.
        """
        known, target = state.basis.days, self.target.days
        lost = [day for day, content in known.items() if target.get(day) != content]
        changed = [day for day, content in target.items() if known.get(day) != content]
        new = self._events(changed, self.target.source)
        if not lost:
            return new, new.limit(0)
        source = load_iceberg_table(self.settings, f"{self.settings.lakehouse.namespace}.{self.contract.table}")
        if state.basis.source is None or source.snapshot_by_id(state.basis.source) is None:
            return None
        old = self._events(lost, state.basis.source)
        return new.subtract(old), old.subtract(new)

    def _events(self, days: Sequence[date], snapshot: int | None) -> DataFrame:
        return events_of_days(self.spark, self.settings, self.contract.table, self.columns, days, snapshot)

    def _touched_slices(self, state: State, come: DataFrame, gone: DataFrame) -> dict[int, int]:
        """The slices of the keys of these events, with the number of events that come."""
        key = self.contract.key
        keys = come.select(key, F.lit(1).alias("more")).union(gone.select(key, F.lit(0)))
        counted = keys.groupBy(slice_of(key, list(state.rows)).alias("slice")).agg(F.sum("more").alias("more"))
        return {row["slice"]: row["more"] for row in counted.collect()}

    def _moves_texts(self, state: State, come: DataFrame, any_apart: bool) -> bool:
        """Whether these events may bring or change a text that a key change left out: it hangs on the events of other keys.

        What a key change takes along stands before it in the order of its keys. Events after all such changes change none of it.
        """
        if not self.texts:
            return False
        if not come.where((F.col("__op") == "INSERT") & leaves_out(self.texts)).isEmpty():
            return True
        moved = state.basis.moved_lsn
        if moved is None:
            return False
        after = F.coalesce(F.col(EFFECTIVE_LSN) > moved, F.lit(False))
        return any_apart or not come.where(~after).isEmpty()

    def _moved_lsn(self, events: DataFrame) -> int | None:
        if not self.texts:
            return None
        moving = events.where((F.col("__op") == "INSERT") & leaves_out(self.texts))
        highest = moving.agg(F.max("__source_lsn")).first()
        return None if highest is None else highest[0]

    def _bounds(self, state: State, rows: DataFrame, lowest: int, count: int) -> set[int]:
        """Lower bounds of the slices that a slice of `count` rows is divided into."""
        within = rows.where(slice_of(self.contract.key, list(state.rows)) == lowest)
        return set(divided(within, self.contract.key, count, slice_rows(sum(state.rows.values())), lowest))
