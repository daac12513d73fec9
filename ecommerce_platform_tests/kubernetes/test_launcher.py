"""Steps in driver and executor pods of a real cluster, by spark-submit: what arrives while they run, what is left afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform_tests.kubernetes.cluster import PROJECT, kubectl, until
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


def test_an_executor_cannot_ask_the_cluster_and_a_stranger_cannot_speak_to_the_driver(lab: Lab) -> None:
    run = lab.begin("counts_on_executors")
    until("an executor", lambda: pods("executor", "Running") or run.done(), 400)
    assert not run.done(), run.result()
    executor = pods("executor", "Running")[0]
    assert executor["spec"]["serviceAccountName"] == "default"
    name = executor["metadata"]["name"]
    inside = kubectl("-n", NAMESPACE, "exec", name, "--", "bash", "-c", "env; ls /var/run/secrets 2>&1; true")
    assert "STEP_SECRET" not in inside
    assert "kubernetes.io" not in inside, "an executor has a token of the cluster"
    user = f"system:serviceaccount:{NAMESPACE}:default"
    for verb in ("list", "create"):
        asked = kubectl("auth", "can-i", verb, "pods", "-n", NAMESPACE, "--as", user, check=False)
        assert asked.strip() == "no"
    answer = stranger(executor, f"{pods('driver')[0]['metadata']['name']}-svc")
    assert "refused: " in answer, answer
    lab.allow()
    assert run.result(400).success


def stranger(executor: dict[str, Any], host: str) -> str:
    """What a pod without the driver's secret says of a call to the driver: an executor's image and mounts, another command."""
    spec, container = executor["spec"], executor["spec"]["containers"][0]
    env = [item for item in container["env"] if item["name"] in ("PYTHONPATH", "HOME", "JAVA_TOOL_OPTIONS")]
    script = str(PROJECT / "ecommerce_platform_tests/spark/stranger.py")
    names = {"tmp", "checkout"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": spec["securityContext"],
            "volumes": [volume for volume in spec["volumes"] if volume["name"] in names],
            "containers": [
                {
                    "name": "stranger",
                    "image": container["image"],
                    "command": ["/opt/venv/bin/python", script, host, "7078"],
                    "env": env,
                    "volumeMounts": [mount for mount in container["volumeMounts"] if mount["name"] in names],
                }
            ],
        },
    }
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    try:
        done = ("Succeeded", "Failed")
        until(
            "the stranger's answer",
            lambda: kubectl("-n", NAMESPACE, "get", "pod", "stranger", "-o", "jsonpath={.status.phase}") in done,
            200,
        )
        return kubectl("-n", NAMESPACE, "logs", "stranger")
    finally:
        kubectl("-n", NAMESPACE, "delete", "pod", "stranger", "--wait=false")
