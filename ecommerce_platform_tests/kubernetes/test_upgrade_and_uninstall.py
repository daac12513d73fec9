"""A release's life after its installation: upgrade, rollback, uninstall. The last module: it takes the platform away."""

from __future__ import annotations

import launch  # scripts/kubernetes/launch.py, on the path by cluster.py
import pytest

from ecommerce_platform_tests.kubernetes.cluster import CHART, Platform, kubectl, objects, port_forward, until

pytestmark = pytest.mark.kubernetes

DESCRIPTION = """{ repositoryOrError(
  repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "ecommerce_platform"}
) { ... on Repository { jobs { name description } } } }"""


def _description(platform: Platform) -> str:
    with port_forward(platform.namespace, f"service/{platform.release}-webserver", 80) as address:
        descriptions: list[str] = []

        def ask() -> bool:
            answer = launch.graphql(address, DESCRIPTION)["repositoryOrError"]
            descriptions[:] = [job["description"] for job in answer.get("jobs", []) if job["name"] == "daily_batch"]
            return bool(descriptions)

        until("the job shows in the webserver", ask)
        return descriptions[0]


def _images(platform: Platform) -> set[str]:
    """Images that services, and the runs and Spark pods to come, use: all of the platform's own."""
    services = objects("deployments", "-n", platform.namespace)
    images = {
        item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in services
        if item["metadata"]["labels"]["app.kubernetes.io/component"] != "stand-in"
    }
    for config in objects("configmaps", "-n", platform.workloads, "-l", "app.kubernetes.io/managed-by=Helm"):
        if config["metadata"]["name"].endswith("-settings"):
            images.add(config["data"]["ECOMMERCE_SPARK__KUBERNETES__IMAGE"])
        if config["metadata"]["name"].endswith("-instance"):
            yaml = config["data"]["dagster.yaml"]
            images.add(next(line.split()[-1] for line in yaml.splitlines() if "job_image:" in line))
    return images


def test_an_upgrade_moves_the_code_location_and_every_image_together_and_a_rollback_back(installed: Platform) -> None:
    before = _description(installed)
    assert "Next revision" not in before
    next_tag = f"{installed.tag}-next"
    installed.helm(
        *("upgrade", installed.release, str(CHART), "--reuse-values", "--set", f"image.tag={next_tag}"),
        *("--wait", "--timeout", "8m"),
    )
    # The webserver looks at the code server's identity every few seconds and loads the location anew when it is another.
    until("the webserver shows the next revision", lambda: "Next revision" in _description(installed), seconds=120)
    assert _images(installed) == {f"localhost/ecommerce-platform:{next_tag}"}

    installed.helm("rollback", installed.release, "--wait", "--timeout", "8m")
    until("the webserver shows the revision before", lambda: _description(installed) == before, seconds=120)
    assert _images(installed) == {f"localhost/ecommerce-platform:{installed.tag}"}


def test_an_uninstall_leaves_nothing(installed: Platform) -> None:
    given = {"kube-root-ca.crt", "default", "ecommerce-database", "ecommerce-settings"}
    installed.helm("uninstall", installed.release, "--wait", "--timeout", "5m")
    kinds = kubectl("api-resources", "--verbs=list,delete", "--namespaced", "-o", "name").split()
    kinds = sorted(set(kinds) - {"events", "events.events.k8s.io", "leases.coordination.k8s.io"})

    def left() -> list[str]:
        return [
            f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
            for namespace in (installed.namespace, installed.workloads)
            for item in objects(",".join(kinds), "-n", namespace)
            if item["metadata"]["name"] not in given
        ]

    until("everything is gone", lambda: not left(), seconds=120)
    assert left() == []
