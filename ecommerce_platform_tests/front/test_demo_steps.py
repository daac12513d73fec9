"""The demo's run: its steps are shown while they run, and named when they have ended."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.demo import run
from ecommerce_platform.demo.run import STARTED_HERE, _steps_named
from ecommerce_platform.execution.resuming import executor_for

MEETING = threading.Barrier(2)


@dg.op
def works() -> int:
    return 1


@dg.op
def breaks(one: int) -> None:
    raise ValueError("on purpose")


@dg.job
def two_steps() -> None:
    breaks(works())


def test_steps_are_shown_while_they_run_and_named_when_they_have_ended(tmp_path: Path) -> None:
    lines: list[str] = []
    reported: list[tuple[str, int, int | None]] = []
    with (
        dg.instance_for_test(temp_dir=str(tmp_path)) as instance,
        _steps_named(instance, "this one", lines.append, lambda *report: reported.append(report)),
    ):
        two_steps.execute_in_process(instance=instance, tags={STARTED_HERE: "this one"}, raise_on_error=False)
    assert [line.split()[-1] for line in lines] == ["works", "(failed)"]
    assert [name for name, _, total in reported if total is None and name != "batch layer"] == ["works", "breaks"]
    assert {("works", 1, 1), ("breaks", 1, 1)} <= set(reported)
    assert reported[-1] == ("batch layer", 2, 2)


@dg.op
def one() -> None:
    MEETING.wait(10)


@dg.op
def other() -> None:
    MEETING.wait(10)


@dg.job(executor_def=executor_for(lambda _: 2))
def side_by_side() -> None:
    one()
    other()


def meeting_steps() -> dg.JobDefinition:
    """As `daily_batch`: a function by which Dagster finds the job again."""
    return side_by_side


def test_the_demos_run_is_by_the_jobs_own_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr(run, "daily_batch", meeting_steps)
    lines: list[str] = []
    assert run.materialize_range(date(2026, 1, 1), date(2026, 1, 1), lines.append).success
    assert sorted(line.split()[-1] for line in lines) == ["one", "other"]
