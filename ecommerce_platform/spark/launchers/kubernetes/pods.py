"""The pods of a step: what driver and executors have in common, whoever submits them.

What belongs here: environment, volumes, security, labels, as Kubernetes writes them. What does not: Spark's options
(step_resources.py) and the two ways to submit (application.py, submit.py).

A secret's value is never in here: the environment refers to Secrets that exist. Those are the driver's. An executor gets none of
them, neither as variables nor as files, and no token of the cluster: what reading and writing the lake needs reaches its tasks
from the driver, over Spark's own connections, which are authenticated and encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ecommerce_platform.settings.spark import KubernetesSettings, SparkResources
from ecommerce_platform.spark.launchers.handover.identity import ROLE_LABEL, StepIdentity
from ecommerce_platform.spark.launchers.kubernetes.step_resources import CHECKPOINT_PATH, resources_of, spark_options
from ecommerce_platform.spark.options import SparkApplication

Role = Literal["driver", "executor"]

#: What the image writes to, its root file system being read-only: temporary files, and its working directory.
_WRITABLE = {"tmp": "/tmp", "work": "/work"}  # noqa: S108 - paths in the pod
_WRITABLE_SIZE = "4Gi"
_SECRET_SOURCES = {"secret", "serviceAccountToken"}


class SubmissionError(RuntimeError):
    """A step could not be submitted; the message says what is missing or who refused it."""


@dataclass(frozen=True)
class Submission:
    """All that a submitter needs to know of one step."""

    identity: StepIdentity
    scratch_uri: str
    reference_digest: str
    main_file: str
    application: SparkApplication

    @property
    def kubernetes(self) -> KubernetesSettings:
        return self.application.spark.kubernetes

    @property
    def resources(self) -> SparkResources:
        return resources_of(self.application.spark, self.identity.step, self.identity.assets)

    @property
    def options(self) -> dict[str, str]:
        return spark_options(self.application, self.resources)

    @property
    def arguments(self) -> list[str]:
        """Of the step's process (remote_main.py): where its reference lies, and the digest that it must have."""
        return [self.scratch_uri, self.reference_digest]

    @property
    def image(self) -> str:
        if not self.kubernetes.image:
            raise SubmissionError("no image for the step's pods: set ECOMMERCE_SPARK__KUBERNETES__IMAGE")
        return self.kubernetes.image

    def labels(self, role: Role) -> dict[str, str]:
        own = self.identity.labels(self.kubernetes.instance)
        return {**self.kubernetes.pod_labels, **own, ROLE_LABEL: role}

    def annotations(self) -> dict[str, str]:
        return self.identity.annotations(self.scratch_uri)


def environment(kubernetes: KubernetesSettings, role: Role) -> list[dict[str, Any]]:
    """The container's `env`: literals that are not secrets, and references to secrets (the driver's alone)."""
    literals = {"HOME": "/tmp", **kubernetes.env}  # noqa: S108 - the pod's own emptyDir
    references = []
    of_role = kubernetes.secret_env if role == "driver" else kubernetes.executor_secret_env
    for variable, reference in sorted(of_role.items()):
        secret, _, key = reference.partition(":")
        references.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
    return [*({"name": name, "value": value} for name, value in sorted(literals.items())), *references]


def environment_sources(kubernetes: KubernetesSettings, role: Role) -> list[dict[str, Any]]:
    """The container's `envFrom`."""
    maps = [{"configMapRef": {"name": name}} for name in kubernetes.env_from_config_maps]
    secrets = kubernetes.env_from_secrets if role == "driver" else ()
    return [*maps, *({"secretRef": {"name": name}} for name in secrets)]


def _withheld(kubernetes: KubernetesSettings, role: Role) -> set[str]:
    """Names of the volumes that the pod does not get: an executor none that holds a secret."""
    if role == "driver":
        return set()
    return {str(volume["name"]) for volume in kubernetes.volumes if _holds_secret(volume)}


def _holds_secret(volume: dict[str, Any]) -> bool:
    sources = (volume.get("projected") or {}).get("sources") or []
    return "secret" in volume or any(not source.keys().isdisjoint(_SECRET_SOURCES) for source in sources)


def volumes(kubernetes: KubernetesSettings, role: Role = "driver") -> list[dict[str, Any]]:
    """The pod's volumes; the driver's are all that there are."""
    given = [volume for volume in kubernetes.volumes if volume["name"] not in _withheld(kubernetes, role)]
    all_volumes = [*({"name": name, "emptyDir": {"sizeLimit": _WRITABLE_SIZE}} for name in _WRITABLE), *given]
    if not kubernetes.local_dir_storage_class:
        all_volumes.append({"name": "spark-local-dir-1", "emptyDir": {"sizeLimit": kubernetes.local_dir_size}})
    if kubernetes.checkpoint_claim:
        claim = {"claimName": kubernetes.checkpoint_claim}
        all_volumes.append({"name": "spark-checkpoints", "persistentVolumeClaim": claim})
    return all_volumes


def volume_mounts(kubernetes: KubernetesSettings, role: Role) -> list[dict[str, Any]]:
    """Where the container finds them."""
    given = [mount for mount in kubernetes.volume_mounts if mount["name"] not in _withheld(kubernetes, role)]
    all_mounts = [*({"name": name, "mountPath": path} for name, path in _WRITABLE.items()), *given]
    if not kubernetes.local_dir_storage_class:
        all_mounts.append({"name": "spark-local-dir-1", "mountPath": "/var/spark-local"})
    if kubernetes.checkpoint_claim:
        all_mounts.append({"name": "spark-checkpoints", "mountPath": CHECKPOINT_PATH})
    return all_mounts


def account(kubernetes: KubernetesSettings, role: Role) -> dict[str, Any]:
    """Whose rights the pod has. Executors talk to their driver only; the driver talks to the API server."""
    if role == "driver":
        return {"serviceAccountName": kubernetes.driver_service_account}
    return {"serviceAccountName": kubernetes.executor_service_account, "automountServiceAccountToken": False}


def pod_security(kubernetes: KubernetesSettings) -> dict[str, Any]:
    """The pod's security context."""
    user = kubernetes.run_as_user
    context: dict[str, Any] = {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    return {**context, "runAsNonRoot": user != 0, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security(kubernetes: KubernetesSettings) -> dict[str, Any]:
    """The container's security context."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": kubernetes.read_only_root,
        "capabilities": {"drop": ["ALL"]},
    }


def pod_template(submission: Submission, role: Role) -> dict[str, Any]:
    """The pod that Spark completes with image, command, memory and CPU."""
    kubernetes = submission.kubernetes
    container = {
        "name": f"spark-kubernetes-{role}",
        "env": environment(kubernetes, role),
        "envFrom": environment_sources(kubernetes, role),
        "securityContext": container_security(kubernetes),
        "volumeMounts": volume_mounts(kubernetes, role),
    }
    spec: dict[str, Any] = {
        "securityContext": pod_security(kubernetes),
        "nodeSelector": kubernetes.node_selector,
        "tolerations": kubernetes.tolerations,
        "volumes": volumes(kubernetes, role),
        "containers": [container],
    }
    spec |= account(kubernetes, role)
    metadata = {"labels": submission.labels(role), "annotations": submission.annotations()}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
