"""Brings the state tables to what is published: by the events that have come and gone since, or from all events.

What belongs here: which events a state lacks, and when it must be made again. What does not: how a state takes in events
(fold.py), where it is kept (latest.py), and the results that are computed from it (incremental.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.event_order import EFFECTIVE_LSN, with_effective_lsn
from ecommerce_platform.analytics.follow.fold import refolded, states_of, together, with_lsn_after
from ecommerce_platform.analytics.follow.latest import (
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
from ecommerce_platform.analytics.key_changes import leaves_out, with_moved_texts
from ecommerce_platform.analytics.published import (
    NEEDED,
    PublishedInput,
    events_of_days,
    read_events,
)
from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.lake import Lake


def follow(
    spark: SparkSession, lake: Lake, published: PublishedInput, definition: str, table: str, *, rebuild: bool
) -> State:
    """Brings the state of a source table to `published`; what it is then. With `rebuild`, from all events in any case, as one
    of another `definition`.
    """
    contract = load_contracts()[table]
    target = StateBasis(
        definition,
        published.snapshots.get(table),
        {day: content_digest(published.contents.get((table, day), "")) for day in published.days},
    )
    step = _Step(spark, lake, published, contract, target)
    state = None if rebuild else load_state(lake, table)
    if state is None or state.basis.definition != target.definition:
        return step.rebuilt()
    if state.basis.days == target.days:
        return state
    return step.carried_on(state) or step.rebuilt()


@dataclass(frozen=True)
class _Arrivals:
    """Events that come and go, counted: `slices` are those of their keys, with the number of events that come; `moving` are
    INSERTs that leave a text out, `reads` snapshot rows without an LSN. Times are microseconds.
    """

    slices: Mapping[int, int]
    any_gone: bool
    moving: int
    reads: int
    first_seen: int | None
    latest_read: int | None

    def follow(self, basis: StateBasis) -> bool:
        """Whether no event's place depends on another event's: none goes, and all are younger than any snapshot row."""
        younger = basis.read_until is None or self.first_seen is None or self.first_seen > basis.read_until
        return not self.any_gone and not self.reads and younger


@dataclass(frozen=True)
class _Step:
    """One table on its way to `target`."""

    spark: SparkSession
    lake: Lake
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
        events = read_events(self.spark, self.lake, self.published, contract.table, self.columns)
        keys = F.approx_count_distinct(contract.key)
        leaves_out_lsn = F.max(F.when(self._leaves_texts_out(), F.col("__source_lsn")))
        moved_lsn, read_until, count = events.agg(leaves_out_lsn, self._latest_read(), keys).first() or (None, None, 0)
        # By the events' keys alone, which are read quickly: the states of a large lake do not fit into memory.
        bounds = divided(events, contract.key, count, slice_rows(count))
        basis = replace(self.target, moved_lsn=moved_lsn, read_until=read_until)
        placed = with_moved_texts(with_effective_lsn(events, contract.key), contract, self.texts)
        rows = together(states_of(placed, contract, self.names), contract, self.names)
        return write_state(self.spark, self.lake, contract, self.names, rows, basis, bounds)

    def carried_on(self, state: State) -> State | None:
        """By the events that have come and gone since `state`; None where only all events can tell."""
        changed = self._changed_events(state)
        if changed is None:
            return None
        kept = [events.persist(StorageLevel.MEMORY_AND_DISK) for events in changed if events is not None]
        try:
            return self._taken_in(state, *changed)
        finally:
            for events in kept:
                events.unpersist()

    def _taken_in(self, state: State, come: DataFrame, gone: DataFrame | None) -> State | None:
        key, arrivals = self.contract.key, self._arrivals(state, come, gone)
        before = read_slices(self.spark, self.lake, self.contract.table, state, list(arrivals.slices)).drop("slice")
        if arrivals.follow(state.basis):
            placed, any_apart = come.withColumn(EFFECTIVE_LSN, F.col("__source_lsn")), False
        else:
            before = before.persist(StorageLevel.MEMORY_AND_DISK)
            apart = refolded(come, before, key)
            apart = (apart if gone is None else apart.union(gone.select(key))).distinct().persist()
            placed, any_apart = with_lsn_after(come, before, key), apart.count() > 0
        if self._moves_texts(state, arrivals, placed, any_apart):
            return None
        states = before.unionByName(states_of(placed, self.contract, self.names))
        if any_apart:
            # What these keys' events are worth depends on each other: all of them are read.
            events = read_events(self.spark, self.lake, self.published, self.contract.table, self.columns)
            own = with_effective_lsn(events.join(apart, key, "left_semi"), key)
            states = states.join(apart, key, "left_anti").unionByName(states_of(own, self.contract, self.names))
        rows = together(states, self.contract, self.names)
        reads = [moment for moment in (state.basis.read_until, arrivals.latest_read) if moment is not None]
        basis = replace(
            self.target,
            moved_lsn=state.basis.moved_lsn,
            read_until=max(reads, default=None),
            before=state.snapshot_id,
        )
        bounds = [bound for lowest in arrivals.slices for bound in self._bounds(state, rows, lowest, arrivals)]
        return write_state(self.spark, self.lake, self.contract, self.names, rows, basis, bounds, list(arrivals.slices))

    def _changed_events(self, state: State) -> tuple[DataFrame, DataFrame | None] | None:
        """Events that the published days have and the state has not taken in, and those that it has taken in and the days lack.
        None where the lake no longer has what the state has taken in.
        """
        known, target = state.basis.days, self.target.days
        lost = [day for day, content in known.items() if target.get(day) != content]
        changed = [day for day, content in target.items() if known.get(day) != content]
        new = self._events(changed, self.target.source)
        if not lost:
            return new, None
        source = self.lake.load(self.lake.events(self.contract.table))
        if state.basis.source is None or source.snapshot_by_id(state.basis.source) is None:
            return None
        old = self._events(lost, state.basis.source)
        return new.subtract(old), old.subtract(new)

    def _events(self, days: Sequence[date], snapshot: int | None) -> DataFrame:
        return events_of_days(self.spark, self.lake, self.contract.table, self.columns, days, snapshot)

    def _arrivals(self, state: State, come: DataFrame, gone: DataFrame | None) -> _Arrivals:
        has_lsn = F.col("__source_lsn").isNotNull()
        by_slice = slice_of(self.contract.key, list(state.rows)).alias("slice")
        counted = come.groupBy(by_slice).agg(
            F.count(F.lit(1)).alias("events"),
            F.count_if(self._leaves_texts_out()).alias("moving"),
            F.count_if(~has_lsn).alias("reads"),
            F.min(F.when(has_lsn, F.unix_micros("__ts_ms"))).alias("seen"),
            self._latest_read().alias("read"),
        )
        rows = counted.collect()
        gone_from = [] if gone is None else [row["slice"] for row in gone.select(by_slice).distinct().collect()]

        def all_of(name: str) -> list[int]:
            return [row[name] for row in rows if row[name] is not None]

        return _Arrivals(
            slices=dict.fromkeys(gone_from, 0) | {row["slice"]: row["events"] for row in rows},
            any_gone=bool(gone_from),
            moving=sum(all_of("moving")),
            reads=sum(all_of("reads")),
            first_seen=min(all_of("seen"), default=None),
            latest_read=max(all_of("read"), default=None),
        )

    def _latest_read(self) -> Column:
        return F.max(F.when(F.col("__source_lsn").isNull(), F.unix_micros("__ts_ms")))

    def _leaves_texts_out(self) -> Column:
        """Whether an event is an INSERT that leaves a text out, as that of a key change does."""
        return (F.col("__op") == "INSERT") & leaves_out(self.texts) if self.texts else F.lit(False)

    def _moves_texts(self, state: State, arrivals: _Arrivals, placed: DataFrame, any_apart: bool) -> bool:
        """Whether these events may bring or change a text that a key change left out: it hangs on the events of other keys.

        What a key change takes along stands before it in the order of its keys. Events after all such changes change none of it.
        """
        if arrivals.moving:
            return True
        moved = state.basis.moved_lsn
        if moved is None or not arrivals.slices:
            return False
        after = F.coalesce(F.col(EFFECTIVE_LSN) > moved, F.lit(False))
        return any_apart or not placed.where(~after).isEmpty()

    def _bounds(self, state: State, rows: DataFrame, lowest: int, arrivals: _Arrivals) -> list[int]:
        """Lower bounds of the slices that a touched slice becomes: one, unless it has grown to more than two."""
        each, count = slice_rows(sum(state.rows.values())), state.rows.get(lowest, 0) + arrivals.slices[lowest]
        if count < 2 * each:
            return [lowest]
        within = rows.where(slice_of(self.contract.key, list(state.rows)) == lowest)
        return divided(within, self.contract.key, count, each, lowest)
