"""Where the seconds of a Spark application went, from its event log.

What belongs here: reading a log. What does not: starting applications with one (executors.py).

The log is Spark's own, a line of JSON for each event, times in milliseconds since 1970 (`org.apache.spark.util.JsonProtocol`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def options(folder: Path) -> dict[str, str]:
    """Spark's options that write an application's events to a file in `folder`, which must be there."""
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": folder.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
    }


def seconds_spent(folder: Path, started: float, ended: float) -> Mapping[str, float]:
    """Seconds of the applications in `folder`, which ran between these Unix times: until the first job began, with a job at work,
    between jobs, after the last one; and those of all tasks together. Raises ValueError where no job is in the log.
    """
    jobs: dict[tuple[str, int], list[float]] = {}
    tasks = 0.0
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        for line in file.read_text(encoding="utf-8").splitlines():
            event: dict[str, Any] = json.loads(line)
            if event["Event"] == "SparkListenerJobStart":
                jobs[file.name, event["Job ID"]] = [event["Submission Time"] / 1000]
            elif event["Event"] == "SparkListenerJobEnd":
                jobs[file.name, event["Job ID"]].append(event["Completion Time"] / 1000)
            elif event["Event"] == "SparkListenerTaskEnd":
                tasks += (event.get("Task Metrics") or {}).get("Executor Run Time", 0) / 1000
    if not jobs:
        raise ValueError(f"no job in the event logs of {folder}")
    spans = sorted((begun[0], begun[-1]) for begun in jobs.values())
    at_work, until = 0.0, spans[0][0]
    for begun, done in spans:
        at_work += max(0.0, done - max(begun, until))
        until = max(until, done)
    first = spans[0][0]
    return {
        "until_first_job_seconds": first - started,
        "job_seconds": at_work,
        "between_jobs_seconds": until - first - at_work,
        "after_last_job_seconds": ended - until,
        "task_seconds": tasks,
    }
