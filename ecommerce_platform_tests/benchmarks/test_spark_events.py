"""Where an application's seconds went is read from Spark's own log of events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.spark_events import seconds_spent

#: Two jobs at the same time, a pause, and one more; milliseconds.
JOBS = {0: (11_000, 14_000), 1: (12_000, 15_000), 2: (17_000, 18_000)}


def write(folder: Path, events: list[dict[str, object]]) -> None:
    (folder / "local-1").write_text("".join(json.dumps(event) + "\n" for event in events))


def test_time_at_work_counts_once_however_many_jobs_there_are(tmp_path: Path) -> None:
    begun = [{"Event": "SparkListenerJobStart", "Job ID": job, "Submission Time": at} for job, (at, _) in JOBS.items()]
    done = [{"Event": "SparkListenerJobEnd", "Job ID": job, "Completion Time": at} for job, (_, at) in JOBS.items()]
    tasks = [{"Event": "SparkListenerTaskEnd", "Task Metrics": {"Executor Run Time": 1500}} for _ in range(3)]
    failed = {"Event": "SparkListenerTaskEnd"}
    write(tmp_path, [{"Event": "SparkListenerApplicationStart"}, *begun, *done, *tasks, failed])
    assert seconds_spent(tmp_path, started=10.0, ended=20.0) == {
        "until_first_job_seconds": 1.0,
        "job_seconds": 5.0,
        "between_jobs_seconds": 2.0,
        "after_last_job_seconds": 2.0,
        "task_seconds": 4.5,
    }


def test_a_log_without_jobs_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, [{"Event": "SparkListenerApplicationStart"}])
    with pytest.raises(ValueError, match="no job"):
        seconds_spent(tmp_path, 0.0, 1.0)
