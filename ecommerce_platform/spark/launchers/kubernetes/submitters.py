"""The two ways to put a step on the cluster, behind one set of verbs.

What belongs here: submit, find again, look, delete. What does not: when (on_kubernetes.py).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ecommerce_platform.settings.spark import KubernetesSettings
from ecommerce_platform.spark.launchers.kubernetes.application import build_application
from ecommerce_platform.spark.launchers.kubernetes.cluster import Application, Cluster, ClusterObject
from ecommerce_platform.spark.launchers.kubernetes.pods import Submission, SubmissionError
from ecommerce_platform.spark.launchers.kubernetes.submit import (
    driver_name,
    explain_submission,
    submit_options,
    write_templates,
)
from ecommerce_platform.spark.launchers.local_submit import SHORT_LIVED, spark_submit, submit_environment

#: A JVM and three calls; on a machine that is busy it may take minutes.
_SUBMIT_SECONDS = 600


class Submitter(Protocol):
    """Puts steps on the cluster and finds them again."""

    has_operator: bool

    def submit(self, submission: Submission) -> None:
        """Raises SubmissionError, ClusterRefusedError or ClusterAwayError."""

    def find(self, name: str) -> ClusterObject | None:
        """The step of that name, if it was submitted and is still there."""

    def application(self, name: str) -> Application | None:
        """What the operator says of it; None without an operator, and when it is gone."""

    def delete(self, name: str) -> None:
        """Deletes the step with all its pods; nothing happens when it is not there."""

    def all(self) -> list[ClusterObject]:
        """Every step of this installation."""


class ApplicationSubmitter:
    """SparkApplications, which the kubeflow operator turns into pods."""

    has_operator = True

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def submit(self, submission: Submission) -> None:
        self._cluster.create_application(build_application(submission))

    def find(self, name: str) -> ClusterObject | None:
        application = self._cluster.application(name)
        return application.cluster_object if application else None

    def application(self, name: str) -> Application | None:
        return self._cluster.application(name)

    def delete(self, name: str) -> None:
        self._cluster.delete_application(name)
        # The operator's pods go with the application that owns them; this covers one that is not owned.
        self._cluster.delete_driver(driver_name(name))

    def all(self) -> list[ClusterObject]:
        return self._cluster.applications()


class SparkSubmitSubmitter:
    """Driver pods made by spark-submit."""

    has_operator = False

    def __init__(self, cluster: Cluster, kubeconfig: str | None) -> None:
        self._cluster = cluster
        self._kubeconfig = kubeconfig

    def submit(self, submission: Submission) -> None:
        with tempfile.TemporaryDirectory(prefix="spark-submit-") as folder:
            options = submit_options(submission, write_templates(submission, Path(folder)))
            command = [*spark_submit(options), submission.main_file, *submission.arguments]
            try:
                answer = subprocess.run(  # noqa: S603 - PySpark's own script, arguments from settings
                    command,
                    env=self._environment(),
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_SUBMIT_SECONDS,
                )
            except subprocess.TimeoutExpired:
                raise SubmissionError(f"spark-submit did not end within {_SUBMIT_SECONDS} s") from None
        if answer.returncode != 0:
            raise SubmissionError(explain_submission(answer.stdout + answer.stderr, answer.returncode))

    def find(self, name: str) -> ClusterObject | None:
        pod = self._cluster.pod(driver_name(name))
        return pod[0] if pod else None

    def application(self, name: str) -> Application | None:
        return None

    def delete(self, name: str) -> None:
        self._cluster.delete_driver(driver_name(name))

    def all(self) -> list[ClusterObject]:
        return self._cluster.drivers()

    def _environment(self) -> Mapping[str, str]:
        # Which Python runs in the pods is the image's to say; spark-submit would tell them this process's.
        own = {name: value for name, value in submit_environment().items() if not name.startswith("PYSPARK_")}
        # Here it only makes a pod: half the processor time, which a run pod of half a CPU waits for.
        own.setdefault("SPARK_SUBMIT_OPTS", SHORT_LIVED)
        return {**own, **({"KUBECONFIG": self._kubeconfig} if self._kubeconfig else {}), "SPARK_USER": _user()}


def _user() -> str:
    """The name that Spark gives the driver; a container's user may have none."""
    return os.environ.get("USER") or "spark"


def build_submitter(kubernetes: KubernetesSettings, cluster: Cluster) -> Submitter:
    """The submitter that `ECOMMERCE_SPARK__KUBERNETES__SUBMITTER` names."""
    if kubernetes.submitter == "spark-submit":
        return SparkSubmitSubmitter(cluster, kubernetes.kubeconfig)
    return ApplicationSubmitter(cluster)
