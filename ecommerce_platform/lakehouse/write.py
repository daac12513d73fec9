"""Writes days of a table: events to a branch of the event table, rows that are no events to quarantine.

What belongs here: the two Spark jobs and what they counted on the way. What does not: whether the days are good (audit.py) and
making them visible (publish.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.arrivals import DayArrival, file_groups
from ecommerce_platform.lakehouse.decode import days_filter, read_events
from ecommerce_platform.lakehouse.duplicates import mark_duplicates
from ecommerce_platform.lakehouse.tables import QUARANTINE_COLUMNS, event_identifier, quarantine_identifier
from ecommerce_platform.settings import Settings

_RUN_ID = "snapshot-property.ecommerce.run-id"


@dataclass(frozen=True)
class Written:
    """What the writing job saw pass, by day."""

    quarantined: Mapping[date, int]
    duplicates: Mapping[date, int]


def write_events(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    arrivals: Sequence[DayArrival],
    branch: str,
    run_id: str,
) -> Written:
    """Replaces these days on the branch in one commit; a day without rows becomes empty there.

    Raises PySparkException when a file cannot be read after all.
    """
    table = f"`{settings.lakehouse.catalog_name}`.{event_identifier(settings, contract.table)}"
    branch_table = f"{table}.branch_{branch}"
    days = days_filter(arrival.day for arrival in arrivals)
    if not any(arrival.rows for arrival in arrivals):
        spark.table(table).limit(0).writeTo(branch_table).option(_RUN_ID, run_id).overwrite(days)
        return Written({}, {})
    seen, doubled = Observation(), Observation()
    events = _events(spark, contract, arrivals).observe(
        seen, F.collect_list(F.when(F.col("_bad"), F.col("date"))).alias("days")
    )
    marked = mark_duplicates(
        events.where(~F.col("_bad")).select(*_names(contract)), contract, max(arrival.rows for arrival in arrivals)
    ).observe(doubled, F.collect_list(F.when(F.col("_duplicate"), F.col("date"))).alias("days"))
    (
        marked.where(~F.col("_duplicate"))
        .select(*_names(contract))
        .writeTo(branch_table)
        .option(_RUN_ID, run_id)
        .option("distribution-mode", "none")
        .overwrite(days)
    )
    return Written(Counter(seen.get["days"]), Counter(doubled.get["days"]))


def write_quarantine(
    spark: SparkSession, settings: Settings, contract: Contract, arrivals: Sequence[DayArrival], run_id: str
) -> None:
    """Replaces the quarantined rows of these days' content; those of other content of the same days stay beside it."""
    content_of_day = F.create_map(
        *(item for arrival in arrivals for item in (F.lit(arrival.day), F.lit(arrival.content_id)))
    )
    rows = (
        _events(spark, contract, arrivals)
        .where("_bad")
        .select(
            "date",
            F.col("__source_file").alias("source_file"),
            F.col("__source_row").alias("source_row"),
            F.col("_problem.reason").alias("reason"),
            F.col("_problem.column_name").alias("column_name"),
            F.col("_problem.detail").alias("detail"),
            F.col("_original").alias("original_values"),
            F.lit(run_id).alias("run_id"),
            content_of_day[F.col("date")].alias("content_id"),
        )
        .select(*(column.name for column in QUARANTINE_COLUMNS))
    )
    table = f"`{settings.lakehouse.catalog_name}`.{quarantine_identifier(settings, contract.table)}"
    rows.writeTo(table).overwrite(F.col("content_id").isin([arrival.content_id for arrival in arrivals]))


def _events(spark: SparkSession, contract: Contract, arrivals: Sequence[DayArrival]) -> DataFrame:
    groups = file_groups(contract, arrivals)
    return read_events(spark, contract, groups)


def _names(contract: Contract) -> list[str]:
    return [column.name for column in contract.all_event_columns]


def unreadable_day(error: PySparkException, arrivals: Sequence[DayArrival]) -> tuple[date, str] | None:
    """The day and file whose reading made the job fail, when Spark's message names one of the files."""
    text = str(error)
    for arrival in arrivals:
        for file in arrival.files:
            if file.path in text or f"{arrival.table}/{file.path}" in text:
                return arrival.day, file.path
    return None
