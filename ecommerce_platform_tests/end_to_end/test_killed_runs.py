"""A run that is killed leaves the last good state readable, and the same command mends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.end_to_end.everything import everything
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_spark_agrees, assert_true

MATERIALIZE = ("dagster", "asset", "materialize", "-m", "ecommerce_platform.definitions", "--select", "*")
#: Once RAW is loaded the models change, beside Spark's analytics where steps run side by side.
BEFORE_DBT = ("change_events", "snowflake_raw")

pytestmark = pytest.mark.slow


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    write_landing(tmp_path / "landing", everything(random_histories=30))
    with Platform.installed(tmp_path / "data", tmp_path / "landing") as installed:
        yield installed


def killed_at(platform: Platform, home: Path, words: str, times: int, last_day: str) -> bool:
    """Starts the run of all days to `last_day` and kills it when a line with `words` is logged for the n-th time."""
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / MATERIALIZE[0]),
            *MATERIALIZE[1:],
            "--partition-range",
            f"{day(1)}...{last_day}",
        ],
        cwd=PROJECT_DIR,
        env=platform.environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    seen = 0
    for line in process.stderr:
        seen += words in line
        if seen >= times:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    process.wait()
    return False


@pytest.mark.parametrize(
    "point",
    spread(
        [
            ("change_events - STEP_START", 1),
            ("snowflake_raw - STEP_START", 1),
            ("spark_analytics - STEP_SUCCESS", 1),
            ("dbt_models - ASSET_MATERIALIZATION", 1),
            ("dbt_models - ASSET_MATERIALIZATION", 6),
            ("dbt_models - ASSET_MATERIALIZATION", 14),
        ],
        everyday=0,
        slow=1,
    ),
    ids=lambda point: f"{point[0]} {point[1]}",
)
def test_a_killed_run_keeps_the_old_state_and_the_next_run_completes_it(
    platform: Platform, tmp_path: Path, point: tuple[str, int]
) -> None:
    words, times = point
    home, landing = tmp_path / "dagster_home", tmp_path / "landing"
    first = platform.shell(home, *MATERIALIZE, "--partition-range", f"{day(1)}...{day(3)}")
    before = truth(landing, [day(1), day(2), day(3)])
    assert_true(platform, before)

    assert killed_at(platform, home, words, times, str(day(6))), first.stderr[-2000:]
    if words.startswith(BEFORE_DBT):
        assert_true(platform, before)
    platform.shell(home, *MATERIALIZE, "--partition-range", f"{day(1)}...{day(6)}")

    assert_true(platform, truth(landing, [day(number) for number in range(1, 7)]))
    assert_spark_agrees(platform)
