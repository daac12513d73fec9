"""Change events of one table, held in columns, and their log sequence numbers.

What belongs here: the structure that every part of the shop fills and reads. What does not: files and Arrow (columns.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ecommerce_platform.sample_shop.clock import Ints, Mask

#: Null in a column of whole numbers, cents, microseconds or text codes alike.
NULL = np.iinfo(np.int64).min

INSERT, UPDATE, DELETE, READ = range(4)
OP_LETTERS = ("c", "u", "d", "r")
OP_WORDS = ("INSERT", "UPDATE", "DELETE", "READ")

#: Phases of a transaction: statements of one instant get their numbers in this order.
PHASE_BEFORE, PHASE_ORDER, PHASE_LINES, PHASE_OTHER = range(4)
_PHASES = 4


@dataclass(frozen=True)
class Events:
    """Events of one table. A text column holds codes into its pool; NULL is null everywhere.

    `tied` marks the events that share key and log sequence number with another one. `unchanged` has, for a text column,
    the events that carry the unchanged placeholder instead of the value (which the column keeps). `damage` is a code of
    damage.py, 0 for a readable event.
    """

    key: Ints
    op: NDArray[np.int8]
    commit: Ints
    phase: NDArray[np.int8]
    columns: Mapping[str, Ints]
    pools: Mapping[str, pa.StringArray]
    tied: Mask
    lag_ms: Ints
    lsn: Ints
    damage: NDArray[np.int8]
    unchanged: Mapping[str, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.key)

    @property
    def source_ts_ms(self) -> Ints:
        return self.commit // 1000

    @property
    def ts_ms(self) -> Ints:
        return self.source_ts_ms + self.lag_ms

    def plus(self, other: Events) -> Events:
        """These events and then the others, which belong to the same table and pools."""

        def both(mine: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([mine, theirs])

        return replace(
            self,
            key=both(self.key, other.key),
            op=both(self.op, other.op),
            commit=both(self.commit, other.commit),
            phase=both(self.phase, other.phase),
            columns={name: both(values, other.columns[name]) for name, values in self.columns.items()},
            tied=both(self.tied, other.tied),
            lag_ms=both(self.lag_ms, other.lag_ms),
            lsn=both(self.lsn, other.lsn),
            damage=both(self.damage, other.damage),
            unchanged={name: both(values, other.unchanged[name]) for name, values in self.unchanged.items()},
        )

    def take(self, index: Ints | Mask) -> Events:
        return replace(
            self,
            key=self.key[index],
            op=self.op[index],
            commit=self.commit[index],
            phase=self.phase[index],
            columns={name: values[index] for name, values in self.columns.items()},
            tied=self.tied[index],
            lag_ms=self.lag_ms[index],
            lsn=self.lsn[index],
            damage=self.damage[index],
            unchanged={name: values[index] for name, values in self.unchanged.items()},
        )


@dataclass(frozen=True)
class Batch:
    """Some events of one kind, before they are put together: arrays of equal length, or one value for all."""

    key: Ints
    op: int
    commit: int | Ints
    phase: int
    columns: Mapping[str, int | Ints]
    tied: bool | Mask = False


def assemble(
    batches: Sequence[Batch], pools: Mapping[str, pa.StringArray], lag: np.random.Generator, end: int
) -> Events:
    """Puts batches together in commit order, leaving out what happens at or after `end`. A DELETE keeps only its key."""
    sizes = [len(batch.key) for batch in batches]

    def column(values: Sequence[object], kind: type = np.int64) -> NDArray[Any]:
        return np.concatenate(
            [np.broadcast_to(np.asarray(v, dtype=kind), n) for v, n in zip(values, sizes, strict=True)]
        )

    commit = column([batch.commit for batch in batches])
    phase = column([batch.phase for batch in batches])
    tied = column([batch.tied for batch in batches], bool)
    op = column([batch.op for batch in batches])
    order = np.argsort(commit * _PHASES + phase, kind="stable")
    order = order[commit[order] < end]
    op = op[order]
    gone = op == DELETE
    columns = {}
    for name in batches[0].columns:
        values = column([batch.columns[name] for batch in batches])[order]
        values[gone] = NULL
        columns[name] = values
    tied = tied[order]
    # The second event of a tied pair is an update: the connector sees it a little later than any first one.
    lag_ms = lag.integers(40, 1500, len(order)) + np.where(tied & (op == UPDATE), 1500, 0)
    return Events(
        key=column([batch.key for batch in batches])[order],
        op=op.astype(np.int8),
        commit=commit[order],
        phase=phase[order].astype(np.int8),
        columns=columns,
        pools=pools,
        tied=tied,
        lag_ms=lag_ms,
        lsn=np.full(len(order), NULL, dtype=np.int64),
        damage=np.zeros(len(order), dtype=np.int8),
    )


def number_the_log(tables: Mapping[str, Events], without_lsn: float, rng: np.random.Generator) -> dict[str, Events]:
    """Gives every event its log sequence number: strictly ascending in commit order over all tables.

    Rows of one statement share a number, as do the statements of a `tied` pair. Of the snapshot's rows the share
    `without_lsn` has none.
    """
    statements = [events.commit * _PHASES + events.phase for events in tables.values()]
    distinct, number = np.unique(np.concatenate(statements), return_inverse=True)
    log = 24_576_000 + np.cumsum(rng.integers(3, 60, len(distinct)) * 8)
    numbered = {}
    begin = 0
    for table, events in tables.items():
        lsn = log[number[begin : begin + len(events)]]
        begin += len(events)
        unnumbered = (events.op == READ) & (rng.random(len(events)) < without_lsn)
        numbered[table] = replace(events, lsn=np.where(unnumbered, NULL, lsn))
    return numbered


def latest(events: Events) -> Ints:
    """Index of the last readable event of each key, in event order (number, then connector's time); keys ascending."""
    readable = np.flatnonzero(events.damage == 0)
    order = readable[np.lexsort((events.ts_ms[readable], events.lsn[readable], events.key[readable]))]
    keys = events.key[order]
    last = np.append(keys[1:] != keys[:-1], True) if len(keys) else np.zeros(0, dtype=bool)
    return order[last]
