"""Writes days of a table to a branch: decoded, without duplicates, without rows that are no events.

What belongs here: the Spark job that writes, and what it counted on the way. What does not: whether the days are good (audit.py),
making them visible (publish.py), and the rows that are no events (quarantine.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.arrivals import DayArrival, file_groups
from ecommerce_platform.lakehouse.decode import days_filter, is_unfit, read_group
from ecommerce_platform.lakehouse.duplicates import mark_duplicates
from ecommerce_platform.lakehouse.quarantine import HANDED_OVER_ROWS, unfit_row
from ecommerce_platform.lakehouse.tables import event_identifier
from ecommerce_platform.settings import Settings

#: What Spark raises when a job fails: translated where PySpark knows the error, else as it comes from the JVM.
SPARK_ERRORS = (PySparkException, Py4JJavaError)

_RUN_ID = "snapshot-property.ecommerce.run-id"


@dataclass(frozen=True)
class Written:
    """What the writing job saw pass: rows by day, and the unfit rows themselves where they are few (else None)."""

    quarantined: Mapping[date, int]
    duplicates: Mapping[date, int]
    unfit_rows: tuple[Mapping[str, Any], ...] | None = ()


def decode_days(spark: SparkSession, contract: Contract, arrivals: Sequence[DayArrival]) -> list[DataFrame]:
    """The days' rows, decoded: a frame for each group of files with equal physical columns."""
    return [read_group(spark, contract, group) for group in file_groups(contract, arrivals)]


def write_events(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    arrivals: Sequence[DayArrival],
    branch: str,
    run_id: str,
) -> Written:
    """Replaces these days on the branch in one commit; a day without rows becomes empty there.

    Raises one of SPARK_ERRORS when a file cannot be read after all.
    """
    table = f"`{settings.lakehouse.catalog_name}`.{event_identifier(settings, contract.table)}"
    branch_table = f"{table}.branch_{branch}"
    days = days_filter(arrival.day for arrival in arrivals)
    if not any(arrival.rows for arrival in arrivals):
        spark.table(table).limit(0).writeTo(branch_table).option(_RUN_ID, run_id).overwrite(days)
        return Written({}, {})
    names = [column.name for column in contract.all_event_columns]
    hand_over = sum(arrival.rows for arrival in arrivals) <= HANDED_OVER_ROWS
    seen, fit = _without_unfit(decode_days(spark, contract, arrivals), contract, names, hand_over)
    doubled = Observation()
    marked = mark_duplicates(fit, contract, max(arrival.rows for arrival in arrivals)).observe(
        doubled, F.collect_list(F.when(F.col("_duplicate"), F.col("date"))).alias("days")
    )
    events = marked.where(~F.col("_duplicate")).select(*names)
    events.writeTo(branch_table).option(_RUN_ID, run_id).option("distribution-mode", "none").overwrite(days)
    unfit = [row for observation in seen for row in observation.get["unfit"]]
    duplicates = Counter(doubled.get["days"])
    if hand_over:
        rows = tuple(row.asDict() for row in unfit)
        return Written(Counter(row["date"] for row in rows), duplicates, rows)
    return Written(Counter(unfit), duplicates, None)


def _without_unfit(
    frames: Sequence[DataFrame], contract: Contract, names: Sequence[str], hand_over: bool
) -> tuple[list[Observation], DataFrame]:
    """The rows that are events; those that are not are observed on the way: whole, or only their day."""
    observations, fit = [], []
    for frame in frames:
        observation = Observation()
        told = unfit_row(contract) if hand_over else F.col("date")
        # A column of its own, so that the verdict is computed once and not pushed below the decoding, which would run twice.
        passed = frame.withColumn("_unfit", is_unfit(contract)).observe(
            observation, F.collect_list(F.when(F.col("_unfit"), told)).alias("unfit")
        )
        fit.append(passed.where(~F.col("_unfit")).select(*names))
        observations.append(observation)
    return observations, reduce(DataFrame.unionByName, fit)


def unreadable_day(error: Exception, arrivals: Sequence[DayArrival]) -> tuple[date, str] | None:
    """The day and file whose reading made the job fail, when Spark's message names one of the files."""
    text = unquote(str(error))
    named = [
        (arrival.day, file.path)
        for arrival in arrivals
        for file in arrival.files
        if f"/{arrival.table}/{file.path}" in text
    ]
    # Of two names that begin alike, the longer one is meant.
    return max(named, key=lambda item: len(item[1]), default=None)


def cause_of(error: Exception) -> str:
    """The line of Spark's message that says why: the innermost cause."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or [line for line in lines if line] or ["no message"])[-1 if causes else 0][:300]
