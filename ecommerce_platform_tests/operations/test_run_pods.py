"""Resources of a job's run pod."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dagster_k8s.job import get_user_defined_k8s_config

from ecommerce_platform.operations.run_pods import run_pod_tags
from ecommerce_platform.settings import load_settings


def test_a_job_that_is_named_gets_its_own_resources_as_the_launcher_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "500m", "memory": "1Gi"}}
    monkeypatch.setenv("ECOMMERCE_RUNS__RESOURCES", json.dumps({"daily_batch": resources}))
    settings = load_settings(data_dir=tmp_path)
    read = get_user_defined_k8s_config(run_pod_tags(settings.runs, "daily_batch"))
    assert read.container_config["resources"] == resources
    assert run_pod_tags(settings.runs, "another_job") == {}
