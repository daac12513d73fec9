"""How events reach the landing zone: in which folder and file, at which position, late, twice, out of order.

What belongs here: the layout of a table's files and the counts of what was disturbed. What does not: values (damage.py)
and writing (landing_files.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecommerce_platform.sample_shop.clock import Ints, Mask, Window, day_of
from ecommerce_platform.sample_shop.events import NULL, READ, Events
from ecommerce_platform.sample_shop.plan import DirtPlan, share_of

#: File codes from here on are late files: the rest is the day on which their events happened.
_LATE = 1_000_000
_MAX_ROWS_PER_FILE = 500_000
_PARTS = 2


@dataclass(frozen=True)
class FileSlice:
    """One file: its folder's day (index), its name and where its rows begin and end in the delivery."""

    day: int
    name: str
    begin: int
    end: int


@dataclass(frozen=True)
class Delivery:
    """Rows of all files of a table, file after file: the event of each row, the day of its folder, its file."""

    event: Ints
    day: Ints
    file: Ints
    dirt: dict[str, int]

    def rows_per_day(self, days: int) -> Ints:
        counts: Ints = np.bincount(self.day, minlength=days)
        return counts

    def files(self, window: Window) -> Iterator[FileSlice]:
        """The files in order of day and name."""
        if not len(self.event):
            return
        starts = np.flatnonzero((np.diff(self.day, prepend=-1) != 0) | (np.diff(self.file, prepend=-1) != 0))
        for begin, end in zip(starts, [*starts[1:], len(self.event)], strict=True):
            yield FileSlice(int(self.day[begin]), _file_name(int(self.file[begin]), window), int(begin), int(end))


def _file_name(code: int, window: Window) -> str:
    if code < _LATE:
        return f"part-{code:05d}.parquet"
    origin = day_of(window.start + (code - _LATE) * (window.end - window.start) // window.days)
    return f"late-{origin.isoformat()}.parquet"


@dataclass
class _Rows:
    """Rows of a delivery before they are sorted; `place` orders the rows of a file."""

    event: Ints
    day: Ints
    file: Ints
    place: NDArray[np.float64]

    def plus(self, *others: _Rows) -> _Rows:
        everything = (self, *others)
        return _Rows(
            np.concatenate([rows.event for rows in everything]),
            np.concatenate([rows.day for rows in everything]),
            np.concatenate([rows.file for rows in everything]),
            np.concatenate([rows.place for rows in everything]),
        )


def deliver(
    events: Events, window: Window, dirt: DirtPlan, absent_day: int | None, rng: np.random.Generator
) -> Delivery:
    """Lays out the files of one table. On `absent_day` nothing arrives: its events come late, the day after."""
    home = window.day_index(events.commit)
    late = _late_rows(events, home, window, dirt, absent_day, rng)
    on_time = np.ones(len(events), dtype=bool)
    on_time[late.event] = False
    regular, parts = _regular_rows(home, on_time, window, dirt, rng)
    copies, counts = _copies(regular, parts, events.tied, window, dirt, rng)
    rows = late.plus(regular, *copies)
    if absent_day is not None:
        _move_out_of(absent_day, rows)
    order = np.lexsort((rows.place, rows.file, rows.day))
    delivery = Delivery(
        rows.event[order],
        rows.day[order],
        rows.file[order],
        counts | {"late": len(late.event)},
    )
    counts_out_of_order = _out_of_order(events, delivery)
    delivery.dirt["out_of_order"] = counts_out_of_order
    return delivery


def _late_rows(
    events: Events, home: Ints, window: Window, dirt: DirtPlan, absent_day: int | None, rng: np.random.Generator
) -> _Rows:
    """Events that arrive one or two days after they happened, and all of an absent day."""
    candidates = np.flatnonzero((home + 1 < window.days) & (events.op != READ) & (home != absent_day))
    chosen = np.sort(rng.choice(candidates, share_of(dirt.late, len(candidates)), replace=False))
    arrives = np.minimum(home[chosen] + rng.integers(1, 3, len(chosen)), window.days - 1)
    if absent_day is not None:
        missed = np.flatnonzero(home == absent_day)
        chosen = np.concatenate([chosen, missed])
        arrives = np.concatenate([arrives, np.full(len(missed), absent_day + 1)])
    return _Rows(chosen, arrives, _LATE + home[chosen], chosen.astype(float))


def _regular_rows(
    home: Ints, on_time: Mask, window: Window, dirt: DirtPlan, rng: np.random.Generator
) -> tuple[_Rows, Ints]:
    """Events in the folder of their day, in commit order but for some; and how many part files each day has."""
    event = np.flatnonzero(on_time)
    day = home[event]
    counts = np.bincount(day, minlength=window.days)
    parts = np.maximum(_PARTS, -(-counts // _MAX_ROWS_PER_FILE))
    rank = np.arange(len(event)) - (np.cumsum(counts) - counts)[day]
    file = rank * parts[day] // np.maximum(counts[day], 1)
    place = event.astype(float)
    displaced = rng.choice(len(event), share_of(dirt.out_of_order, len(event)), replace=False)
    place[displaced] += rng.uniform(3, 60, len(displaced))
    return _Rows(event, day, file, place), parts


def _copies(
    regular: _Rows, parts: Ints, tied: Mask, window: Window, dirt: DirtPlan, rng: np.random.Generator
) -> tuple[list[_Rows], dict[str, int]]:
    """Second copies: in the same file, in another file of the day, in a folder of one of the next three days."""
    shuffled = rng.permutation(np.flatnonzero(~tied[regular.event]))
    total = len(shuffled)
    here, shuffled = np.split(shuffled, [share_of(dirt.duplicates_in_file, total)])
    elsewhere, shuffled = np.split(shuffled, [min(len(shuffled), share_of(dirt.duplicates_across_files, total))])
    again = shuffled[regular.day[shuffled] + 1 < window.days]
    again = again[: share_of(dirt.redelivered_later, len(again))]
    day, file = regular.day, regular.file
    later = np.minimum(day[again] + rng.integers(1, 4, len(again)), window.days - 1)
    copies = [
        _Rows(regular.event[here], day[here], file[here], regular.place[here] + rng.uniform(0.1, 20, len(here))),
        _Rows(
            regular.event[elsewhere],
            day[elsewhere],
            (file[elsewhere] + 1) % parts[day[elsewhere]],
            regular.event[elsewhere] + rng.uniform(0, 20, len(elsewhere)),
        ),
        _Rows(
            regular.event[again],
            later,
            np.zeros(len(again), dtype=np.int64),
            regular.event[again] + rng.uniform(0, 20, len(again)),
        ),
    ]
    return copies, {
        "duplicates_in_file": len(here),
        "duplicates_across_files": len(elsewhere),
        "redelivered_later": len(again),
    }


def _move_out_of(absent_day: int, rows: _Rows) -> None:
    """Nothing else arrives on an absent day: late rows and copies bound for it come the day after."""
    rows.day[rows.day == absent_day] = absent_day + 1


def _out_of_order(events: Events, delivery: Delivery) -> int:
    """Rows with a log sequence number below that of a row before them in the same part file."""
    lsn = events.lsn[delivery.event]
    known = (lsn != NULL) & (delivery.file < _LATE)
    lsn, day, file = lsn[known], delivery.day[known], delivery.file[known]
    if not len(lsn):
        return 0
    # One running maximum serves all files: each file's numbers are lifted above those of the files before it.
    group = np.cumsum((np.diff(day, prepend=-1) != 0) | (np.diff(file, prepend=-1) != 0))
    _, rank = np.unique(lsn, return_inverse=True)
    lifted = group * (int(rank.max()) + 1) + rank
    return int((lifted < np.maximum.accumulate(lifted)).sum())
