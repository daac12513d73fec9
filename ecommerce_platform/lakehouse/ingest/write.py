"""Writes days of a table to a branch: decoded, without duplicates, without rows that are not events.

What belongs here: the Spark job that writes, and what it counted on the way. What does not: whether the days are good (audit.py),
making them visible (publish.py), and the rows that are not events (quarantine.py).

A task may run more than once: its executor is lost, or a copy of it races. Spark adds up what such a task observes before a
shuffle once for every success, so nothing here is a sum over the tasks before it: those yield a set of days, or rows that know
their place in the file. Duplicates and the hashes of the other rows are added up after the shuffle, in the tasks that write: of
each of those Spark takes one result, and with it both its data files and its sums (decisions 0016 and 0030).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.writing import CLUSTERED
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival, file_groups
from ecommerce_platform.lakehouse.decode.change_events import days_filter, is_unfit, read_group
from ecommerce_platform.lakehouse.ingest.duplicates import mark_duplicates
from ecommerce_platform.lakehouse.ingest.quarantine import may_hand_over, unfit_row
from ecommerce_platform.row_hash import spark_row_hash

#: Duplicates are counted in a counter a day; a commit of more days would compile too many of them.
DAYS_PER_PART = 400
#: Checksums take two more counters a day. For 400 days they took 69 processor seconds, more than the rest of such a commit: a
#: commit of more days than these leaves checksums to the load, which reads the files.
DAYS_WITH_CHECKSUMS = 7

_RUN_ID = "snapshot-property.ecommerce.run-id"


@dataclass(frozen=True)
class Written:
    """What the writing jobs saw pass: the days that have unfit rows, these rows themselves where few rows landed (else None),
    how many duplicates each day has, the sum of the hashes of each day's written rows (where few days were written at once), and
    how many commits the jobs made.
    """

    unfit_days: frozenset[date]
    duplicates: Mapping[date, int]
    checksums: Mapping[date, int] = field(default_factory=dict)
    unfit_rows: tuple[Mapping[str, Any], ...] | None = ()
    commits: int = 1

    def __add__(self, other: Written) -> Written:
        rows = None if self.unfit_rows is None or other.unfit_rows is None else self.unfit_rows + other.unfit_rows
        return Written(
            self.unfit_days | other.unfit_days,
            Counter(self.duplicates) + Counter(other.duplicates),
            Counter(self.checksums) + Counter(other.checksums),
            rows,
            self.commits + other.commits,
        )


@dataclass(frozen=True)
class Part:
    """What one commit writes: whole days, or the rows of one day whose keys fall into one of `of` parts."""

    arrivals: tuple[DayArrival, ...]
    number: int = 1
    of: int = 1

    @property
    def largest(self) -> int:
        """About how many rows the largest day brings to this part."""
        return -(-max(arrival.rows for arrival in self.arrivals) // self.of)

    @property
    def one_day(self) -> bool:
        """Whether all rows are of one day."""
        return len({arrival.day for arrival in self.arrivals}) == 1

    def __str__(self) -> str:
        days = sorted(arrival.day for arrival in self.arrivals)
        return f"part {self.number} of {self.of} of {days[0]}" if self.of > 1 else f"{days[0]} to {days[-1]}"


def plan_parts(arrivals: Sequence[DayArrival], rows_per_part: int) -> list[Part]:
    """Ordinary days together; a day with more rows than `rows_per_part` in as many commits as it takes.

    A day is divided by its keys, so that the copies of an event meet in one part and are found.
    """
    large = [arrival for arrival in arrivals if arrival.rows > rows_per_part]
    ordinary = [arrival for arrival in arrivals if arrival.rows <= rows_per_part]
    parts = [Part(tuple(ordinary[start : start + DAYS_PER_PART])) for start in range(0, len(ordinary), DAYS_PER_PART)]
    for arrival in large:
        of = -(-arrival.rows // rows_per_part)
        parts += [Part((arrival,), number, of) for number in range(1, of + 1)]
    return parts


def decode_days(spark: SparkSession, contract: Contract, arrivals: Sequence[DayArrival]) -> list[DataFrame]:
    """The days' rows, decoded: a frame for each group of files with equal physical columns."""
    return [read_group(spark, contract, group) for group in file_groups(contract, arrivals)]


def write_events(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    arrivals: Sequence[DayArrival],
    branch: str,
    run_id: str,
    reached: Callable[[str], None] = lambda step: None,
) -> Written:
    """Replaces these days on the branch; a day without rows becomes empty there. `reached` is called with each commit.

    One commit, unless a day has more rows than the setting `rows_per_part`. Raises what Spark raises when a file
    cannot be read after all.
    """
    table = lake.in_spark(lake.events(contract.table))
    branch_table = f"{table}.branch_{branch}"
    hand_over = may_hand_over(arrivals)
    written = Written(frozenset(), {}, commits=0)
    for part in plan_parts(arrivals, lake.section.rows_per_part):
        if any(arrival.rows for arrival in part.arrivals):
            written += _write_part(spark, contract, part, branch_table, run_id, hand_over)
        else:
            days = days_filter(arrival.day for arrival in part.arrivals)
            spark.table(table).limit(0).writeTo(branch_table).option(_RUN_ID, run_id).overwrite(days)
            written += Written(frozenset(), {})
        if part.of > 1:
            reached(str(part))
    return written


def _write_part(
    spark: SparkSession, contract: Contract, part: Part, branch_table: str, run_id: str, hand_over: bool
) -> Written:
    names = [column.name for column in contract.all_event_columns]
    frames = decode_days(spark, contract, part.arrivals)
    if part.of > 1:
        mine = F.pmod(F.xxhash64(*contract.key_names), F.lit(part.of)) == part.number - 1
        frames = [frame.where(mine) for frame in frames]
    seen, fit = _without_unfit(frames, contract, names, hand_over)
    counters = Observation()
    days = sorted({arrival.day for arrival in part.arrivals if arrival.rows})
    marked = mark_duplicates(fit, contract, part.largest, part.one_day)
    sums = [_duplicates_of(day, part.one_day) for day in days]
    hashed = days if len(days) <= DAYS_WITH_CHECKSUMS else []
    if hashed:
        row_hash = F.expr(spark_row_hash(contract.all_event_columns))
        marked = marked.withColumn("_hash", F.when(~F.col("_duplicate"), row_hash))
        sums += [half for day in hashed for half in _hashes_of(day, part.one_day)]
    marked = marked.observe(counters, *sums)
    events = marked.where(~F.col("_duplicate")).select(*names)
    writer = (
        events.writeTo(branch_table).option(_RUN_ID, run_id).option("distribution-mode", "none").options(**CLUSTERED)
    )
    if part.one_day:  # Iceberg would sort by day first, which gains nothing for a single day.
        writer = writer.option("use-table-distribution-and-ordering", "false")
    if part.number == 1:
        writer.overwrite(days_filter(arrival.day for arrival in part.arrivals))
    else:
        writer.append()
    unfit = [item for observation in seen for item in observation.get["unfit"]]
    counted = counters.get
    duplicates = {day: int(counted[f"{day} duplicates"] or 0) for day in days}
    checksums = {day: (int(counted[f"{day} upper"] or 0) << 32) + int(counted[f"{day} lower"] or 0) for day in hashed}
    if not hand_over:
        return Written(frozenset(unfit), duplicates, checksums, None)
    # By their place, because a task that ran twice handed its rows over twice.
    rows = {(row["source_file"], row["source_row"]): row.asDict() for row in unfit}
    return Written(frozenset(row["date"] for row in rows.values()), duplicates, checksums, tuple(rows.values()))


def _of_day(day: date, one_day: bool) -> SparkColumn:
    return F.lit(True) if one_day else F.col("date") == F.lit(day)


def _duplicates_of(day: date, one_day: bool) -> SparkColumn:
    return F.count_if(_of_day(day, one_day) & F.col("_duplicate")).alias(f"{day} duplicates")


def _hashes_of(day: date, one_day: bool) -> Iterator[SparkColumn]:
    """The sum of the hashes of the day's other rows: of their upper and lower halves, which do not overflow."""
    of_day, row_hash = _of_day(day, one_day), F.col("_hash")
    yield F.sum(F.when(of_day, F.shiftrightunsigned(row_hash, 32))).alias(f"{day} upper")
    yield F.sum(F.when(of_day, row_hash.bitwiseAND(F.lit(0xFFFFFFFF)))).alias(f"{day} lower")


def _without_unfit(
    frames: Sequence[DataFrame], contract: Contract, names: Sequence[str], hand_over: bool
) -> tuple[list[Observation], DataFrame]:
    """The rows that are events; those that are not are observed on the way: whole, or only the set of their days."""
    observations, fit = [], []
    for frame in frames:
        observation = Observation()
        unfit = F.col("_unfit")
        kept = (
            F.collect_list(F.when(unfit, unfit_row(contract)))
            if hand_over
            else F.collect_set(F.when(unfit, F.col("date")))
        )
        # A column of its own, so that the verdict is computed once and not pushed below the decoding, which would run twice.
        passed = frame.withColumn("_unfit", is_unfit(contract)).observe(observation, kept.alias("unfit"))
        fit.append(passed.where(~F.col("_unfit")).select(*names))
        observations.append(observation)
    return observations, reduce(DataFrame.unionByName, fit)
