"""A job of three steps in a row, whose worker tests end in the middle; run as a script it is that worker.

Each step notes in the folder that it ran. The second waits for the file `go on`.
"""

import os
import sys
import threading
from pathlib import Path

import dagster as dg
from dagster._core.execution.api import execute_run_iterator

from ecommerce_platform.execution.resuming import executor_for

FOLDER = "ECOMMERCE_TEST_FOLDER"
AT_ONCE = "ECOMMERCE_TEST_STEPS_AT_ONCE"


def note(step: str, process: int) -> None:
    with (Path(os.environ[FOLDER]) / "steps").open("a") as file:
        file.write(f"{step} {process}\n")


@dg.asset
def first() -> None:
    note("first", os.getpid())


@dg.asset(deps=[first])
def second() -> None:
    note("second", os.getpid())
    waiting = threading.Event()
    for _ in range(3000):
        if (Path(os.environ[FOLDER]) / "go on").exists():
            return
        waiting.wait(0.1)
    raise TimeoutError("the test did not make the file")


@dg.asset(deps=[second])
def third() -> None:
    note("third", os.getpid())


@dg.asset
def always_fails() -> None:
    note("always_fails", os.getpid())
    raise ValueError("this step fails")


@dg.asset(deps=[always_fails])
def behind_the_failed() -> None:
    note("behind_the_failed", os.getpid())


def rows_job() -> dg.JobDefinition:
    """The steps as one job."""
    return dg.Definitions(
        assets=[always_fails, behind_the_failed, first, second, third],
        jobs=[dg.define_asset_job("rows", selection="*")],
        executor=executor_for(lambda _: int(os.environ.get(AT_ONCE, "1"))),
    ).resolve_job_def("rows")


def work(instance: dg.DagsterInstance, run_id: str, resume: bool) -> None:
    """What a run worker does."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    for _ in execute_run_iterator(dg.reconstructable(rows_job), run, instance, resume_from_failure=resume):
        pass


if __name__ == "__main__":
    from ecommerce_platform_tests.execution import resumed_steps

    with dg.DagsterInstance.get() as own:
        resumed_steps.work(own, sys.argv[1], resume=False)
