"""Rows that cannot be events: kept with reason, place and original values, so that they can be replayed after a fix.

What belongs here: writing, counting and dropping quarantined rows. What does not: why a row is here (decode/change_events.py).

Rows are kept by the content of their day (`content_id`): those of a newer content stand beside those of the published one until
that is published, and a day read again replaces its own. They are written before their day is published, so that a crash loses
none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import In
from pyiceberg.table import Table
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.writing import CLUSTERED
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival
from ecommerce_platform.lakehouse.decode.change_events import first_problem, is_unfit, original_values
from ecommerce_platform.lakehouse.ingest.tables import QUARANTINE_COLUMNS

#: Up to so many landed rows, and bytes of files, the writing job hands unfit rows to this process, which spares a second reading
#: of the files. Above it they might be too many for one process's memory, and a Spark job of their own writes them.
HANDED_OVER_ROWS = 100_000
HANDED_OVER_BYTES = 32 * 2**20


def may_hand_over(arrivals: Sequence[DayArrival]) -> bool:
    """Whether the writing job hands the unfit rows of these days over: if all their rows were unfit, memory would bear them."""
    rows, size = sum(arrival.rows for arrival in arrivals), sum(arrival.bytes for arrival in arrivals)
    return rows <= HANDED_OVER_ROWS and size <= HANDED_OVER_BYTES


def unfit_row(contract: Contract) -> SparkColumn:
    """Struct of an unfit row's columns of the quarantine table, save run and content; of a decoded row."""
    problem = first_problem(contract)
    return F.struct(
        F.col("date"),
        F.col("__source_file").alias("source_file"),
        F.col("__source_row").alias("source_row"),
        problem["reason"].alias("reason"),
        problem["column_name"].alias("column_name"),
        problem["detail"].alias("detail"),
        original_values(contract).alias("original_values"),
    )


def write_rows(table: Table, arrivals: Sequence[DayArrival], rows: Sequence[Mapping[str, Any]], run_id: str) -> None:
    """Replaces the rows of these days' content by rows that are at hand."""
    content = {arrival.day: arrival.content_id for arrival in arrivals}
    schema = table.schema().as_arrow()
    complete = [{**row, "run_id": run_id, "content_id": content[row["date"]]} for row in rows]
    complete.sort(key=lambda row: (row["source_file"], row["source_row"]))
    arrow = pa.Table.from_pylist(complete, schema)
    if count(table, list(content.values())):
        table.overwrite(arrow, overwrite_filter=_of(list(content.values())))
    else:
        table.append(arrow)


def write_frames(
    lake: Lake, contract: Contract, arrivals: Sequence[DayArrival], decoded: Sequence[DataFrame], run_id: str
) -> None:
    """Replaces the rows of these days' content by a Spark job that reads their files again."""
    content_of_day = F.create_map(
        *(item for arrival in arrivals for item in (F.lit(arrival.day), F.lit(arrival.content_id)))
    )
    frames = [frame.where(is_unfit(contract)).select(unfit_row(contract).alias("row")) for frame in decoded]
    rows = frames[0]
    for frame in frames[1:]:
        rows = rows.unionByName(frame)
    complete = rows.select("row.*").select(
        "*", F.lit(run_id).alias("run_id"), content_of_day[F.col("date")].alias("content_id")
    )
    table = lake.in_spark(lake.quarantine(contract.table))
    of_arrivals = F.col("content_id").isin([arrival.content_id for arrival in arrivals])
    columns = (column.name for column in QUARANTINE_COLUMNS)
    complete.select(*columns).writeTo(table).options(**CLUSTERED).overwrite(of_arrivals)


def count(table: Table, content_ids: Sequence[str]) -> dict[str, int]:
    """Rows in quarantine by content id, from manifests."""
    counts: dict[str, int] = {}
    if content_ids:
        for task in table.scan(row_filter=_of(content_ids)).plan_files():
            content = str(task.file.partition[1])
            counts[content] = counts.get(content, 0) + task.file.record_count
    return counts


def drop(table: Table, content_ids: Sequence[str]) -> None:
    """Drops the rows of content that no day has any more: whole files, one commit."""
    if count(table, content_ids):
        table.delete(_of(content_ids))


def _of(content_ids: Sequence[str]) -> In:
    return In(term="content_id", literals=set(content_ids))
