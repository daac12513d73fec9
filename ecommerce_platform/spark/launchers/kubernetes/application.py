"""A step as a SparkApplication of the kubeflow Spark operator (`sparkoperator.k8s.io/v1beta2`).

What belongs here: the object, checked against the operator's own models. What does not: sending it (cluster.py).
"""

from __future__ import annotations

from typing import Any

import pyspark
from kubeflow_spark_api.models.spark_v1beta2_spark_application import SparkV1beta2SparkApplication

from ecommerce_platform.spark.launchers.kubernetes import pods
from ecommerce_platform.spark.launchers.kubernetes.pods import Submission

GROUP, VERSION, PLURAL = "sparkoperator.k8s.io", "v1beta2", "sparkapplications"

#: What the object says in fields of its own.
_IN_FIELDS = ("spark.dynamicAllocation.",)


def build_application(submission: Submission) -> dict[str, Any]:
    """The SparkApplication of the step. Raises pydantic's ValidationError when a setting does not fit the models."""
    kubernetes, resources = submission.kubernetes, submission.resources
    spec: dict[str, Any] = {
        "type": "Python",
        "pythonVersion": "3",
        "mode": "cluster",
        "sparkVersion": pyspark.__version__,
        "image": submission.image,
        "imagePullPolicy": kubernetes.image_pull_policy,
        "imagePullSecrets": kubernetes.image_pull_secrets,
        "mainApplicationFile": submission.main_file,
        "arguments": submission.arguments,
        "sparkConf": {k: v for k, v in submission.options.items() if not k.startswith(_IN_FIELDS)},
        # Whether a step is tried again is Dagster's decision, which knows what the step had done.
        "restartPolicy": {"type": "Never"},
        "volumes": pods.volumes(kubernetes),
        "driver": _driver(submission),
        "executor": _executor(submission),
    }
    if resources.dynamic_allocation:
        spec["dynamicAllocation"] = {
            "enabled": True,
            "minExecutors": resources.min_executors,
            "initialExecutors": max(resources.min_executors, 1),
            "maxExecutors": resources.max_executors or resources.executors,
            "shuffleTrackingEnabled": True,
        }
    document = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "SparkApplication",
        "metadata": {
            "name": submission.identity.name,
            "namespace": kubernetes.namespace,
            "labels": submission.labels("driver"),
            "annotations": submission.annotations(),
        },
        "spec": spec,
    }
    checked = SparkV1beta2SparkApplication.from_dict(document)
    assert checked is not None, "a document that is there gives an object"
    return checked.to_dict()


def _driver(submission: Submission) -> dict[str, Any]:
    """Of these fields the operator's webhook brings environment, volumes and security into the pod."""
    kubernetes, resources = submission.kubernetes, submission.resources
    return {
        "labels": submission.labels("driver"),
        "annotations": submission.annotations(),
        "env": pods.environment(kubernetes, "driver"),
        "envFrom": pods.environment_sources(kubernetes, "driver"),
        "volumeMounts": pods.volume_mounts(kubernetes, "driver"),
        "podSecurityContext": pods.pod_security(kubernetes),
        "securityContext": pods.container_security(kubernetes),
        "nodeSelector": kubernetes.node_selector,
        "tolerations": kubernetes.tolerations,
        "cores": 1,
        "coreRequest": resources.driver_cpu_request,
        "coreLimit": resources.driver_cpu_limit,
        "memory": resources.driver_memory,
        "memoryOverhead": resources.driver_memory_overhead,
        "serviceAccount": kubernetes.driver_service_account,
    }


def _executor(submission: Submission) -> dict[str, Any]:
    """Executors come from a template, in which alone they can be given no token. What it says is in no field beside it: operators
    differ in whether their webhook still changes a pod that has one, and a volume that is added twice makes it invalid.
    """
    kubernetes, resources = submission.kubernetes, submission.resources
    template = pods.pod_template(submission, "executor")
    return {
        "template": {"metadata": template["metadata"], "spec": template["spec"]},
        "serviceAccount": kubernetes.executor_service_account,
        "instances": resources.executors,
        "cores": resources.executor_cores,
        "coreRequest": resources.executor_cpu_request,
        "coreLimit": resources.executor_cpu_limit,
        "memory": resources.executor_memory,
        "memoryOverhead": resources.executor_memory_overhead,
    }
