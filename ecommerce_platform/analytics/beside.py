"""Work on several tables at once: one table's planning and commit leave the cores to the others' rows.

What belongs here: threads. What does not: what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

_Result = TypeVar("_Result")


def side_by_side(spark: SparkSession, work: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """The results, in order. All of them end before an error is raised."""
    with ThreadPoolExecutor(max(1, len(work)), thread_name_prefix="analytics") as pool:
        running = [pool.submit(inheritable_thread_target(spark)(item)) for item in work]
    return [item.result() for item in running]
