"""Without a setting, steps run beside each other where the machine holds both for what the run reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.landing.files import LandingError, LandingZone
from ecommerce_platform.operations.steps_at_once import allowed, memory_bytes, steps_at_once
from ecommerce_platform.settings import load_settings

GIB = 2**30
OF_A_DAY = {"dagster/partition": "2026-01-02"}
OF_A_RANGE = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-05"}


def run(tags: dict[str, str]) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="daily_batch", tags=tags)


@pytest.mark.parametrize(
    ("memory", "landed", "expected"),
    [(8 * GIB, 40_000_000, 2), (24 * GIB, 755_000_000, 1), (32 * GIB, 755_000_000, 2), (3 * GIB, 1_000, 1)],
)
def test_steps_run_beside_each_other_where_the_memory_holds_both(memory: int, landed: int, expected: int) -> None:
    assert allowed(memory, lambda first, last: landed, run(OF_A_DAY)) == expected


@pytest.mark.parametrize(("tags", "last"), [(OF_A_DAY, date(2026, 1, 2)), (OF_A_RANGE, date(2026, 1, 5))])
def test_what_counts_is_what_the_runs_own_days_have(tags: dict[str, str], last: date) -> None:
    asked: list[tuple[date, date]] = []

    def landed(*days: date) -> int:
        asked.append((days[0], days[1]))
        return 0

    assert allowed(24 * GIB, landed, run(tags)) == 2
    assert asked == [(date(2026, 1, 2), last)]


@pytest.mark.parametrize("error", [LandingError("no landing zone"), PermissionError("no"), ValueError("endpoint")])
def test_a_run_whose_files_cannot_be_listed_does_one_step_at_a_time(error: Exception) -> None:
    def unreachable(first: date, last: date) -> int:
        raise error

    assert allowed(24 * GIB, unreachable, run(OF_A_DAY)) == 1


@pytest.mark.parametrize("tags", [{}, {"dagster/partition": "north"}])
def test_so_does_a_run_of_no_days(tags: dict[str, str]) -> None:
    assert allowed(24 * GIB, lambda first, last: 0, run(tags)) == 1


def test_a_setting_decides_and_without_one_launched_steps_follow_each_other(tmp_path: Path) -> None:
    zone = LandingZone.of(load_settings(data_dir=tmp_path))
    assert steps_at_once(3, "kubernetes", zone)(run(OF_A_DAY)) == 3
    assert steps_at_once(None, "kubernetes", zone)(run(OF_A_DAY)) == 1
    # Nothing has landed: there is no folder to list.
    assert steps_at_once(None, "local", zone)(run(OF_A_DAY)) == 1


def test_the_memory_is_that_of_the_machine_or_of_the_container() -> None:
    assert 0 < memory_bytes() < 2**60
