"""A code location of small steps that a launcher runs in another process; tests execute them by name.

Each step waits, fails or ends its process in one way. `FOLDER` is where test and step meet. Run as a script it is the worker of a
run.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.execution.api import execute_run_iterator

from ecommerce_platform.execution.partitions import partition_days
from ecommerce_platform.execution.resuming import resuming_executor
from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.launchers.choose import SparkSteps
from ecommerce_platform.spark.resource import SparkResource, build_resources

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
FOLDER = "ECOMMERCE_TEST_FOLDER"
#: Where a launched step's process loads these steps from.
CODE_LOCATION_SETTING = "ECOMMERCE_SPARK__CODE_LOCATION"
CODE_LOCATION = f"{__name__}:steps_job"


def folder() -> Path:
    return Path(os.environ[FOLDER])


def wait_for(name: str) -> None:
    """Waits until the test has made the file; gives up after five."""
    waiting = threading.Event()
    for _ in range(3000):
        if (folder() / name).exists():
            return
        waiting.wait(0.1)
    raise TimeoutError(f"the test did not make {name}")


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("c", asset="ranged")],
)
def ranged(context: dg.AssetExecutionContext, spark_steps: SparkSteps) -> Iterator[dg.MaterializeResult]:
    print("to the compute log")
    context.log.info("half way")
    wait_for("go on")
    for day in partition_days(context):
        context.add_asset_metadata({"day": day.isoformat()}, partition_key=day.isoformat())
    check = dg.AssetCheckResult(passed=True, check_name="c", metadata={"process": os.getpid()})
    yield dg.MaterializeResult(metadata={"process": os.getpid()}, check_results=[check])


@dg.asset
def counts_with_spark(spark: SparkResource, spark_steps: SparkSteps) -> dg.MaterializeResult:
    session = spark.spark_session
    return dg.MaterializeResult(
        metadata={
            "rows": session.range(1000).count(),
            "memory": session.sparkContext.getConf().get("spark.driver.memory", "unset"),
            "time_zone": session.conf.get("spark.sql.session.timeZone"),
        }
    )


@dg.asset
def counts_nothing(spark_steps: SparkSteps) -> None:
    """Ends at once."""


@dg.asset
def raises(spark_steps: SparkSteps) -> None:
    raise ValueError("the shop is closed")


@dg.asset
def asks_for_another_try(context: dg.AssetExecutionContext, spark_steps: SparkSteps) -> None:
    if context.retry_number == 0:
        raise dg.RetryRequested(max_retries=1)


@dg.asset
def killed(spark_steps: SparkSteps) -> None:
    print("about to be killed", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@dg.asset
def leaves_silently(spark_steps: SparkSteps) -> None:
    os._exit(0)


@dg.asset
def crashes_after_success(spark_steps: SparkSteps) -> None:
    import atexit

    atexit.register(os._exit, 7)


@dg.asset
def waits(context: dg.AssetExecutionContext, spark_steps: SparkSteps) -> None:
    (folder() / "process").write_text(str(os.getpid()))
    context.log.info("waiting")
    wait_for("go on")


@dg.asset
def eats_memory(spark_steps: SparkSteps) -> None:
    held = []
    while True:
        held.append(b"x" * 50_000_000)


@dg.asset
def counts_on_executors(
    context: dg.AssetExecutionContext, spark: SparkResource, spark_steps: SparkSteps
) -> dg.MaterializeResult:
    """Its tasks wait on the executors until the test lets them go on."""
    place = str(folder() / "go on")

    def wait(number: int) -> int:
        import threading
        from pathlib import Path

        waiting = threading.Event()
        for _ in range(3000):
            if Path(place).exists():
                return number
            waiting.wait(0.1)
        raise TimeoutError("the test did not make the file")

    session = spark.spark_session
    context.log.info("executors asked for")
    return dg.MaterializeResult(metadata={"sum": int(session.sparkContext.parallelize(range(5), 2).map(wait).sum())})


ASSETS = [
    asks_for_another_try,
    counts_nothing,
    counts_on_executors,
    counts_with_spark,
    crashes_after_success,
    eats_memory,
    killed,
    leaves_silently,
    raises,
    ranged,
    waits,
]


def work(instance: dg.DagsterInstance, run_id: str, resume: bool) -> None:
    """What a run worker does."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    for _ in execute_run_iterator(dg.reconstructable(steps_job), run, instance, resume_from_failure=resume):
        pass


def steps_job() -> dg.JobDefinition:
    """All steps as one job, of which tests run a selection."""
    settings = load_settings()
    return dg.Definitions(
        assets=ASSETS,
        jobs=[dg.define_asset_job("steps", selection="*", executor_def=resuming_executor)],
        resources=build_resources(settings),
    ).resolve_job_def("steps")


def strangers_job() -> dg.JobDefinition:
    """What a stranger would like to have run."""
    (folder() / "stranger was here").touch()
    return steps_job()


if __name__ == "__main__":
    from ecommerce_platform_tests.spark import launched_steps

    with dg.DagsterInstance.get() as own:
        launched_steps.work(own, sys.argv[1], resume="--resume" in sys.argv[2:])
