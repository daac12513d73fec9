"""Days of the sample shop on the cluster: launched through the webserver, run in pods, and the same marts as on one machine."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecommerce_platform_tests.kubernetes.cluster import PROJECT, Platform, objects

pytestmark = pytest.mark.kubernetes

#: Stamps of when a row was written, and by what: they differ between any two runs.
AUDIT = frozenset({"CREATED_AT", "LAST_UPDATED", "PROCESSED_AT", "LOADED_AT", "UPDATED_AT", "RUN_ID", "BATCH_ID"})
MARTS = ("daily_business_metrics", "customer_analytics", "customer_tier_analytics", "product_performance")


def _rows(text: str) -> list[dict[str, str]]:
    return [
        {name.upper(): value for name, value in row.items() if name.upper() not in AUDIT}
        for row in csv.DictReader(io.StringIO(text))
    ]


def _sorted(rows: list[dict[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    return sorted(tuple(sorted(row.items())) for row in rows)


def _local(data: Path, statement: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ECOMMERCE_")}
    return subprocess.run(
        [PROJECT / ".venv/bin/ecommerce-platform", "sql", statement, "--format", "csv"],
        env=environment | {"ECOMMERCE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_equals_that_of_a_run_on_one_machine_row_for_row(
    installed: Platform, local_run: Path, mart: str
) -> None:
    statement = f"select * from marts.{mart}"
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(_local, local_run, statement), pool.submit(installed.sql, statement)
        here, on_cluster = (_rows(answer.result()) for answer in asked)
    assert here, f"the local run left marts.{mart} empty"
    assert _sorted(on_cluster) == _sorted(here)


def test_the_run_had_a_pod_of_its_own_with_the_resources_of_its_job(installed: Platform) -> None:
    jobs = objects("jobs", "-n", installed.workloads, "-l", "dagster/job=daily_batch")
    assert jobs, "no job of a run is there"
    pod = jobs[0]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == f"{installed.release}-run"
    container = pod["containers"][0]
    assert container["image"].endswith(f":{installed.tag}")
    assert container["resources"]["limits"]["memory"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_reconciliation_ran_on_the_cluster(installed: Platform) -> None:
    answer = _rows(installed.sql("select count(*) as n from reconciliation.daily_business_metrics"))
    assert int(answer[0]["N"]) > 0
