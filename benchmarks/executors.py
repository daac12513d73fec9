"""One day's change events by Spark on Kubernetes, with one executor and with two.

What belongs here: the contenders. What does not: the node, which has to be there:

    KEEP_NODE=1 make test-kubernetes
    export ECOMMERCE_TEST_NODE=1 ECOMMERCE_TEST_IMAGE_TAG=<the image's tag>
    scripts/kubernetes/node-net .venv/bin/python -m benchmarks executors

It has no goal. On a node of two cores a second executor has no core of its own: the row says what pods cost, and that the
executors share the work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import spark_events
from benchmarks.harness import Contender, Outcome, Report, Row, Size, race, ratio
from benchmarks.installation import FIRST_DAY, PROJECT, Installation, installed
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.warehouse.load.lake_files import open_table
from ecommerce_platform_tests.kubernetes.launcher_lab import lab_namespace, launcher_environment
from ecommerce_platform_tests.spark import launched_steps

#: Orders of the day, rounds.
SIZES = {Size.QUICK: (20_000, 1), Size.FULL: (1_000_000, 2)}
_RESOURCES, _KUBERNETES = "ECOMMERCE_SPARK__RESOURCES__", "ECOMMERCE_SPARK__KUBERNETES__"
#: What steps of the tests have, whose pods live for seconds: another code location, and no optimising compiler.
_OF_THE_TESTS = (launched_steps.CODE_LOCATION_SETTING, "JAVA_TOOL_OPTIONS")
ONE, TWO, HERE = "1 executor", "2 executors", "Spark in the step's own process"
#: Requests that leave the node's cores to whoever works; memory, cores and limits are the platform's own.
_PODS = {"DRIVER_CPU_REQUEST": "100m", "EXECUTOR_CPU_REQUEST": "100m"}


def run(size: Size) -> Report:
    """Wall seconds of `dagster asset materialize` of the four event tables, pods' starts included."""
    if "ECOMMERCE_TEST_NODE" not in os.environ:
        raise RuntimeError(f"no Kubernetes node here; see the head of {__file__}")
    orders, rounds = SIZES[size]
    with lab_namespace():
        timings = race([day(ONE, orders, 1), day(TWO, orders, 2), day(HERE, orders)], rounds)
    rows = (
        Row("one executor, beside two", ratio(timings, ONE, TWO), "×"),
        Row("two executors in pods, beside the step's own process", ratio(timings, TWO, HERE), "×"),
    )
    return Report(
        "executors", "Executors on Kubernetes", size, {"orders": orders, "days": 1}, rows, {"one day": timings}
    )


def day(name: str, orders: int, executors: int = 0) -> Contender:
    """With so many executors in pods, or none: in the step's own process."""

    def work() -> Outcome:
        with installed() as installation:
            events = installation.folder / "spark-events"
            events.mkdir()
            logged = json.dumps(spark_events.options(events))
            if not executors:
                return _materialized(installation, orders, {"ECOMMERCE_SPARK__EXTRA": logged})
            environment = {
                name: value
                for name, value in launcher_environment(installation.folder).items()
                if not name.startswith((_RESOURCES, *_OF_THE_TESTS))
            }
            of_pods = json.loads(environment[f"{_KUBERNETES}ENV"])
            of_pods = {name: value for name, value in of_pods.items() if name not in _OF_THE_TESTS}
            resources = {**_PODS, "EXECUTORS": str(executors), "CONF": logged}
            environment |= {_RESOURCES + name: value for name, value in resources.items()}
            return _materialized(installation, orders, {**environment, f"{_KUBERNETES}ENV": json.dumps(of_pods)})

    return Contender(name, work)


def _materialized(installation: Installation, orders: int, environment: dict[str, str]) -> Outcome:
    """The published rows of each table are the result; the figures say where the seconds went."""
    installation.write_files(1, orders)
    selection = " or ".join(f'key:"iceberg/{table}"' for table in source_tables())
    dagster = str(Path(sys.executable).parent / "dagster")
    command = [dagster, "asset", "materialize", "-m", "ecommerce_platform.definitions"]
    environment = {**os.environ, **installation.environment(), **environment}
    started = time.time()
    ended = subprocess.run(
        [*command, "--select", selection, "--partition", FIRST_DAY.isoformat()],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    finished = time.time()
    if ended.returncode:
        raise RuntimeError(f"the day failed:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}")
    published = {}
    for table in source_tables():
        opened = open_table(Lake.of(installation.settings), table)
        published[table] = opened[1].published[FIRST_DAY].published if opened else None
    figures = spark_events.seconds_spent(installation.folder / "spark-events", started, finished)
    return Outcome(result=published, seconds=finished - started, figures=figures)
