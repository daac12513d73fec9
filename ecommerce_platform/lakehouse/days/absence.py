"""Published events that a day's files no longer have: absence is not content, so the day is refused until somebody decides.

What belongs here: comparing what `main` holds of a day with what was just written, days that landing may have emptied, and the
words of the refusal. What does not: the verdict on a day (audit.py), and withdrawing events on purpose (refused.py).

An event is known by its key, its operation and its LSN; one without an LSN by its key, its operation and `__ts_ms`. So values
may be corrected, and files renamed, put together or delivered again: their events are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import and_

from pyiceberg.expressions import EqualTo
from pyiceberg.table import Table
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.lakehouse.decode.change_events import days_filter, is_unfit

#: As many keys as a refusal names; and as many emptied days of a run as are read for their keys.
NAMED_KEYS = 5
_LOOKED_AT = 10
_ROWS_LOOKED_AT = 1000

_EVENT = ("date", "key", "op", "lsn", "at")


@dataclass(frozen=True)
class Gone:
    """Published events that a day's files lack: how many, of how many keys, and the smallest of those keys.

    `key_column` names the column that the keys are of; `note` says what makes the day special.
    """

    events: int
    keys: int
    named: tuple[str, ...] = ()
    key_column: str = "id"
    note: str = ""


def absence_reason(table: str, day: date, gone: Gone) -> str:
    """Why a day whose published events are gone is refused, and what to do."""
    what = "1 published event is gone" if gone.events == 1 else f"{gone.events} published events are gone"
    keys = ""
    if gone.named:
        left = gone.keys - len(gone.named)
        more = f" … (and {left} more)" if left > 0 else ""
        keys = f": {gone.key_column}{'' if gone.keys == 1 else 's'} {', '.join(gone.named)}{more}"
    return (
        f"{table}, {day}: {what}{keys}; expected every published event to be among the day's files{gone.note}; put the files "
        "back, or withdraw the events on purpose with "
        f"`ecommerce-platform refused publish {table} {day} --withdraw --reason …`"
    )


def retention_note(retention_days: int | None) -> str:
    """What to add for a day past retention that has files nevertheless."""
    return (
        f" (a day more than {retention_days} days before the highest published one may have no files at all, "
        "ECOMMERCE_LANDING__RETENTION_DAYS, but not a part of them)"
    )


def emptied(table: Table, contract: Contract, records: Sequence[DayRecord]) -> dict[date, Gone]:
    """Of days that have no rows any more: all of their published events, without Spark."""
    gone = {record.day: Gone(record.published, 0, (), _key_name(contract)) for record in records}
    for record in records[:_LOOKED_AT]:
        scan = table.scan(
            row_filter=EqualTo(term="date", value=record.day),
            selected_fields=contract.key_names,
            limit=_ROWS_LOOKED_AT,
        )
        keys = sorted({tuple(row[name] for name in contract.key_names) for row in scan.to_arrow().to_pylist()})
        of = len(keys) if record.published <= _ROWS_LOOKED_AT else record.published
        gone[record.day] = Gone(record.published, of, _named(keys), _key_name(contract))
    return gone


def _key_name(contract: Contract) -> str:
    """How a message calls the key: its column, or its columns in brackets."""
    names = ", ".join(contract.key_names)
    return names if len(contract.key_names) == 1 else f"({names})"


def _named(keys: Sequence[Sequence[object]]) -> tuple[str, ...]:
    return tuple(str(key[0]) if len(key) == 1 else f"({', '.join(map(str, key))})" for key in keys[:NAMED_KEYS])


def gone_events(
    spark: SparkSession,
    table: str,
    contract: Contract,
    days: Sequence[date],
    snapshots: tuple[int, int],
    unfit: Sequence[DataFrame],
) -> dict[date, Gone]:
    """What the published snapshot (the first of `snapshots`) has of these days more often than the written one.

    `unfit` are decoded rows of the days' files among which those that went to quarantine are: an event that was rewritten as a
    row that cannot be read is not gone. Days without a loss are left out. Only counts and a few keys come to this process.
    """
    published, written = (
        spark.read.option("versionAsOf", snapshot)
        .table(table)
        .where(days_filter(days))
        .select(*_event(contract), F.lit(sign).alias("times"))
        for snapshot, sign in zip(snapshots, (1, -1), strict=True)
    )
    lost = published.unionByName(written).groupBy(*_EVENT).agg(F.sum("times").alias("times")).where("times > 0")
    gone = _totals(lost, contract)
    if gone and unfit:
        lost = _without_unreadable(lost, contract, unfit)
        gone = _totals(lost, contract)
    if not gone:
        return {}
    by_key = Window.partitionBy("date").orderBy("key")
    named = (lost.select("date", "key").distinct().withColumn("place", F.row_number().over(by_key))).where(
        F.col("place") <= NAMED_KEYS
    )
    keys: dict[date, list[Sequence[object]]] = {}
    for row in sorted(named.collect(), key=lambda row: (row["date"], row["place"])):
        keys.setdefault(row["date"], []).append(tuple(row["key"]))
    return {day: replace(item, named=_named(keys.get(day, ()))) for day, item in gone.items()}


def _totals(lost: DataFrame, contract: Contract) -> dict[date, Gone]:
    counts = lost.groupBy("date").agg(F.sum("times").alias("events"), F.countDistinct("key").alias("keys"))
    return {row["date"]: Gone(row["events"], row["keys"], (), _key_name(contract)) for row in counts.collect()}


def _event(contract: Contract) -> list[SparkColumn]:
    """What an event is known by, as columns with the names of `_EVENT`; of published and of decoded rows."""
    lsn = F.col("__source_lsn")
    return [
        F.col("date"),
        F.struct(*contract.key_names).alias("key"),
        F.col("__op").alias("op"),
        lsn.alias("lsn"),
        F.when(lsn.isNull(), F.col("__ts_ms")).alias("at"),
    ]


def _without_unreadable(lost: DataFrame, contract: Contract, frames: Sequence[DataFrame]) -> DataFrame:
    """The lost events without those that may be among the quarantined rows: each such row stands for one event, the one that
    agrees with what can be read of its key and LSN.
    """
    rows = [frame.where(is_unfit(contract)).select(*_event(contract)) for frame in frames]
    unreadable = rows[0]
    for more in rows[1:]:
        unreadable = unreadable.unionByName(more)
    unreadable = unreadable.withColumn("lsn", F.when(F.col("lsn") >= 0, F.col("lsn")))
    single = lost.withColumn("copy", F.explode(F.sequence(F.lit(1), F.col("times").cast("int")))).select(
        *_EVENT, "copy"
    )
    for known in (("key", "lsn"), ("key",), ("lsn",), ()):
        agrees = F.lit(True)
        for name in ("key", "lsn"):
            agrees = agrees & (_is_known(name, contract) if name in known else ~_is_known(name, contract))
        among = unreadable.where(agrees).groupBy("date", *known).agg(F.count("*").alias("excused"))
        place = F.row_number().over(Window.partitionBy("date", *known).orderBy(*_EVENT, "copy"))
        single = (
            single.withColumn("place", place)
            .join(among, ["date", *known], "left")
            .where(F.col("place") > F.coalesce("excused", F.lit(0)))
            .select(*_EVENT, "copy")
        )
    return single.groupBy(*_EVENT).agg(F.count("*").alias("times"))


def _is_known(name: str, contract: Contract) -> SparkColumn:
    """Whether all of a key, or the LSN, can be read of a row."""
    if name == "key":
        return reduce(and_, (F.col("key")[column].isNotNull() for column in contract.key_names))
    return F.col(name).isNotNull()


def add_note(gone: Mapping[date, Gone], late: Callable[[date], bool], note: str) -> dict[date, Gone]:
    """The losses, with the note on those of days past retention."""
    return {day: replace(item, note=note) if late(day) else item for day, item in gone.items()}
