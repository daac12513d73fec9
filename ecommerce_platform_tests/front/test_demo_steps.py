"""The demo's run: its steps are shown while they run, and named when they have ended."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from dagster._core.utils import make_new_run_id

from ecommerce_platform.demo.run import _steps_named


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
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        run_id = make_new_run_id()
        with _steps_named(instance, run_id, lines.append, lambda *report: reported.append(report)):
            two_steps.execute_in_process(instance=instance, run_id=run_id, raise_on_error=False)
    assert [line.split()[-1] for line in lines] == ["works", "(failed)"]
    assert [name for name, _, total in reported if total is None and name != "batch layer"] == ["works", "breaks"]
    assert {("works", 1, 1), ("breaks", 1, 1)} <= set(reported)
    assert reported[-1] == ("batch layer", 2, 2)
