"""No secret's value shows anywhere but in its Secret."""

from __future__ import annotations

import base64

import launch  # scripts/kubernetes/launch.py, on the path by cluster.py
import pytest

from ecommerce_platform_tests.kubernetes.cluster import Platform, kubectl, objects

pytestmark = pytest.mark.kubernetes

OBJECTS = "pods,jobs,deployments,statefulsets,replicasets,configmaps,events,serviceaccounts,services"


@pytest.fixture(scope="module")
def secret_values(installed: Platform) -> list[str]:
    values = []
    for name in ("ecommerce-database", "ecommerce-settings"):
        for secret in objects("secrets", "-n", installed.namespace, "--field-selector", f"metadata.name={name}"):
            values += [base64.b64decode(value).decode() for value in secret["data"].values()]
    assert len(values) == 5
    return values


def _assert_absent(values: list[str], text: str, where: str) -> None:
    assert text, f"there is nothing to look at in {where}"
    for value in values:
        assert value not in text, f"a secret's value shows in {where}"


def test_in_no_object_of_the_cluster(installed: Platform, secret_values: list[str]) -> None:
    for namespace in (installed.namespace, installed.workloads):
        _assert_absent(secret_values, kubectl("get", OBJECTS, "-n", namespace, "-o", "json"), f"objects of {namespace}")


def test_in_no_pods_log(installed: Platform, secret_values: list[str]) -> None:
    for namespace in (installed.namespace, installed.workloads):
        for pod in objects("pods", "-n", namespace):
            name = pod["metadata"]["name"]
            log = kubectl("-n", namespace, "logs", name, "--all-containers", check=False)
            _assert_absent(secret_values, f"log of {name}\n{log}", f"the log of {name}")


def test_in_no_event_and_no_metadata_of_the_run(installed: Platform, webserver: str, secret_values: list[str]) -> None:
    runs = launch.graphql(
        webserver, "{ runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } } } } }"
    )
    assets = launch.graphql(
        webserver,
        """{ assetNodes { assetKey { path } assetMaterializations(limit: 5) { metadataEntries { label description
        ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString } ... on MarkdownMetadataEntry { mdStr }
        ... on PathMetadataEntry { path } ... on UrlMetadataEntry { url } } } } }""",
    )
    _assert_absent(secret_values, str(assets), "metadata of the assets")
    results = runs["runsOrError"]["results"]
    assert results
    _assert_absent(secret_values, str(results), "tags and configuration of the runs")
    for run in results:
        _assert_absent(secret_values, str(launch.events(webserver, run["runId"])), f"events of run {run['runId']}")
