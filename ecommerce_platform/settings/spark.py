"""Settings of Spark: the session, where its steps run, and what a step gets on a cluster.

What belongs here: names, types, defaults (__init__.py holds them as its section `spark`). What does not: what is made of them
(spark/). Defaults of a cluster are those of the design document, as Spark on Kubernetes can express them: a pod's memory
request equals its limit, heap plus overhead.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ecommerce_platform.settings.sections import Section

Quantity = str


class SparkResources(Section):
    """What one Spark step gets on a cluster. Memory as Spark writes it (2g), CPU as Kubernetes does (1500m)."""

    driver_memory: Quantity = "2g"
    """Heap of the driver."""
    driver_memory_overhead: Quantity = "1g"
    """Memory of the driver's pod beside the heap."""
    driver_cpu_request: Quantity = "1000m"
    """CPU that the driver's pod asks for."""
    driver_cpu_limit: Quantity = "1500m"
    """CPU that the driver's pod may use."""
    executors: int = Field(2, ge=1)
    """Executors; with dynamic allocation, those it starts with."""
    executor_memory: Quantity = "3g"
    """Heap of an executor."""
    executor_memory_overhead: Quantity = "1g"
    """Memory of an executor's pod beside the heap."""
    executor_cores: int = Field(2, ge=1)
    """Tasks at a time in an executor."""
    executor_cpu_request: Quantity = "1500m"
    """CPU that an executor's pod asks for."""
    executor_cpu_limit: Quantity = "2000m"
    """CPU that an executor's pod may use."""
    shuffle_partitions: int = Field(200, ge=1)
    """Partitions of a shuffle. Adaptive execution joins small ones: an upper bound."""
    dynamic_allocation: bool = False
    """Whether executors come and go with the work."""
    min_executors: int = Field(0, ge=0)
    """The fewest executors of dynamic allocation."""
    max_executors: int | None = Field(None, ge=1)
    """The most executors of dynamic allocation; `executors` when empty."""
    conf: dict[str, str] = Field(default_factory=dict)
    """More Spark options; never a secret."""


class KubernetesSettings(Section):
    """Where and how Spark steps run on Kubernetes. Lists and maps are JSON in the environment."""

    submitter: Literal["spark-application", "spark-submit"] = "spark-application"
    """Who makes the driver: Kubeflow's Spark operator from a SparkApplication, or spark-submit."""
    namespace: str = "default"
    """Namespace of the pods."""
    image: str | None = None
    """Image of driver and executors; there is no default."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When the image is pulled."""
    image_pull_secrets: list[str] = Field(default_factory=list)
    """Secrets that the image is pulled with."""
    driver_service_account: str = "spark"
    """The driver makes its executors: this account may create pods and config maps in the namespace, and claims where
    `local_dir_storage_class` asks for them."""
    executor_service_account: str = "default"
    """Account of the executors, which needs no rights: they get no token of it."""
    api_server: str = "https://kubernetes.default.svc"
    """Address of the cluster's API."""
    kubeconfig: str | None = None
    """File for a launcher outside the cluster; inside, the pod's own account is used."""
    instance: str = "ecommerce-platform"
    """Whose applications these are: the sweep of what was left over looks at no other installation's."""

    # The environment of driver and executors: from objects that exist, never as text in a pod.
    env_from_config_maps: list[str] = Field(default_factory=list)
    """Config maps whose keys are environment variables of driver and executors."""
    env_from_secrets: list[str] = Field(default_factory=list)
    """Secrets whose keys are environment variables of the driver."""
    secret_env: dict[str, str] = Field(default_factory=dict)
    """Variable of the driver to `<secret>:<key>`."""
    executor_secret_env: dict[str, str] = Field(default_factory=dict)
    """Variable of the executors to `<secret>:<key>`; none is needed where the lake's keys are settings."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variable to literal value; never a secret."""

    volumes: list[dict[str, Any]] = Field(default_factory=list)
    """Volumes, as in a pod."""
    volume_mounts: list[dict[str, Any]] = Field(default_factory=list)
    """Where the volumes are mounted, as in a container."""
    local_dir_size: Quantity = "8Gi"
    """Room for shuffle files of a driver or executor."""
    local_dir_storage_class: str | None = None
    """With a storage class, each executor claims its own volume for shuffle files; without, they go to an emptyDir."""
    checkpoint_claim: str | None = None
    """A claim that driver and executors share."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes that the pods may run on."""
    tolerations: list[dict[str, Any]] = Field(default_factory=list)
    """Taints that the pods tolerate, as in a pod."""
    run_as_user: int = 10001
    """User id in the containers."""
    read_only_root: bool = True
    """Whether the containers' root file system is read-only."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """More labels of the pods."""

    pending_seconds: int = Field(900, ge=1)
    """From the submission until the driver runs, at most."""
    running_seconds: int = Field(6 * 3600, ge=1)
    """How long the driver may run."""
    poll_seconds: float = Field(2.0, gt=0)
    """How often the launcher looks at the application."""
    api_outage_seconds: int = Field(300, ge=1)
    """How long the API server may be out of reach before the step fails."""

    @field_validator("secret_env", "executor_secret_env")
    @classmethod
    def _name_secret_and_key(cls, value: dict[str, str]) -> dict[str, str]:
        for variable, reference in value.items():
            secret, _, key = reference.partition(":")
            if not secret or not key:
                # The reference is not repeated: it may be the secret that someone wrote there by mistake.
                raise ValueError(f"{variable}: expected <secret>:<key>")
        return value


class SparkSettings(Section):
    """The Spark session, and where the steps that use it run."""

    master: str = "local[*]"
    """Spark's master of a session in the Dagster process."""
    driver_memory: str = "2g"
    """Heap of that session."""
    jvm_options: str | None = None
    """Collector and compiler of that session's JVM. When empty, by what the run reads: below 32 MiB of landing files, and
    of change events where the analytics read all of them, `-XX:+UseSerialGC -XX:TieredStopAtLevel=1`, which saves seconds, above
    that the optimising compiler, which saves minutes."""
    shuffle_partitions: int | None = None
    """Partitions of a shuffle. When empty, twice the cores, and one for 32 MiB of what the run reads."""
    jars_dir: str | None = None
    """Folder with the jars; in the user's cache, which all checkouts share, when empty."""
    extra: dict[str, str] = Field(default_factory=dict)
    """More Spark options, catalog options among them."""

    launcher: Literal["local", "local-submit", "kubernetes"] = "local"
    """Where steps run: the Dagster process, a spark-submit process of its own a step, or driver and executor pods."""
    engine: Literal["process", "server"] | None = None
    """With the launcher `local`: a JVM of each process's own, or one of the data folder that stays warm for all of them. When
    empty, the latter with the profile `local`."""
    server_idle_seconds: float = Field(900.0, gt=0)
    """After how long without use the data folder's Spark server ends."""
    code_location: str = Field("ecommerce_platform.definitions:defs", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """Whose steps run elsewhere, as `module:attribute`: the one code that a launched step's process loads its job from."""
    running_seconds: int = Field(6 * 3600, ge=1)
    """How long a step's process may run (`local-submit`)."""
    analytics_state_from_events: int | None = Field(2_000_000, ge=0)
    """From so many change events on, the analytics keep the latest state and follow the changes; below, and the first time, they
    are computed from all events, which costs less then. When empty, always from all events. The results are the same."""
    analytics_check_every_days: int = Field(30, ge=0)
    """Each time that so many more days are applied, analytics that follow the changes are computed from all events, too, and
    compared row for row, which takes that run as long as all events take. 0: never."""
    resources: SparkResources = SparkResources()
    step_resources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Changes `resources` for a step or an asset: `{"iceberg/orders": {"executors": 4}}`."""
    kubernetes: KubernetesSettings = KubernetesSettings()

    def follow_changes_of(self, events: int) -> bool:
        """Whether the analytics of so many change events are meant to follow the changes."""
        least = self.analytics_state_from_events
        return least is not None and events >= least

    def check_is_due(self, checked: int, applied: int) -> bool:
        """Whether analytics that follow the changes are compared with all events when `applied` days are, as they last were when
        `checked` days were.
        """
        every = self.analytics_check_every_days
        return bool(every) and (applied < checked or applied // every > checked // every)

    @property
    def tasks_in_driver(self) -> bool:
        """Whether the master has Spark's tasks run in the driver, not in executors."""
        return self.master.partition("[")[0] == "local"

    @model_validator(mode="after")
    def _server_on_this_machine(self) -> SparkSettings:
        if self.engine == "server" and not self.tasks_in_driver:
            raise ValueError(
                f"engine is server, which runs Spark on this machine, and master is {self.master}; expected local[*] or local[N]"
            )
        return self

    @field_validator("step_resources")
    @classmethod
    def _known_resources(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, changes in value.items():
            unknown = sorted(changes.keys() - SparkResources.model_fields.keys())
            if unknown:
                raise ValueError(f"{name}: no such resource: {', '.join(unknown)}")
            SparkResources.model_validate(changes)
        return value
