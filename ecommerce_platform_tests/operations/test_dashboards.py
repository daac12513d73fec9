"""The dashboards are whole: valid, bound to no server of ours, and they ask only for metrics that the exporter has.

That every query returns something from a real Prometheus is in test_alerts_fire.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import PlatformState
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.operations.prometheus import RULES

DASHBOARDS = sorted((PROJECT_DIR / "helm" / "ecommerce-platform" / "dashboards").glob("*.json"))


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:ecommerce|spark|dbt|snowflake|lambda)_[a-z_]+", expression))


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """Every name that the exporter can show, whether there is something to show or not."""
    with dg.DagsterInstance.ephemeral() as instance:
        exporter = Exporter(instance, PlatformState, say=lambda _: None)
        exporter.refresh()
        registry = CollectorRegistry()
        registry.register(exporter)
        text = generate_latest(registry).decode()
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {f"{name}_sum", f"{name}_count", f"{name}_bucket"} if kind == "histogram" else {name}
    return names


def test_there_are_three() -> None:
    assert [path.stem for path in DASHBOARDS] == ["day", "overview", "reconciliation"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_takes_its_prometheus_from_a_variable(path: Path) -> None:
    board = json.loads(path.read_text())
    assert any(item["type"] == "datasource" for item in board["templating"]["list"])
    uids = set(re.findall(r'"uid": "([^"]*)"', path.read_text())) - {board["uid"]}
    assert uids == {"${datasource}"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_places_of_their_own(path: Path) -> None:
    places: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not cells & places, panel["title"]
        places |= cells


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_what_the_exporter_has(path: Path, exported: set[str]) -> None:
    for expression in expressions(json.loads(path.read_text())):
        assert names_in(expression), expression
        assert names_in(expression) <= exported, names_in(expression) - exported


def test_the_rules_ask_for_what_the_exporter_has(exported: set[str]) -> None:
    assert names_in(re.sub(r"ecommerce-platform", "", RULES.read_text())) <= exported


def test_the_documentation_lists_every_metric(exported: set[str]) -> None:
    text = (PROJECT_DIR / "docs" / "metrics.md").read_text()
    for name in exported:
        base = re.sub(r"_(sum|count|bucket)$", "", name)
        short = "…_" + base.rsplit("_", 1)[-1]
        assert base in text or short in text or any(f"…{part}" in text for part in (base[-11:], base[-13:])), name
