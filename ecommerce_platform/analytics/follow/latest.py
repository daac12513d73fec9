"""The latest state of each source table, kept in Iceberg: `analytics.latest_<table>`, in slices by key.

What belongs here: the tables, what their snapshots say, and which slice a key is in. What does not: how states come about
(fold.py) and when (incremental.py).

A slice is a range of keys and a partition, named by its lowest key. What a day touches is read and written slice by slice. One
that has grown is divided when it is written. New keys are mostly higher than all before, so that a day's are in the last slice.

The tables are nobody's but the analytics': they can be dropped at any time and come back from the events. They keep keys that are
deleted, too, for an event that comes late.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.follow.fold import state_columns
from ecommerce_platform.analytics.tables import ensure_internal, write
from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake

#: Property of a snapshot: what it was made from (StateBasis), as JSON.
STATE = "ecommerce.state"
#: The fewest rows of a slice, unless all are fewer, and the most slices that a table is first made with.
SLICE_ROWS = 8192
SLICES = 256
#: Lower than every key.
LOWEST = -(2**63)


@dataclass(frozen=True)
class StateBasis:
    """What a state was made from: by which definition, the snapshot of the source table, a digest of each day's content, and the
    highest LSN of an INSERT that left out a text (key_changes.py) and the latest time (microseconds) of a snapshot row without an
    LSN, None without one. `before` is the snapshot of the state that
    was carried on, None where all of it was made again.
    """

    definition: str
    source: int | None
    days: Mapping[date, str]
    moved_lsn: int | None = None
    read_until: int | None = None
    before: int | None = None

    def as_text(self) -> str:
        days = {day.isoformat(): content for day, content in sorted(self.days.items())}
        rest = (self.moved_lsn, self.read_until, self.before)
        return json.dumps([self.definition, self.source, days, *rest], separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> StateBasis:
        definition, source, days, moved_lsn, read_until, before = json.loads(text)
        known = {date.fromisoformat(day): content for day, content in days.items()}
        return cls(definition, source, known, moved_lsn, read_until, before)


@dataclass(frozen=True)
class State:
    """A snapshot of a state table: its slices by their lowest key, with the number of rows, and the files of each."""

    snapshot_id: int
    basis: StateBasis
    rows: Mapping[int, int]
    files: Mapping[str, int]


def content_digest(content_id: str) -> str:
    """A day's content id, short."""
    return hashlib.sha256(content_id.encode()).hexdigest()[:16]


def load_state(lake: Lake, table: str, snapshot_id: int | None = None) -> State | None:
    """What the state table holds now, or held at a snapshot; None when there is none, or it has expired."""
    iceberg = lake.find(lake.latest(table))
    if iceberg is None:
        return None
    snapshot = iceberg.snapshot_by_id(snapshot_id) if snapshot_id is not None else iceberg.current_snapshot()
    basis_and_parent = _telling(iceberg, snapshot)
    if snapshot is None or basis_and_parent is None:
        return None
    basis, parent = basis_and_parent
    if basis.before is not None and basis.before != parent:
        # Two writers carried on the same state: each says what it added, and neither what is there.
        return None
    rows: dict[int, int] = {}
    files: dict[str, int] = {}
    for task in iceberg.scan(snapshot_id=snapshot.snapshot_id).plan_files():
        lowest = int(task.file.partition[0])
        rows[lowest] = rows.get(lowest, 0) + task.file.record_count
        files[task.file.file_path] = lowest
    return State(snapshot.snapshot_id, basis, rows, files)


def _telling(iceberg: Table, snapshot: Snapshot | None) -> tuple[StateBasis, int | None] | None:
    """What the rows of a snapshot were made from, and the snapshot that they follow."""
    while snapshot is not None and (summary := snapshot.summary) is not None:
        text, replaced = summary.additional_properties.get(STATE), summary.operation is Operation.REPLACE
        if text is not None:
            # Replaced, and with what the rows before were made from: somebody was forgotten.
            return None if replaced else (StateBasis.from_text(text), snapshot.parent_snapshot_id)
        if not replaced:
            return None
        # Maintenance commits the same rows again, and says nothing.
        parent = snapshot.parent_snapshot_id
        snapshot = iceberg.snapshot_by_id(parent) if parent is not None else None
    return None


def read_slices(
    spark: SparkSession, lake: Lake, table: str, state: State, slices: Sequence[int] | None = None
) -> DataFrame:
    """The rows of these slices, of all without `slices`, at the snapshot of `state`."""
    name = lake.in_spark(lake.latest(table))
    rows = spark.sql(f"select * from {name} version as of {int(state.snapshot_id)}")
    return rows if slices is None else rows.where(in_slices(slices))


def in_slices(slices: Sequence[int]) -> Column:
    """Whether a row is in one of these slices."""
    return F.col("slice").isin(list(slices)) if slices else F.lit(False)


def slice_of(key: str, bounds: Sequence[int]) -> Column:
    """The slice that a key belongs to: the highest of `bounds` that is not above it."""
    ordered = sorted({LOWEST, *bounds})
    # As text, which is one call to the JVM; literals of a list are four calls each.
    known = F.expr(f"array({', '.join(f'{bound}L' for bound in ordered)})")
    return F.array_max(F.filter(known, lambda bound: bound <= F.col(key)))


def slice_rows(count: int) -> int:
    """How many rows a slice has, about, of so many: neither very many slices nor very small ones."""
    return max(SLICE_ROWS, count // SLICES)


def divided(rows: DataFrame, key: str, count: int, each: int, lowest: int = LOWEST) -> list[int]:
    """Lower bounds of the slices of about `each` rows that `count` rows from `lowest` on become. Which keys divide them changes
    no result.
    """
    parts = count // each
    if parts < 2:
        return [lowest]
    quantiles = rows.approxQuantile(key, [number / parts for number in range(1, parts)], 0.25 / parts)
    return sorted({lowest, *(int(bound) for bound in quantiles if bound > lowest)})


def write_state(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    names: Sequence[str],
    rows: DataFrame,
    basis: StateBasis,
    bounds: Sequence[int],
    replaced: Sequence[int] = (),
) -> State:
    """Writes `rows`, states with `bounds` as slices, in one commit that says `basis`: in the place of the `replaced` slices of
    snapshot `basis.before`, or of everything where that is None. It fails when others have written these slices since.
    """
    table = contract.table
    name = ensure_internal(
        spark, lake, lake.latest(table), {"slice": "bigint", **state_columns(contract, names)}, "slice"
    )
    # The bounds stand in a table of their own: a row meets few of them, or a long list row by row.
    ordered = sorted(bounds)
    if len(ordered) > _FEW:
        ends = [*ordered[1:], 2**63 - 1]
        ranges = spark.createDataFrame(list(zip(ordered, ends, strict=True)), "slice bigint, __end bigint")
        key = F.col(contract.key)
        last = F.col("__end") == F.lit(2**63 - 1)
        inside = (key >= F.col("slice")) & ((key < F.col("__end")) | last)
        sliced = rows.join(F.broadcast(ranges), inside).drop("__end")
    else:
        sliced = rows.withColumn("slice", slice_of(contract.key, ordered))
    sorted_rows = sliced.repartition("slice").sortWithinPartitions("slice", contract.key)
    condition = F.lit(True) if basis.before is None else in_slices(replaced)
    write(sorted_rows, name, {STATE: basis.as_text()}, condition, basis.before)
    written = load_state(lake, table)
    assert written is not None, "it was written just now"
    return written


#: Up to so many slices are looked through for each row.
_FEW = 32
