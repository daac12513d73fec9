"""The state of a step on the cluster: pure decisions from what was observed.

What belongs here: frozen observations and the verdict on them. What does not: looking (cluster.py), words for refused calls
(failures.py).

Always fatal: what cannot recover (a name without an image, a driver that is gone). Fatal after a time: what a cluster may
still recover from (a node that is being added, a slow registry). Never fatal: lost executors, which Spark replaces; they are
remembered, because they explain a step that fails later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

#: How long an image that cannot be pulled or a container that cannot be made is waited for.
PULL_SECONDS = 60

_NEVER_MENDS = {"InvalidImageName", "ErrImageNeverPull"}
_PULL = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", *_NEVER_MENDS}
_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
#: What the operator says of a driver that has ended, whose pod may be gone by then.
_SUCCEEDED, _FAILED = {"SUCCEEDING", "COMPLETED"}, {"FAILING", "FAILED"}
_NOT_SUBMITTED = "SUBMISSION_FAILED"
#: Somebody has changed or suspended the object: the operator deletes the driver.
_TAKEN_BACK = {"INVALIDATING", "PENDING_RERUN", "SUSPENDING", "SUSPENDED", "RESUMING"}


@dataclass(frozen=True)
class PodState:
    """A pod as seen once."""

    name: str
    phase: str
    reason: str = ""
    message: str = ""
    unschedulable: str = ""
    waiting: str = ""
    waiting_message: str = ""
    terminated: str = ""
    exit_code: int | None = None
    started: datetime | None = None
    memory_limit: str = ""
    deleting: bool = False
    #: Why Kubernetes ends the pod: its node is lost or drained, another pod needs the room.
    disruption: str = ""


@dataclass(frozen=True)
class Observation:
    """A step's objects as seen once. `application` is the operator's state of it ("" while it has none, None without one)."""

    name: str
    driver: PodState | None
    executors: tuple[PodState, ...] = ()
    application: str | None = None
    application_error: str = ""
    application_gone: bool = False
    driver_was_seen: bool = False
    executor_ran: bool = False
    seconds_pending: float = 0
    seconds_running: float = 0


@dataclass(frozen=True)
class Limits:
    """How long a step may be pending and running."""

    pending: float
    running: float


@dataclass(frozen=True)
class Verdict:
    """Whether the step's process goes on, has ended by itself, or must be given up because of `cause`."""

    state: Literal["pending", "running", "ended", "lost"]
    says: str = ""
    exit_code: int | None = None
    cause: str | None = None


def judge(seen: Observation, limits: Limits) -> Verdict:
    """What follows from an observation."""
    driver = seen.driver
    if seen.application_gone:
        return _lost(f"the SparkApplication {seen.name} was deleted from outside")
    if driver is None:
        return _without_driver(seen, limits)
    if driver.phase == "Succeeded":
        return Verdict("ended", "the driver has ended", exit_code=0)
    if driver.phase == "Failed":
        return _failed(driver, seen)
    if driver.deleting:
        return _lost(f"the driver pod {driver.name} was {_deleted(driver)}")
    if driver.phase == "Running":
        return _running(seen, limits)
    return _pending(driver, seen, limits)


def _deleted(pod: PodState) -> str:
    return "deleted from outside" + (f" ({pod.disruption})" if pod.disruption else "")


def _lost(cause: str) -> Verdict:
    return Verdict("lost", cause=cause)


def _without_driver(seen: Observation, limits: Limits) -> Verdict:
    state, reason = seen.application, seen.application_error or "it gives no reason"
    if state in _SUCCEEDED:
        return Verdict("ended", f"the driver has ended; its pod is gone, the SparkApplication is {state}", exit_code=0)
    if state in _FAILED:
        return _lost(f"the Spark operator says that {seen.name} failed ({state}): {reason}")
    if state == _NOT_SUBMITTED:
        return _lost(f"the Spark operator could not submit {seen.name} ({state}): {reason}")
    if seen.driver_was_seen:
        why = f": the SparkApplication is {state}, somebody has changed it" if state in _TAKEN_BACK else ""
        return _lost(f"the driver pod {seen.name}-driver was deleted from outside{why}")
    if seen.seconds_pending > limits.pending:
        waited = f"no driver pod after {limits.pending:g} s"
        if state == "":
            return _lost(
                f"{waited}: no Spark operator has taken up the SparkApplication {seen.name}; is it running, and does it "
                "watch this namespace? ECOMMERCE_SPARK__KUBERNETES__SUBMITTER=spark-submit does without it"
            )
        return _lost(waited + (f" (the SparkApplication is {state})" if state else ""))
    return Verdict("pending", "waiting for the driver pod" + (f" (the SparkApplication is {state})" if state else ""))


def _pending(driver: PodState, seen: Observation, limits: Limits) -> Verdict:
    trouble = pod_trouble(driver)
    at_once = driver.waiting in _NEVER_MENDS
    soon = driver.waiting in _PULL | _CONTAINER and seen.seconds_pending > min(PULL_SECONDS, limits.pending)
    if at_once or soon:
        return _lost(f"driver pod {driver.name}: {trouble}")
    if seen.seconds_pending > limits.pending:
        return _lost(
            f"the driver pod {driver.name} did not start within {limits.pending:g} s: {trouble or 'no reason is given'}"
        )
    return Verdict("pending", f"driver pod {driver.name} is pending" + (f": {trouble}" if trouble else ""))


def _running(seen: Observation, limits: Limits) -> Verdict:
    if seen.seconds_running > limits.running:
        return _lost(f"it ran longer than {limits.running:g} s (ECOMMERCE_SPARK__KUBERNETES__RUNNING_SECONDS)")
    stuck = [pod for pod in seen.executors if pod.phase == "Pending" and pod_trouble(pod)]
    if stuck and not seen.executor_ran and seen.seconds_running > limits.pending:
        return _lost(f"no executor started within {limits.pending:g} s: {stuck[0].name}: {pod_trouble(stuck[0])}")
    ready = sum(pod.phase == "Running" and not pod.deleting for pod in seen.executors)
    trouble = f"; {stuck[0].name}: {pod_trouble(stuck[0])}" if stuck else ""
    return Verdict("running", f"the driver runs with {ready} executors{trouble}")


def _failed(driver: PodState, seen: Observation) -> Verdict:
    trouble = pod_trouble(driver)
    if driver.deleting:
        trouble = f"it was {_deleted(driver)}"
    elif not trouble:
        # Spark replaces executors that were lost; when the step fails after all, that is the likely reason.
        lost = [pod for pod in seen.executors if pod.terminated == "OOMKilled" or pod.reason == "Evicted"]
        if lost:
            return Verdict(
                "ended", exit_code=driver.exit_code, cause=f"executor {lost[0].name}: {pod_trouble(lost[0])}"
            )
        return Verdict("ended", "the driver has failed", exit_code=driver.exit_code)
    return Verdict("ended", exit_code=driver.exit_code, cause=f"driver pod {driver.name}: {trouble}")


def pod_trouble(pod: PodState) -> str:
    """What is wrong with a pod, in words; empty when nothing is known to be."""
    if pod.reason == "Evicted":
        return f"evicted: {pod.message}"
    if pod.terminated == "OOMKilled":
        return f"OOMKilled: it needed more memory than its limit{f' of {pod.memory_limit}' if pod.memory_limit else ''}"
    if pod.waiting in _PULL:
        return f"its image cannot be pulled ({pod.waiting}): {pod.waiting_message}"
    if pod.waiting in _CONTAINER:
        return f"its container cannot be made ({pod.waiting}): {pod.waiting_message}"
    if pod.unschedulable:
        lacking = sorted(set(re.findall(r"Insufficient ([\w./-]+)", pod.unschedulable)))
        what = f"not enough {' and '.join(lacking)}" if lacking else "no node fits"
        return f"unschedulable, {what}: {pod.unschedulable}"
    if pod.phase == "Failed" and pod.reason:
        return f"{pod.reason}: {pod.message}"
    return ""
