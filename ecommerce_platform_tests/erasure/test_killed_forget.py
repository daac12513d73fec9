"""`forget`, killed at twenty moments spread over all its steps, goes on and leaves what it would have left without a kill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform_tests.erasure.kills import PLACES


@pytest.mark.soak
def test_forget_that_is_killed_anywhere_goes_on_and_leaves_what_it_would_have_left(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    # A process of its own: it forks, which a process that has started a JVM must not do.
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "ecommerce_platform_tests.erasure.kills",
            "--work",
            str(tmp_path),
            "--report",
            str(report),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * 3600,
        cwd=Path(__file__).parents[2],
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    trials = json.loads(report.read_text(encoding="utf-8"))
    assert len(trials) == sum(count for _, count in PLACES.values()) >= 20
    assert [item for item in trials if item["problems"]] == []
