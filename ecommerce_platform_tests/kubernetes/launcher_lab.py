"""A namespace of the test node in which a launcher on this side of the API server runs steps in pods.

What belongs here: the namespace, the launcher's settings, runs and what they leave. What does not: the faults
(test_launcher_faults.py).

Driver and executors run the image of the test node with this checkout mounted over it, so that the steps of the tests are there;
scratch lies in a folder that the node shares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from ecommerce_platform_tests.kubernetes.cluster import PROJECT, kubectl, objects, until
from ecommerce_platform_tests.spark import launched_steps

NAMESPACE = "launcher-tests"

_OBJECTS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spark", "namespace": NAMESPACE}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": NAMESPACE}},
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "step-secrets", "namespace": NAMESPACE},
        "stringData": {"key": "value-of-a-secret"},
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "spark", "namespace": NAMESPACE},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["pods", "services", "configmaps", "persistentvolumeclaims"],
                "verbs": ["create", "get", "list", "watch", "delete", "deletecollection", "patch", "update"],
            }
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "spark", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "spark"},
        "subjects": [{"kind": "ServiceAccount", "name": "spark", "namespace": NAMESPACE}],
    },
]

#: Enough for a step that does next to nothing, on a node of two cores.
_SMALL = {
    "driver_memory": "512m",
    "driver_memory_overhead": "512m",
    "driver_cpu_request": "100m",
    "executors": 1,
    "executor_memory": "512m",
    "executor_memory_overhead": "384m",
    "executor_cores": 1,
    "executor_cpu_request": "100m",
}


@contextmanager
def lab_namespace() -> Iterator[None]:
    """The namespace with its accounts; gone afterwards."""
    # One that an earlier session is still deleting takes no new objects.
    until(
        "the namespace to be gone",
        lambda: not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"),
    )
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": _OBJECTS}))
    try:
        yield
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def api_server() -> str:
    """The address of the API server in the kubeconfig."""
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    return str(config["clusters"][0]["cluster"]["server"])


def kubeconfig_of(account: str, folder: Path) -> Path:
    """A kubeconfig with the token of a service account."""
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    token = kubectl("-n", NAMESPACE, "create", "token", account).strip()
    config["users"][0]["user"] = {"token": token}
    path = folder / f"{account}.conf"
    path.write_text(yaml.safe_dump(config))
    return path


def launcher_environment(folder: Path, submitter: str = "spark-submit") -> dict[str, str]:
    """The settings of a launcher whose steps meet this test in `folder`."""
    data = folder / "data"
    volumes = [
        {"name": "checkout", "hostPath": {"path": str(PROJECT)}},
        {"name": "meeting", "hostPath": {"path": str(folder)}},
    ]
    mounts = [
        {"name": "checkout", "mountPath": str(PROJECT), "readOnly": True},
        {"name": "meeting", "mountPath": str(folder)},
    ]
    of_pods = {
        "PYTHONPATH": str(PROJECT),
        "ECOMMERCE_DATA_DIR": str(data),
        launched_steps.CODE_LOCATION_SETTING: launched_steps.CODE_LOCATION,
        launched_steps.FOLDER: str(folder),
        # Drivers of a few seconds, on two cores.
        "JAVA_TOOL_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    kubernetes = {
        "SUBMITTER": submitter,
        "NAMESPACE": NAMESPACE,
        "IMAGE": f"localhost/ecommerce-platform:{os.environ['ECOMMERCE_TEST_IMAGE_TAG']}",
        "API_SERVER": api_server(),
        "KUBECONFIG": os.environ["KUBECONFIG"],
        "RUN_AS_USER": "0",  # the folder belongs to whoever runs the tests
        "ENV": json.dumps(of_pods),
        "SECRET_ENV": json.dumps({"STEP_SECRET": "step-secrets:key"}),
        "VOLUMES": json.dumps(volumes),
        "VOLUME_MOUNTS": json.dumps(mounts),
        "POLL_SECONDS": "1",
    }
    resources = {f"ECOMMERCE_SPARK__RESOURCES__{name.upper()}": str(value) for name, value in _SMALL.items()}
    return {
        "ECOMMERCE_DATA_DIR": str(data),
        "ECOMMERCE_SPARK__LAUNCHER": "kubernetes",
        "ECOMMERCE_SPARK__JARS_DIR": "/opt/jars",
        launched_steps.CODE_LOCATION_SETTING: launched_steps.CODE_LOCATION,
        launched_steps.FOLDER: str(folder),
        **resources,
        **{f"ECOMMERCE_SPARK__KUBERNETES__{name}": value for name, value in kubernetes.items()},
    }


class Lab:
    """A Dagster instance whose runs launch steps on the node."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance

    def run(self, *assets: str, tags: dict[str, str] | None = None) -> dg.JobExecutionResult:
        """A run in this process, to its end."""
        job = dg.reconstructable(launched_steps.steps_job)
        keys = [dg.AssetKey(name) for name in assets]
        return dg.execute_job(job, instance=self.instance, tags=tags, asset_selection=keys)

    def begin(self, *assets: str, tags: dict[str, str] | None = None) -> Future[dg.JobExecutionResult]:
        """A run in a thread of this process."""
        future: Future[dg.JobExecutionResult] = Future()

        def work() -> None:
            try:
                future.set_result(self.run(*assets, tags=tags))
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def worker(self, *assets: str) -> tuple[subprocess.Popen[bytes], str]:
        """A run in a process of its own, as in a run pod; its run id."""
        job = launched_steps.steps_job()
        run = self.instance.create_run_for_job(job, asset_selection=frozenset(dg.AssetKey(name) for name in assets))
        return self._process(run.run_id), run.run_id

    def resume(self, run_id: str) -> None:
        """The same run in another process of its own, to its end."""
        self._process(run_id, "--resume").wait(600)

    def _process(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ecommerce_platform_tests.spark.launched_steps", *arguments]
        return subprocess.Popen(command, env={**os.environ, "DAGSTER_HOME": str(self.folder)})

    def allow(self, name: str = "go on") -> None:
        """Lets a waiting step go on."""
        (self.folder / name).touch()

    def logged(self, words: str) -> list[str]:
        """What the runs logged with these words in it."""
        runs = self.instance.get_run_ids()
        return [
            entry.user_message for run in runs for entry in self.instance.all_logs(run) if words in entry.user_message
        ]


@contextmanager
def lab_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, submitter: str = "spark-submit", **instance: Any
) -> Iterator[Lab]:
    """A lab whose launcher the environment sets; nothing of it stays on the cluster. `instance`: for `instance_for_test`."""
    for name, value in launcher_environment(folder, submitter).items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test(temp_dir=str(folder), **instance) as created:
        yield Lab(folder, created)
    until("the cluster is clean", lambda: not left_behind(), 200)


def waits_for_us(lab: Lab, run: Future[dg.JobExecutionResult] | subprocess.Popen[bytes]) -> None:
    """Until the step `waits` is waiting; fails when its run ends before."""

    def ended() -> bool:
        return run.done() if isinstance(run, Future) else run.poll() is not None

    until("the step to wait", lambda: (lab.logged("waiting") and (lab.folder / "process").exists()) or ended(), 400)
    assert not ended(), f"the run ended first: {lab.logged('')}"


def reason_of(result: dg.JobExecutionResult, asset: str) -> str:
    """Why the step failed, as the run tells it; also that nothing called it a success."""
    assert not result.success
    assert not result.get_step_success_events()
    data = result.failure_data_for_node(asset)
    assert data is not None
    assert data.error is not None
    return data.error.to_string()


def pods(role: str, *phases: str) -> list[dict[str, Any]]:
    """The pods of a role, in these phases."""
    items = objects("pods", "-n", NAMESPACE, "-l", f"ecommerce-platform/role={role}")
    return [pod for pod in items if not phases or pod["status"]["phase"] in phases]


def left_behind() -> list[str]:
    """What launched steps still have on the cluster, that is not being deleted already."""
    objects_left = objects("pods,services,configmaps", "-n", NAMESPACE)
    return [
        f"{item['kind']}/{item['metadata']['name']}"
        for item in objects_left
        if item["metadata"]["name"].startswith("spark-") and "deletionTimestamp" not in item["metadata"]
    ]
