"""What each account of the chart may do in the cluster, and what it is refused."""

from __future__ import annotations

import json

import pytest

from ecommerce_platform_tests.kubernetes.cluster import Platform, kubectl

pytestmark = pytest.mark.kubernetes

#: account, verb, resource, where (w: workloads, r: release), allowed
RIGHTS = [
    ("daemon", "create", "jobs.batch", "w", True),
    ("daemon", "delete", "jobs.batch", "w", True),
    ("daemon", "list", "pods", "w", True),
    ("daemon", "get", "pods/log", "w", True),
    ("daemon", "create", "pods", "w", False),
    ("daemon", "get", "secrets", "w", False),
    ("daemon", "get", "secrets", "r", False),
    ("daemon", "create", "jobs.batch", "r", False),
    ("daemon", "create", "pods/exec", "w", False),
    ("webserver", "delete", "jobs.batch", "w", True),
    ("webserver", "get", "jobs.batch/status", "w", True),
    ("webserver", "create", "jobs.batch", "w", False),
    ("webserver", "get", "secrets", "r", False),
    ("webserver", "get", "secrets", "w", False),
    ("webserver", "get", "pods/log", "w", False),
    ("code", "list", "pods", "w", False),
    ("code", "list", "pods", "r", False),
    ("code", "get", "secrets", "r", False),
    ("exporter", "list", "pods", "r", False),
    ("exporter", "get", "secrets", "r", False),
    ("postgresql", "list", "pods", "r", False),
    ("stand-in", "list", "pods", "r", False),
    ("run", "create", "pods", "w", True),
    ("run", "delete", "pods", "w", True),
    ("run", "create", "configmaps", "w", True),
    ("run", "create", "services", "w", True),
    ("run", "get", "secrets", "w", False),
    ("run", "create", "jobs.batch", "w", False),
    ("run", "create", "pods", "r", False),
    ("run", "create", "pods/exec", "w", False),
    ("run", "create", "rolebindings.rbac.authorization.k8s.io", "w", False),
    ("spark", "create", "pods", "w", True),
    ("spark", "deletecollection", "pods", "w", True),
    ("spark", "create", "persistentvolumeclaims", "w", False),
    ("spark", "create", "services", "w", False),
    ("spark", "update", "pods", "w", False),
    ("spark", "create", "pods/exec", "w", False),
    ("executor", "list", "pods", "w", False),
    ("executor", "get", "pods", "w", False),
    ("executor", "create", "pods", "w", False),
    ("executor", "get", "configmaps", "w", False),
    ("executor", "get", "secrets", "w", False),
    ("spark", "get", "secrets", "w", False),
    ("spark", "create", "jobs.batch", "w", False),
    ("spark", "list", "pods", "r", False),
]


@pytest.mark.parametrize(("account", "verb", "resource", "where", "allowed"), RIGHTS)
def test_an_account_may_do_what_it_needs_and_is_refused_the_rest(
    installed: Platform, account: str, verb: str, resource: str, where: str, allowed: bool
) -> None:
    home = installed.workloads if account in ("run", "spark", "executor") else installed.namespace
    namespace = installed.workloads if where == "w" else installed.namespace
    user = f"system:serviceaccount:{home}:{installed.release}-{account}"
    kind, _, part = resource.partition("/")
    subresource = [f"--subresource={part}"] if part else []
    answer = kubectl("auth", "can-i", verb, kind, *subresource, "-n", namespace, "--as", user, check=False).strip()
    assert answer == ("yes" if allowed else "no")


@pytest.mark.parametrize("account", ["daemon", "webserver", "run", "spark", "code", "exporter"])
def test_no_account_may_do_anything_to_the_cluster_itself(installed: Platform, account: str) -> None:
    home = installed.workloads if account in ("run", "spark", "executor") else installed.namespace
    user = f"system:serviceaccount:{home}:{installed.release}-{account}"
    for verb, resource in (
        ("list", "nodes"),
        ("list", "namespaces"),
        ("create", "clusterrolebindings"),
        ("list", "secrets"),
    ):
        assert kubectl("auth", "can-i", verb, resource, "-A", "--as", user, check=False).strip() == "no"


def test_the_quota_refuses_a_pod_beyond_the_designs_memory(installed: Platform) -> None:
    size = {"cpu": "100m", "memory": "13Gi"}
    container = {"name": "big", "image": "localhost/pause:1", "resources": {"requests": size, "limits": size}}
    # What the namespace's pod security asks for, so that the quota is what refuses it.
    container |= {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "too-big", "namespace": installed.workloads},
        "spec": {"securityContext": security, "containers": [container]},
    }
    with pytest.raises(AssertionError, match="exceeded quota"):
        kubectl("apply", "-f", "-", stdin=json.dumps(pod))
