"""The cluster as a launcher sees it: a few calls to the API server, their answers as plain values.

What belongs here: calls, and pods and applications turned into observations. What does not: what follows from them (watch.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client import ApiException

from ecommerce_platform.settings.spark import KubernetesSettings
from ecommerce_platform.spark.launchers.handover.identity import INSTANCE_LABEL, PREFIX, ROLE_LABEL
from ecommerce_platform.spark.launchers.kubernetes.application import GROUP, PLURAL, VERSION
from ecommerce_platform.spark.launchers.kubernetes.failures import explain_api_error, is_away
from ecommerce_platform.spark.launchers.kubernetes.watch import PodState

#: Seconds to connect and to wait for an answer.
_TIMEOUT = (5, 15)
_DELETE_GRACE_SECONDS = 5


class ClusterAwayError(RuntimeError):
    """The API server cannot be reached now; it may be back soon."""


class ClusterRefusedError(RuntimeError):
    """The API server rejected the request; the message says which and why."""


@dataclass(frozen=True)
class ClusterObject:
    """Something that was launched, by its metadata."""

    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    created: datetime


@dataclass(frozen=True)
class Application:
    """A SparkApplication and what its operator says of it."""

    cluster_object: ClusterObject
    state: str
    error: str


class Cluster:
    """Calls in one namespace. They raise ClusterAwayError or ClusterRefusedError; what is not there is None."""

    def __init__(self, kubernetes: KubernetesSettings) -> None:
        configuration = client.Configuration()
        try:
            if kubernetes.kubeconfig:
                config.load_kube_config(kubernetes.kubeconfig, client_configuration=configuration)
            else:
                config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException as error:
            raise ClusterRefusedError(
                f"there is no cluster to ask ({error}): run in a pod, or set ECOMMERCE_SPARK__KUBERNETES__KUBECONFIG"
            ) from error
        configuration.retries = urllib3.Retry(0)
        self._namespace = kubernetes.namespace
        self._instance = kubernetes.instance
        self._api = client.ApiClient(configuration)
        self._core = client.CoreV1Api(self._api)
        self._custom = client.CustomObjectsApi(self._api)

    def pod(self, name: str) -> tuple[ClusterObject, PodState] | None:
        """A pod by its name."""
        read_pod = self._call(f"read pod {name}", self._core.read_namespaced_pod, name, self._namespace)
        return (_cluster_object(read_pod), pod_state(read_pod)) if read_pod else None

    def pods(self, selector: str) -> list[tuple[ClusterObject, PodState]]:
        """The pods with these labels."""
        answer = self._call("list pods", self._core.list_namespaced_pod, self._namespace, label_selector=selector)
        return [(_cluster_object(item), pod_state(item)) for item in answer.items] if answer else []

    def drivers(self) -> list[ClusterObject]:
        """All driver pods of this installation."""
        ours = f"app.kubernetes.io/managed-by={PREFIX},{INSTANCE_LABEL}={self._instance},{ROLE_LABEL}=driver"
        return [driver for driver, _ in self.pods(ours)]

    def application(self, name: str) -> Application | None:
        """A SparkApplication by its name."""
        answer = self._call(
            f"read Spark application {name}", self._custom.get_namespaced_custom_object, *self._place(), name
        )
        return _application(answer) if answer else None

    def applications(self) -> list[ClusterObject]:
        """All SparkApplications of this installation; none where the operator is not installed."""
        ours = f"app.kubernetes.io/managed-by={PREFIX},{INSTANCE_LABEL}={self._instance}"
        answer = self._call(
            "list Spark applications", self._custom.list_namespaced_custom_object, *self._place(), label_selector=ours
        )
        return [_application(item).cluster_object for item in answer["items"]] if answer else []

    def create_application(self, body: dict[str, Any]) -> None:
        """Creates it."""
        action = "create a SparkApplication"
        self._call(action, self._custom.create_namespaced_custom_object, *self._place(), body, missing_is_none=False)

    def delete_application(self, name: str) -> None:
        """Deletes it with all that it owns; nothing happens when it is not there."""
        self._call(
            f"delete Spark application {name}",
            self._custom.delete_namespaced_custom_object,
            *self._place(),
            name,
            propagation_policy="Background",
        )

    def delete_driver(self, name: str) -> None:
        """Deletes a driver pod, with executors, service and config map, which it owns."""
        self._call(
            f"delete pod {name}",
            self._core.delete_namespaced_pod,
            name,
            self._namespace,
            grace_period_seconds=_DELETE_GRACE_SECONDS,
            propagation_policy="Background",
        )

    def log_stream(self, pod: str) -> urllib3.BaseHTTPResponse | None:
        """The pod's log, each line after its time, going on while the pod runs: from its start, or from its last rotation."""
        answer: urllib3.BaseHTTPResponse | None = self._call(
            f"read the log of {pod}",
            self._core.read_namespaced_pod_log,
            pod,
            self._namespace,
            follow=True,
            timestamps=True,
            _preload_content=False,
            _request_timeout=(5, 60),
        )
        return answer

    def _place(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self._namespace, PLURAL

    def _call(self, action: str, function: Any, *arguments: Any, missing_is_none: bool = True, **options: Any) -> Any:
        try:
            return function(*arguments, **{"_request_timeout": _TIMEOUT} | options)
        except ApiException as error:
            if error.status == 404 and missing_is_none:
                return None
            if is_away(error):
                raise ClusterAwayError(explain_api_error(error, action)) from error
            raise ClusterRefusedError(explain_api_error(error, action)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterAwayError(f"cannot {action}: the API server cannot be reached: {error}") from error


def pod_state(pod: client.V1Pod) -> PodState:
    """A pod of the API as what is decided upon."""
    status, container = pod.status, pod.spec.containers[0]
    conditions = status.conditions or []
    unscheduled = [c.message or c.reason for c in conditions if c.type == "PodScheduled" and c.status == "False"]
    disruptions = [c.message or c.reason for c in conditions if c.type == "DisruptionTarget" and c.status == "True"]
    states = [item.state for item in (status.container_statuses or []) if item.name == container.name]
    waiting = states[0].waiting if states else None
    terminated = states[0].terminated if states else None
    running = states[0].running if states else None
    limits = (container.resources.limits if container.resources else None) or {}
    return PodState(
        name=pod.metadata.name,
        phase=status.phase or "Pending",
        reason=status.reason or "",
        message=status.message or "",
        unschedulable=unscheduled[0] if unscheduled else "",
        waiting=(waiting.reason or "") if waiting else "",
        waiting_message=(waiting.message or "") if waiting else "",
        terminated=(terminated.reason or "") if terminated else "",
        exit_code=terminated.exit_code if terminated else None,
        started=running.started_at if running else None,
        memory_limit=limits.get("memory", ""),
        deleting=pod.metadata.deletion_timestamp is not None,
        disruption=disruptions[0] if disruptions else "",
    )


def _cluster_object(item: Any) -> ClusterObject:
    metadata = item.metadata
    return ClusterObject(metadata.name, metadata.labels or {}, metadata.annotations or {}, metadata.creation_timestamp)


def _application(item: dict[str, Any]) -> Application:
    metadata, state = item["metadata"], item.get("status", {}).get("applicationState", {})
    created = datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC)
    described = ClusterObject(metadata["name"], metadata.get("labels", {}), metadata.get("annotations", {}), created)
    return Application(described, state.get("state", ""), state.get("errorMessage", ""))
