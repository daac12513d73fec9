"""What a job's run pod gets on Kubernetes, where that differs from the chart's default.

What belongs here: the tag that Dagster's launcher of run pods reads. What does not: Spark's pods (spark/launchers/).
"""

from __future__ import annotations

import json

from ecommerce_platform.settings.sections import RunSettings

TAG = "dagster-k8s/config"


def run_pod_tags(runs: RunSettings, job: str) -> dict[str, str]:
    """Tags for the job: its container's resources, when `ECOMMERCE_RUNS__RESOURCES` names the job; else none."""
    resources = runs.resources.get(job)
    return {TAG: json.dumps({"container_config": {"resources": resources}}, sort_keys=True)} if resources else {}
