"""Settings of Spark: the session, where its steps run, and what a step gets on a cluster.

What belongs here: names, types, defaults (settings.py holds them as its section `spark`). What does not: what is made of them
(spark/). Defaults of a cluster are those of the design document, as Spark on Kubernetes can express them: a pod's memory
request equals its limit, heap plus overhead.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

Quantity = str


class SparkResources(BaseModel):
    """What one Spark step gets on a cluster. Memory as Spark writes it (2g), CPU as Kubernetes does (1500m)."""

    driver_memory: Quantity = "2g"
    driver_memory_overhead: Quantity = "1g"
    driver_cpu_request: Quantity = "1000m"
    driver_cpu_limit: Quantity = "1500m"
    executors: int = Field(2, ge=1)
    executor_memory: Quantity = "3g"
    executor_memory_overhead: Quantity = "1g"
    executor_cores: int = Field(2, ge=1, description="tasks at a time in an executor")
    executor_cpu_request: Quantity = "1500m"
    executor_cpu_limit: Quantity = "2000m"
    shuffle_partitions: int = Field(200, ge=1, description="adaptive execution joins small ones: an upper bound")
    dynamic_allocation: bool = False
    min_executors: int = Field(0, ge=0)
    max_executors: int | None = Field(None, ge=1, description="with dynamic allocation; without a value, `executors`")
    conf: dict[str, str] = Field(default_factory=dict, description="more Spark options; never a secret")


class KubernetesSettings(BaseModel):
    """Where and how Spark steps run on Kubernetes. Lists and maps are JSON in the environment."""

    submitter: Literal["spark-application", "spark-submit"] = "spark-application"
    namespace: str = "default"
    image: str | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = Field(default_factory=list)
    # The driver makes its executors: this account may create pods, services, config maps and claims in the namespace.
    driver_service_account: str = "spark"
    api_server: str = "https://kubernetes.default.svc"
    kubeconfig: str | None = Field(None, description="outside the cluster; inside, the pod's own account is used")
    # Whose applications these are: the sweep looks at no other installation's.
    instance: str = "ecommerce-platform"

    # The environment of driver and executors: from objects that exist, never as text in a pod.
    env_from_config_maps: list[str] = Field(default_factory=list)
    env_from_secrets: list[str] = Field(default_factory=list)
    secret_env: dict[str, str] = Field(default_factory=dict, description="variable -> secret:key")
    env: dict[str, str] = Field(default_factory=dict, description="literal; never a secret")

    volumes: list[dict[str, Any]] = Field(default_factory=list, description="as in a pod")
    volume_mounts: list[dict[str, Any]] = Field(default_factory=list, description="as in a container")
    local_dir_size: Quantity = "8Gi"
    # With a storage class, each executor claims its own volume for shuffle files; without, they go to an emptyDir.
    local_dir_storage_class: str | None = None
    checkpoint_claim: str | None = Field(None, description="a claim that driver and executors share")
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)
    run_as_user: int = 10001
    read_only_root: bool = True
    pod_labels: dict[str, str] = Field(default_factory=dict)

    pending_seconds: int = Field(900, ge=1, description="from the submission until the driver runs")
    running_seconds: int = Field(6 * 3600, ge=1, description="of the driver")
    poll_seconds: float = Field(2.0, gt=0)
    api_outage_seconds: int = Field(300, ge=1, description="how long the API server may be out of reach")

    @field_validator("secret_env")
    @classmethod
    def _name_secret_and_key(cls, value: dict[str, str]) -> dict[str, str]:
        for variable, reference in value.items():
            secret, _, key = reference.partition(":")
            if not secret or not key:
                # The reference is not repeated: it may be the secret that someone wrote there by mistake.
                raise ValueError(f"{variable}: expected <secret>:<key>")
        return value


class SparkSettings(BaseModel):
    """The Spark session, and where the steps that use it run.

    `launcher`: `local` is the Dagster process, `local-submit` a spark-submit process of its own a step, `kubernetes` driver
    and executor pods. `step_resources` changes `resources` for a step or an asset: `{"iceberg/orders": {"executors": 4}}`.
    """

    master: str = "local[*]"
    driver_memory: str = "2g"
    shuffle_partitions: int | None = None
    jars_dir: str | None = None
    extra: dict[str, str] = Field(default_factory=dict)

    launcher: Literal["local", "local-submit", "kubernetes"] = "local"
    running_seconds: int = Field(6 * 3600, ge=1, description="of a step's process (local-submit)")
    resources: SparkResources = SparkResources()
    step_resources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    kubernetes: KubernetesSettings = KubernetesSettings()

    @field_validator("step_resources")
    @classmethod
    def _known_resources(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, changes in value.items():
            unknown = sorted(changes.keys() - SparkResources.model_fields.keys())
            if unknown:
                raise ValueError(f"{name}: no such resource: {', '.join(unknown)}")
            SparkResources.model_validate(changes)
        return value
