"""The alert rules, by Prometheus' own tool: they parse, and each fires, stays silent and resolves when it should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
RULES = PROJECT / "helm" / "ecommerce-platform" / "rules" / "alerts.yaml"
CASES = Path(__file__).parent / "alerts_test.yaml"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")


def alerts() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_parse() -> None:
    promtool("check", "rules", str(RULES))


@needs_promtool
def test_each_alert_fires_stays_silent_and_resolves(tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.read_text().replace("RULES", str(RULES)))
    promtool("test", "rules", str(cases))


def test_every_alert_has_a_case() -> None:
    named = set(re.findall(r"alertname[:=]\s*\"?(\w+)", CASES.read_text()))
    assert {rule["alert"] for rule in alerts()} == named


def test_the_designs_alerts_keep_name_severity_and_duration() -> None:
    rules = {rule["alert"]: (rule["labels"]["severity"], rule["for"]) for rule in alerts()}
    assert rules["BatchJobFailure"] == ("critical", "1m")
    assert rules["HighReconciliationDiscrepancy"] == ("warning", "5m")
    assert rules["dbtModelFailure"] == ("critical", "1m")


def test_every_alert_leads_into_the_runbook() -> None:
    headings = {
        line.strip("# \n").lower() for line in (PROJECT / "docs" / "runbook.md").open() if line.startswith("## ")
    }
    for rule in alerts():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor in headings, f"the runbook has no section {anchor}"
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
