"""Killed again and again, the platform loses no row and doubles none; ledgers and tables agree once the work is done again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform_tests.erasure.kills import erasure_points
from ecommerce_platform_tests.faults.kill_points import platform_points, statement_name

KILLS = 25


@pytest.mark.soak
def test_kills_at_boundaries_and_at_random_times_lose_and_double_no_row(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    # A process of its own: it forks, which a process that has started a JVM must not do.
    command = [sys.executable, "-m", "ecommerce_platform_tests.faults.soak", "--kills", str(KILLS), "--seed", "5"]
    ended = subprocess.run(
        [*command, "--work", str(tmp_path / "work"), "--report", str(report)],
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
        cwd=Path(__file__).parents[2],
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    content = json.loads(report.read_text(encoding="utf-8"))
    assert content["wrong"] == []
    assert content["kills"] >= KILLS
    assert set(content["by_kind"]) == {"loading", "transforming", "materializing", "ingestion", "everything"}


def test_every_function_that_is_a_kill_point_exists() -> None:
    for owner, name, _ in [*platform_points(), *erasure_points()]:
        assert callable(getattr(owner, name, None)), f"{owner.__name__} has no function {name}"


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("begin", "sql begin"),
        ("commit", "sql commit"),
        ('delete from RAW."ORDERS" where "DATE" in (%s)', 'sql delete from raw."orders"'),
        ('copy into "loading_users_0a1b2c3d4e5f" (id) from x', 'sql copy into "loading_users_#"'),
        (
            'insert into DW.STAGING.base_users (id) select 1\n/* {"node_id": "model.ecommerce.base_users"} */',
            "dbt base_users: insert into dw.staging.base_users",
        ),
    ],
)
def test_a_statement_is_the_same_kill_point_in_each_run(sql: str, name: str) -> None:
    assert statement_name(sql) == name
