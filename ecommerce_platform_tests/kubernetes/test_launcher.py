"""Steps in driver and executor pods of a real cluster, by spark-submit: what arrives while they run, what is left afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform_tests.kubernetes.cluster import kubectl, until
from ecommerce_platform_tests.kubernetes.launcher_lab import (
    NAMESPACE,
    Lab,
    lab_in,
    pods,
)

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("launcher_namespace")]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, monkeypatch) as lab:
        yield lab


def test_a_range_of_days_is_one_driver_whose_events_arrive_while_it_runs(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    tags = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-04"}
    run = lab.begin("ranged", tags=tags)
    until("the step's message", lambda: lab.logged("half way") or run.done())
    assert not run.done(), run.result()
    (driver,) = pods("driver")
    labels = driver["metadata"]["labels"]
    assert labels["ecommerce-platform/partitions"] == "2026-01-02_2026-01-04"
    assert labels["ecommerce-platform/asset"] == "ranged"
    (container,) = driver["spec"]["containers"]
    resources = container["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == "1Gi"
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("100m", "1500m")
    until("the driver's output in the compute log", lambda: "to the compute log" in capfd.readouterr().out, 30)
    lab.allow()
    result = run.result(400)
    assert result.success
    days = {event.partition for event in result.get_asset_materialization_events()}
    assert days == {"2026-01-02", "2026-01-03", "2026-01-04"}
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_a_killed_executor_is_replaced_and_no_secret_is_to_be_seen(lab: Lab) -> None:
    run = lab.begin("counts_on_executors")
    until("an executor", lambda: pods("executor", "Running") or run.done(), 400)
    assert not run.done(), run.result()
    seen = kubectl("-n", NAMESPACE, "get", "pods,configmaps,events", "-o", "yaml")
    assert "secretKeyRef" in seen
    assert "value-of-a-secret" not in seen
    first = pods("executor", "Running")[0]["metadata"]["name"]
    kubectl("-n", NAMESPACE, "delete", "pod", first, "--grace-period=0", "--force")
    lab.allow()
    result = run.result(400)
    assert result.success
    assert result.asset_materializations_for_node("counts_on_executors")[0].metadata["sum"].value == 10
    assert not [words for words in lab.logged("") if "value-of-a-secret" in words]
