"""A step by plain `spark-submit --master k8s://…`, for clusters without the Spark operator.

What belongs here: the options of the submission, and what its output means. What does not: running it (on_kubernetes.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from ecommerce_platform.spark.launchers.kubernetes.pods import Submission, pod_template

_FORBIDDEN = re.compile(r'message="?([^"\n]*?(?:is forbidden|cannot [a-z]+ resource)[^"\n]*)', re.IGNORECASE)
_MESSAGE = re.compile(r"Message: (.+?)(?: Received status:|$)", re.MULTILINE)


def driver_name(name: str) -> str:
    """The driver pod of an application, by either submitter."""
    return f"{name}-driver"


def write_templates(submission: Submission, folder: Path) -> dict[str, str]:
    """Writes the pod templates (JSON is YAML) and returns the options that name them."""
    options = {}
    for role in ("driver", "executor"):
        path = folder / f"{role}.yaml"
        path.write_text(json.dumps(pod_template(submission, role)))
        options[f"spark.kubernetes.{role}.podTemplateFile"] = str(path)
    return options


def submit_options(submission: Submission, templates: dict[str, str]) -> dict[str, str]:
    """All options of the submission; none is secret."""
    kubernetes, resources, name = submission.kubernetes, submission.resources, submission.identity.name
    options = submission.options | templates
    options |= {
        "spark.master": f"k8s://{kubernetes.api_server}",
        "spark.submit.deployMode": "cluster",
        "spark.app.name": name,
        "spark.kubernetes.namespace": kubernetes.namespace,
        "spark.kubernetes.container.image": submission.image,
        "spark.kubernetes.container.image.pullPolicy": kubernetes.image_pull_policy,
        "spark.kubernetes.authenticate.driver.serviceAccountName": kubernetes.driver_service_account,
        "spark.kubernetes.authenticate.executor.serviceAccountName": kubernetes.executor_service_account,
        "spark.kubernetes.driver.pod.name": driver_name(name),
        "spark.kubernetes.executor.podNamePrefix": name,
        # The launcher watches; the submission's own process ends as soon as the pod is made.
        "spark.kubernetes.submission.waitAppCompletion": "false",
        "spark.driver.memory": resources.driver_memory,
        "spark.driver.memoryOverhead": resources.driver_memory_overhead,
        "spark.kubernetes.driver.request.cores": resources.driver_cpu_request,
        "spark.kubernetes.driver.limit.cores": resources.driver_cpu_limit,
        "spark.executor.memory": resources.executor_memory,
        "spark.executor.memoryOverhead": resources.executor_memory_overhead,
        "spark.executor.cores": str(resources.executor_cores),
        "spark.kubernetes.executor.request.cores": resources.executor_cpu_request,
        "spark.kubernetes.executor.limit.cores": resources.executor_cpu_limit,
    }
    if not resources.dynamic_allocation:
        options["spark.executor.instances"] = str(resources.executors)
    if kubernetes.image_pull_secrets:
        options["spark.kubernetes.container.image.pullSecrets"] = ",".join(kubernetes.image_pull_secrets)
    return options


def explain_submission(output: str, code: int) -> str:
    """Why spark-submit failed, in a sentence, from what it printed."""
    for pattern in (_FORBIDDEN, _MESSAGE):
        if match := pattern.search(output):
            reason = match[1].strip().rstrip(".")
            refused = "forbidden" in reason.lower() and "quota" not in reason.lower()
            return (
                f"the cluster refused the driver pod (RBAC): {reason}"
                if refused
                else f"the cluster refused it: {reason}"
            )
    lines = [line.strip() for line in output.splitlines()]
    # The exception that ended it comes before whatever else has "error" in its name.
    exceptions = [line for line in lines if line.startswith("Exception in thread")] or [
        line for line in lines if "rror" in line or "xception" in line
    ]
    return f"spark-submit ended with exit code {code}: {exceptions[0] if exceptions else 'it gave no reason'}"
