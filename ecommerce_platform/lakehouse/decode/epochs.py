"""The unit of a column of epoch numbers: what the contract states, or what all values of the column in a file show together.

What belongs here: the evidence that a file gives and the decision from it. What does not: decoding a value (values.py), and
CDC times, which are milliseconds by their names.

The decision depends on the file alone, never on another file, a day, or the clock. decisions/0015 has the rules:

1. Each value between 1980 and 2100 under one of the units votes for it; no value is so under two. The unit with the most
   votes is the column's.
2. Where no unit has the most, it is one of those with equal votes, or, without votes, one that keeps at least half of the
   values within the years 0001 to 9999. Of these: the one under which the most values lie on 9999-12-31 or 0001-01-01, the
   dates that stand for "never"; then the one of the most other columns of the file; then the one nearest to the file's latest
   `__source_ts_ms`; then the coarsest.

Zero is the same under each unit. It has no vote, and neither have PostgreSQL's infinities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.contracts import CDC_COLUMNS, Column, Contract, EpochUnit, LogicalType
from ecommerce_platform.lakehouse.decode.physical import TIMESTAMPS, Footer, PhysicalColumn, PhysicalKind, reading_data

#: The units that a file can show, from coarse to fine.
UNITS = (EpochUnit.SECONDS, EpochUnit.MILLISECONDS, EpochUnit.MICROSECONDS, EpochUnit.NANOSECONDS)

#: The years that every engine downstream can hold, 0001 to 9999, in seconds: first, and first one after.
FIRST_SECOND, END_SECOND = -62_135_596_800, 253_402_300_800
#: The span in which a value votes, 1980 to 2100. Its ends differ by less than a factor of 1000, so that units cannot overlap, and
#: the far ends of the years above lie outside it when they are read in the next finer unit: 9999 becomes 1978.
VOTING_SPAN = (315_532_800, 4_102_444_800)
#: What stands for "never": all of 9999-12-31 and of 0001-01-01.
_NEVER = ((253_402_214_400, END_SECOND), (FIRST_SECOND, FIRST_SECOND + 86_400))

#: How PostgreSQL's infinities arrive, as spans of whole numbers, both ends included: the 55 s around 2^63 nanoseconds, where the
#: constants of its JDBC driver and of Debezium lie (±9223372036825200000, -9223372036832400000, the ends of 64 bits), the same
#: digits in coarser units, and the driver's smaller constants (org.postgresql.PGStatement).
INFINITIES = (
    (9_223_372_036_800_000_000, 2**63 - 1),
    (9_223_372_036_800_000, 9_223_372_036_854_776),
    (9_223_372_036_800, 9_223_372_036_855),
    (185_543_533_774_800_000, 185_543_533_774_800_000),
    (-(2**63), -9_223_372_036_800_000_000),
    (-9_223_372_036_854_776, -9_223_372_036_800_000),
    (-9_223_372_036_855, -9_223_372_036_800),
    (-185_543_533_774_800_000, -185_543_533_774_800_000),
)

WHOLE_NUMBERS = (PhysicalKind.INT, PhysicalKind.BIGINT, PhysicalKind.UNSIGNED_BIGINT)
_SOURCE_TIME = "__source_ts_ms"

_Numbers = npt.NDArray[np.int64]


def span(seconds: tuple[int, int], unit: EpochUnit) -> tuple[int, int]:
    """The first and last whole number of `unit` in a half-open span of seconds, within 64 bits."""
    per_second = 10**9 // unit.in_nanoseconds
    return max(seconds[0] * per_second, -(2**63)), min(seconds[1] * per_second - 1, 2**63 - 1)


def ambiguous_columns(contract: Contract, footer: Footer) -> tuple[str, ...]:
    """Names of the file's whole-number columns that are timestamps by the contract, which states no unit for them."""
    physical = {column.name: column.kind for column in footer.columns}
    return tuple(
        column.name
        for column in contract.columns
        if column.type is LogicalType.TIMESTAMP
        and column.epoch_unit is None
        and physical.get(column.name) in WHOLE_NUMBERS
    )


def with_epoch_units(contract: Contract, footer: Footer, file: pa.NativeFile) -> Footer:
    """The footer, with the unit of each column of epoch numbers that the contract leaves to the file.

    Reads the footer's statistics, and of the row groups for which they do not decide, these columns. `file` is open.
    Raises UnreadableFileError when a column cannot be read, and OSError when the storage is away.
    """
    names = ambiguous_columns(contract, footer)
    if not names:
        return footer
    with reading_data():
        units = decide(file_evidence(pq.ParquetFile(file), names, footer))
    return replace(footer, columns=tuple(replace(column, unit=units.get(column.name)) for column in footer.columns))


@dataclass
class Evidence:
    """What a column's values say: how many indicate each unit, by each of the rules."""

    votes: Counter[EpochUnit] = field(default_factory=Counter)
    possible: Counter[EpochUnit] = field(default_factory=Counter)
    never: Counter[EpochUnit] = field(default_factory=Counter)
    nearest: Counter[EpochUnit] = field(default_factory=Counter)
    values: int = 0

    @property
    def has_votes(self) -> bool:
        return any(self.votes.values())

    def add(self, numbers: _Numbers, now: float | None) -> None:
        """Counts numbers without nulls; `now` is the file's latest source time in seconds, if it has one."""
        usable = numbers[(numbers != 0) & ~_between(numbers, INFINITIES)]
        self.values += len(usable)
        for unit in UNITS:
            self.votes[unit] += int(_between(usable, [span(VOTING_SPAN, unit)]).sum())
            self.possible[unit] += int(_between(usable, [span((FIRST_SECOND, END_SECOND), unit)]).sum())
            self.never[unit] += int(_between(usable, [span(day, unit) for day in _NEVER]).sum())
        if now is not None and len(usable):
            seconds = np.stack([usable * (unit.in_nanoseconds / 1e9) for unit in UNITS])
            closest = np.abs(seconds - now).argmin(axis=0)
            for number, unit in enumerate(UNITS):
                self.nearest[unit] += int((closest == number).sum())


def decide(columns: Mapping[str, Evidence]) -> dict[str, EpochUnit]:
    """The unit of each column, by the rules at the head of this file."""
    candidates = {name: _candidates(evidence) for name, evidence in columns.items()}
    voted = {name: units[0] for name, units in candidates.items() if len(units) == 1 and columns[name].has_votes}
    others = Counter(voted.values())
    decided = {}
    for name, evidence in columns.items():
        # `max` keeps the first of equals, and the candidates go from coarse to fine.
        decided[name] = voted.get(name) or max(
            candidates[name], key=lambda unit: (evidence.never[unit], others[unit], evidence.nearest[unit])
        )
    return decided


def _candidates(evidence: Evidence) -> Sequence[EpochUnit]:
    if evidence.has_votes:
        most = max(evidence.votes.values())
        return [unit for unit in UNITS if evidence.votes[unit] == most]
    return [unit for unit in UNITS if evidence.possible[unit] * 2 >= evidence.values] or UNITS


def file_evidence(file: pq.ParquetFile, names: Iterable[str], footer: Footer) -> dict[str, Evidence]:
    """The evidence of these columns of an open file."""
    evidence, unclear = {}, {}
    for name in names:
        evidence[name] = Evidence()
        groups = [
            group
            for group in range(file.metadata.num_row_groups)
            if not _decided_by_statistics(evidence[name], file.metadata.row_group(group), name)
        ]
        if groups:
            unclear[name] = groups
    if unclear:
        now = _latest_source_time(file, footer)
        for name, groups in unclear.items():
            for numbers in _numbers(file, name, groups):
                evidence[name].add(numbers, now)
    return evidence


def _decided_by_statistics(evidence: Evidence, group: pq.RowGroupMetaData, name: str) -> bool:
    """Whether the least and the greatest value of a row group show what all between them vote for; counts the votes then."""
    index = next(number for number in range(group.num_columns) if group.column(number).path_in_schema == name)
    chunk = group.column(index)
    statistics = chunk.statistics
    if statistics is None or not statistics.has_null_count:
        return False
    count = chunk.num_values - statistics.null_count
    if count == 0:
        return True
    if not statistics.has_min_max:
        return False
    for unit in UNITS:
        first, last = span(VOTING_SPAN, unit)
        if first <= statistics.min <= statistics.max <= last:
            evidence.values += count
            evidence.votes[unit] += count
            evidence.possible[unit] += count
            return True
    return False


def _numbers(file: pq.ParquetFile, name: str, groups: Sequence[int]) -> Iterator[_Numbers]:
    """The column's values in these row groups, in pieces, without nulls; unsigned ones beyond 64 bits with a sign left out."""
    for batch in file.iter_batches(row_groups=groups, columns=[name]):
        values = batch.column(0).drop_null()
        numbers = values.cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False)
        yield numbers[numbers >= 0] if pa.types.is_unsigned_integer(values.type) else numbers


def _latest_source_time(file: pq.ParquetFile, footer: Footer) -> float | None:
    """The file's latest `__source_ts_ms` between 1980 and 2100, in seconds; None without one, and for text."""
    kind = next((column.kind for column in footer.columns if column.name == _SOURCE_TIME), None)
    if kind not in (*WHOLE_NUMBERS, *TIMESTAMPS):
        return None
    first, last = span(VOTING_SPAN, EpochUnit.MILLISECONDS)
    latest = None
    for batch in file.iter_batches(columns=[_SOURCE_TIME]):
        values = batch.column(0).drop_null()
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("ms", values.type.tz), safe=False)
        numbers = values.cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False)
        numbers = numbers[(numbers >= first) & (numbers <= last)]
        if len(numbers):
            latest = max(latest or 0, int(numbers.max()))
    return None if latest is None else latest / 1000


def _between(numbers: _Numbers, spans: Iterable[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(numbers), dtype=bool)
    for first, last in spans:
        inside |= (numbers >= first) & (numbers <= last)
    return inside


def unit_of(column: Column, physical: PhysicalColumn) -> EpochUnit:
    """What whole numbers of this column count in a file."""
    if column in CDC_COLUMNS:
        return EpochUnit.MILLISECONDS
    if column.epoch_unit is not None:
        return column.epoch_unit
    if column.type is LogicalType.DATE:
        return EpochUnit.DAYS
    if physical.unit is None:
        raise ValueError(f"column {column.name} has no unit of its own in this footer; ask with_epoch_units first")
    return physical.unit
