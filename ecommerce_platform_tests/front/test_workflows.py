"""CI for others: what runs for an outside contribution, and where; each command exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecommerce_platform.settings import PROJECT_DIR

GITHUB = sorted((PROJECT_DIR / ".github" / "workflows").glob("*.yaml"))
TEMPLATE = PROJECT_DIR / "ecommerce_platform" / "project_template" / "ci.yaml"
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT_DIR / "Makefile").read_text(), re.MULTILINE))


def read(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def triggers(workflow: dict[Any, Any]) -> set[str]:
    return set(workflow[True])  # YAML reads `on` as true


def is_own_machine(job: dict[str, Any]) -> bool:
    return "self-hosted" in job["runs-on"]


@pytest.mark.parametrize("path", [*GITHUB, TEMPLATE], ids=lambda path: path.name)
def test_a_pull_request_starts_nothing_on_a_machine_of_ones_own(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in triggers(workflow)
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        if is_own_machine(job):
            assert triggers(workflow) == {"push", "workflow_dispatch"}
            assert workflow[True]["push"] == {"branches": ["main"]}
            assert job["if"] == "github.ref == 'refs/heads/main'"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_strangers_and_the_main_branch_have_the_same_checks_on_hosted_machines() -> None:
    (hosted,) = [read(path) for path in GITHUB if "pull_request" in triggers(read(path))]
    (job,) = hosted["jobs"].values()
    assert not is_own_machine(job)
    assert {"make check", "make test", "make demo"} <= {step.get("run") for step in job["steps"]}
    assert "secrets." not in next(path for path in GITHUB if path.name == "ci.yaml").read_text()


def test_gitlabs_node_runs_for_the_default_branch_alone() -> None:
    jobs = read(PROJECT_DIR / ".gitlab-ci.yml")
    assert [rule["if"] for rule in jobs["node"]["rules"]] == ["$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"]
    assert jobs["check-test-demo"]["script"] == ["make check", "make test", "make demo"]


def test_every_command_of_the_examples_exists() -> None:
    text = "".join(path.read_text() for path in (*GITHUB, PROJECT_DIR / ".gitlab-ci.yml"))
    assert set(re.findall(r"\bmake ([a-z-]+)$", text, re.MULTILINE)) <= TARGETS
    assert (PROJECT_DIR / ".ci" / "run").exists()
