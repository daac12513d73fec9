"""Tasks that run more than once: an executor is lost in the middle of a write, or each task fails at first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform_tests.lakehouse import retried_tasks
from ecommerce_platform_tests.lakehouse.retried_tasks import COPIES, ROWS, UNFIT


def ingested(trouble: str, folder: Path, handed_over: str) -> dict[str, Any]:
    command = [sys.executable, "-m", retried_tasks.__name__, trouble, str(folder / "data"), handed_over]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def assert_both_days_are_right(report: dict[str, Any]) -> None:
    assert report["refused"] == {}
    landed = ROWS + UNFIT + COPIES
    assert report["counts"] == {day: [landed, ROWS, UNFIT, COPIES] for day in ("2026-01-01", "2026-01-02")}
    assert (report["rows"], report["quarantined"]) == (2 * ROWS, 2 * UNFIT)
    assert report["checksums"] == report["checksums_of_files"]


@pytest.mark.slow
@pytest.mark.parametrize("handed_over", ["yes", pytest.param("no", marks=pytest.mark.soak)])
def test_an_executor_lost_in_the_middle_of_a_write_changes_no_count(tmp_path: Path, handed_over: str) -> None:
    report = ingested("lost_executor", tmp_path, handed_over)
    assert report["killed"], "no executor was killed: the write was over too soon"
    assert report["repeated"], "no stage ran again, so nothing was tried"
    assert_both_days_are_right(report)


@pytest.mark.slow
def test_tasks_that_fail_at_their_first_attempt_change_no_count(tmp_path: Path) -> None:
    assert_both_days_are_right(ingested("failed_tasks", tmp_path, "yes"))
