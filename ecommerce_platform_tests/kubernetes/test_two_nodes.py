"""A node lost with one of two executors in the middle of a write: no row is lost, none is doubled.

    make test-kubernetes PYTEST_ARGS="-m soak -k two_nodes"

The platform's own step writes the sample shop's days to Iceberg, its driver and an executor on the first node, an executor on a
second one that goes as in a power cut. Landing zone, tables and catalog lie in a folder that both nodes share.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.demo.steps import write_sample
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.assets import event_key
from ecommerce_platform.lakehouse.days.ledger import published_days
from ecommerce_platform.settings import load_settings
from ecommerce_platform_tests.kubernetes.cluster import SCRIPTS, command, kubectl, until
from ecommerce_platform_tests.kubernetes.launcher_lab import lab_in, pods
from ecommerce_platform_tests.spark import launched_lake, launched_steps

pytestmark = [pytest.mark.kubernetes, pytest.mark.soak, pytest.mark.usefixtures("launcher_namespace")]

Rows = dict[str, list[str]]
Counts = dict[str, tuple[int, ...]]

FIRST, SECOND = "platform-node", "platform-node-2"
#: MiB that the second node has for pods: an executor of the lab is 896.
ROOM = 1500
# So few rows that the writing job hands over those that are not events, and does so again for a task that runs again.
DAYS, ORDERS = 16, 1_500
#: One table: its write is all that the executors have to do.
TABLE = "orders"
RANGE = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": f"2026-01-{DAYS}"}
LAKE_TABLES = (f"ecommerce.{TABLE}", f"quarantine.{TABLE}")
CONF = {
    "spark.kubernetes.driver.node.selector.kubernetes.io/hostname": FIRST,
    # Both executors are there before the first task, and each has tasks to its end.
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "400s",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
}
# Executors so slow that a stage that writes takes many seconds.
RESOURCES = {"EXECUTORS": "2", "EXECUTOR_CPU_LIMIT": "500m", "SHUFFLE_PARTITIONS": str(DAYS)}


@pytest.fixture
def second_node(node: None) -> Iterator[None]:
    """A second node, gone afterwards."""
    command(
        SCRIPTS / "node-join.sh", str(ROOM), f"localhost/ecommerce-platform:{os.environ['ECOMMERCE_TEST_IMAGE_TAG']}"
    )
    yield
    command(SCRIPTS / "node-lose.sh", check=False)
    kubectl("delete", "node", SECOND, "--ignore-not-found")


def _executors() -> dict[str, str | None]:
    """Spark's ids of the executors, with the node of each that has one."""
    return {pod["metadata"]["labels"]["spark-exec-id"]: pod["spec"].get("nodeName") for pod in pods("executor")}


def _executor_on_each_node(run: Future[bool]) -> str:
    """Lets one executor go to each node; the id of the second node's."""

    def scheduled(node: str) -> list[str]:
        assert not run.done(), f"the run ended first: {run.exception()}"
        return [name for name, place in _executors().items() if place == node]

    until("the driver", lambda: run.done() or pods("driver", "Running"), 200)
    kubectl("cordon", FIRST)
    try:
        (executor,) = until("an executor on the second node", lambda: scheduled(SECOND), 300)
        until("one that has no room there", lambda: len(_executors()) == 2)
    finally:
        kubectl("uncordon", FIRST)
    until("an executor on the first node", lambda: scheduled(FIRST), 60)
    return executor


def _data_files(warehouse: Path) -> set[str]:
    return {path.name for path in (warehouse / "ecommerce").glob("*/data/**/*.parquet")}


def _materialize(instance: dg.DagsterInstance, job_name: str) -> bool:
    job = dg.reconstructable(getattr(launched_lake, job_name))
    return dg.execute_job(job, instance=instance, tags=RANGE, asset_selection=[event_key(TABLE)]).success


def _choose_the_lake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's launcher, for the steps of the lake."""
    location = f"{launched_lake.__name__}:launched_lake_job"
    prefix = "ECOMMERCE_SPARK__"
    of_pods = json.loads(os.environ[f"{prefix}KUBERNETES__ENV"])
    of_pods |= {"ECOMMERCE_LANDING_URI": str(folder / "landing"), launched_steps.CODE_LOCATION_SETTING: location}
    conf = CONF | {"spark.eventLog.dir": (folder / "spark-events").as_uri()}
    settings = {f"{prefix}RESOURCES__{name}": value for name, value in RESOURCES.items()} | {
        f"{prefix}RESOURCES__CONF": json.dumps(conf),
        f"{prefix}KUBERNETES__ENV": json.dumps(of_pods),
        "ECOMMERCE_LANDING_URI": str(folder / "landing"),
        launched_steps.CODE_LOCATION_SETTING: location,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def _lake() -> tuple[Rows, Counts]:
    """The rows by table, and by day how many landed, are published, quarantined, and duplicates."""
    counts = {
        str(day): (record.landed, record.published, record.quarantined, record.duplicates)
        for day, record in published_days(Lake.of(load_settings()))[TABLE].items()
    }
    return launched_lake.rows_of(LAKE_TABLES), counts


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task: where it ran, why it ended ("" when Spark never heard), and the rows that it committed."""

    executor: str
    stage: int
    partition: int
    end: str
    records: int


def _attempts(events: Path) -> list[Attempt]:
    """All attempts of the application whose events lie in this folder."""
    (file,) = events.iterdir()
    known: dict[int, Attempt] = {}
    for event in map(json.loads, file.read_text().splitlines()):
        if event["Event"] not in ("SparkListenerTaskStart", "SparkListenerTaskEnd"):
            continue
        task, end = event["Task Info"], event.get("Task End Reason", {}).get("Reason", "")
        written = (event.get("Task Metrics") or {}).get("Output Metrics", {}).get("Records Written", 0)
        place = (task["Executor ID"], event["Stage ID"], task["Partition ID"])
        known[task["Task ID"]] = Attempt(*place, end, written)
    return list(known.values())


@pytest.fixture
def lake_here(spark_application: None, tmp_path: Path) -> tuple[Rows, Counts]:
    """The sample shop's landing files, and the lake that one process of this machine makes of them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ECOMMERCE_LANDING_URI", str(tmp_path / "landing"))
        environment.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "here"))
        write_sample(load_settings(), days=DAYS, orders_per_day=ORDERS, seed=1, faults=False, overwrite=True, say=print)
        with dg.instance_for_test() as instance:
            assert _materialize(instance, "lake_job")
        return _lake()


def test_a_node_lost_in_the_middle_of_a_write_costs_no_row_and_doubles_none(
    lake_here: tuple[Rows, Counts], second_node: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, warehouse = tmp_path / "spark-events", tmp_path / "data/warehouse"
    events.mkdir()
    with lab_in(tmp_path, monkeypatch) as lab, ThreadPoolExecutor(1) as pool:
        _choose_the_lake(tmp_path, monkeypatch)
        run = pool.submit(_materialize, lab.instance, "launched_lake_job")
        executor = _executor_on_each_node(run)
        until("the first data file", lambda: run.done() or _data_files(warehouse), 400, pause=0.05)
        command(SCRIPTS / "node-lose.sh")
        at_loss, lost_at = _data_files(warehouse), time.monotonic()
        assert run.result(900)
        seconds = time.monotonic() - lost_at
        rows, counts = _lake()
    attempts = _attempts(events)
    written = [attempt for attempt in attempts if attempt.records]
    rewritten = [
        (lost, again)
        for lost in attempts
        if lost.executor == executor and lost.end != "Success"
        for again in written
        if (again.stage, again.partition) == (lost.stage, lost.partition) and again.executor != executor
    ]
    print(f"{len(at_loss)} data files at the loss, {len(_data_files(warehouse))} at the end, {seconds:.0f} s later")
    print("attempts by executor and end:", Counter((attempt.executor, attempt.end) for attempt in attempts))
    print("written by another executor again:", rewritten)
    assert at_loss, "the write had begun"
    assert rewritten, "the executor was lost while it wrote"
    rows_here, counts_here = lake_here
    print("rows:", {table: len(rows_here[table]) for table in LAKE_TABLES}, "days:", counts_here)
    assert rows_here[f"ecommerce.{TABLE}"]
    assert sum(duplicates for *_, duplicates in counts_here.values()), "the shop sends events twice"
    assert counts == counts_here
    for table in LAKE_TABLES:
        assert rows[table] == rows_here[table], table
