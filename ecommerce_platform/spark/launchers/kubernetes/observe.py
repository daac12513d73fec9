"""One look after another at a step on the cluster, with what must be remembered between them.

What belongs here: putting an observation together. What does not: what follows from it (watch.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

from ecommerce_platform.spark.launchers.handover.identity import (
    ATTEMPT_LABEL,
    ROLE_LABEL,
    RUN_LABEL,
    STEP_LABEL,
    StepIdentity,
)
from ecommerce_platform.spark.launchers.kubernetes.cluster import Cluster
from ecommerce_platform.spark.launchers.kubernetes.submit import driver_name
from ecommerce_platform.spark.launchers.kubernetes.submitters import Submitter
from ecommerce_platform.spark.launchers.kubernetes.watch import Observation, PodState


class Observer:
    """Looks at one step."""

    def __init__(self, cluster: Cluster, submitter: Submitter, identity: StepIdentity) -> None:
        self._cluster = cluster
        self._submitter = submitter
        self._name = identity.name
        labels = identity.labels("")
        same = [f"{label}={labels[label]}" for label in (RUN_LABEL, STEP_LABEL, ATTEMPT_LABEL)]
        self._executors = ",".join([*same, f"{ROLE_LABEL}=executor"])
        self._created = datetime.now(UTC)
        self._driver_was_seen = False
        self._executor_ran = False
        # Ended executors by name: their driver's end takes them along, and they may be what explains it.
        self._lost: dict[str, PodState] = {}

    def look(self) -> Observation:
        """What is there now. Raises ClusterAwayError or ClusterRefusedError."""
        application = self._submitter.application(self._name)
        driver = self._cluster.pod(driver_name(self._name))
        executors = [state for _, state in self._cluster.pods(self._executors)] if driver else []
        self._remember(executors)
        now = datetime.now(UTC)
        created = driver[0].created if driver else application.cluster_object.created if application else self._created
        state = driver[1] if driver else None
        seen = Observation(
            name=self._name,
            driver=state,
            executors=(
                *executors,
                *(pod for name, pod in self._lost.items() if name not in {e.name for e in executors}),
            ),
            application=application.state if application else None,
            application_error=application.error if application else "",
            application_gone=self._submitter.has_operator and application is None,
            driver_was_seen=self._driver_was_seen,
            executor_ran=self._executor_ran,
            seconds_pending=(now - created).total_seconds(),
            seconds_running=(now - state.started).total_seconds() if state and state.started else 0,
        )
        self._driver_was_seen = self._driver_was_seen or driver is not None
        return seen

    def _remember(self, executors: list[PodState]) -> None:
        self._executor_ran = self._executor_ran or any(pod.phase != "Pending" for pod in executors)
        self._lost |= {pod.name: pod for pod in executors if pod.phase == "Failed"}
