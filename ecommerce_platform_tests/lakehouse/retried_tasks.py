"""Ingests two days while tasks are lost, in a process of its own: Spark's master is chosen once a process.

Run as `python -m … lost_executor|failed_tasks FOLDER`. Prints one line of JSON: each day's counts (landed, published,
quarantined, duplicates), refusals, rows in quarantine, and how many executors were killed, and whether a stage ran again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.lakehouse.ingest import quarantine, write
from ecommerce_platform.settings import LandingSettings, SparkSettings, load_settings
from ecommerce_platform.spark.session import build_session, stop_session
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, counts, order

#: Enough of them on two cores that the first have written before the last have begun.
WRITING_TASKS = 24
ROWS, UNFIT, COPIES = 3000, 7, 11
MASTERS = {"lost_executor": "local-cluster[2,1,1024]", "failed_tasks": "local[2,4]"}


def land(lake: SmallLake) -> None:
    """Each day: rows, some unfit ones, and copies, in several files so that several tasks read."""
    for day, first in ((FIRST, 0), (SECOND, ROWS)):
        for file in range(4):
            rows = [order(key, key + 1) for key in range(first + file, first + ROWS, 4)]
            if file == 0:
                rows += [order(None, number) for number in range(UNFIT)]
                rows += [order(key, key + 1) for key in range(first, first + 4 * COPIES, 4)]
            lake.land(day, *rows, file=f"part-{file}.parquet")


class LostExecutor(threading.Thread):
    """Kills the executors when the first writing tasks have finished and others have not."""

    def __init__(self, spark: SparkSession) -> None:
        super().__init__(daemon=True)
        self.tracker = spark.sparkContext.statusTracker()
        self.killed = 0
        self.repeated = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.005):
            for stage in self.tracker.getActiveStageIds():
                info = self.tracker.getStageInfo(stage)
                if info is None:
                    continue
                self.repeated = max(self.repeated, info.currentAttemptId)
                if not self.killed and info.numTasks == WRITING_TASKS and 2 <= info.numCompletedTasks < WRITING_TASKS:
                    # All of them: of one alone it is not sure that it holds rows that the tasks to come need.
                    for executor in executors():
                        os.kill(executor, signal.SIGKILL)
                        self.killed += 1


def executors() -> list[int]:
    """Process ids of this process's executors."""
    processes = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if b"CoarseGrainedExecutorBackend" in command and f"spark://CoarseGrainedScheduler@{HOST}".encode() in command:
            processes.append(int(entry.name))
    return [pid for pid in processes if os.getpgid(pid) == os.getpgid(0)]


HOST = "127.0.0.1"


@contextmanager
def failing_tasks() -> Iterator[None]:
    """Each task that reads, and each that writes, fails at its first attempt."""

    @F.udf("boolean")
    def second_attempt(_: Any) -> bool:
        context = TaskContext.get()
        assert context is not None, "it runs in a task"
        if context.attemptNumber() == 0:
            raise RuntimeError("the first attempt of this task fails on purpose")
        return True

    def flaky(frame: DataFrame) -> DataFrame:
        return frame.where(second_attempt.asNondeterministic()("__source_row"))

    read_group, mark_duplicates = write.read_group, write.mark_duplicates
    write.read_group = lambda *arguments: flaky(read_group(*arguments))
    write.mark_duplicates = lambda *arguments: flaky(mark_duplicates(*arguments))
    try:
        yield
    finally:
        write.read_group, write.mark_duplicates = read_group, mark_duplicates


def main(trouble: str, folder: str, handed_over: str) -> None:
    extra = {
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.driver.host": HOST,
        "spark.driver.bindAddress": HOST,
        "spark.executor.memory": "512m",
        "spark.sql.files.openCostInBytes": str(2**27),  # a task a file
    }
    settings = load_settings(
        data_dir=Path(folder),
        landing=LandingSettings(max_quarantined_share="0.5"),  # type: ignore[arg-type]
        spark=SparkSettings(master=MASTERS[trouble], shuffle_partitions=WRITING_TASKS, extra=extra),
    )
    if handed_over == "no":
        quarantine.HANDED_OVER_ROWS = 0
    Path(settings.landing_uri).mkdir(parents=True)
    spark = build_session(settings)
    lake = SmallLake(settings, lambda: spark)
    land(lake)
    report: dict[str, Any] = {}
    if trouble == "lost_executor":
        watch = LostExecutor(spark)
        watch.start()
        result = lake.ingest(FIRST, SECOND)
        watch.done.set()
        watch.join()
        report |= {"killed": watch.killed, "repeated": watch.repeated}
    else:
        with failing_tasks():
            result = lake.ingest(FIRST, SECOND)
    report["counts"] = {str(day): list(counts(result, day)) for day in result.records}
    report["refused"] = {str(day): refusal.reason for day, refusal in result.refused.items()}
    report["quarantined"] = len(lake.quarantined("source_row"))
    report["rows"] = len(lake.rows("id"))
    report["checksums"] = {str(day): str(content) for day, content in lake.in_ledger().items()}
    report["checksums_of_files"] = {str(day): str(content) for day, content in lake.in_files().items()}
    print(json.dumps(report))
    stop_session()


if __name__ == "__main__":
    main(*sys.argv[1:])
