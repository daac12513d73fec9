"""Days applied one by one, in any order, twice, with a late file: the same tables as the landing files alone give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecommerce_platform_tests.end_to_end.compare import assert_same
from ecommerce_platform_tests.end_to_end.everything import LAST_DAY, everything
from ecommerce_platform_tests.end_to_end.history import Change, day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import KEYS, truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_all_is_right, assert_true

DAYS = tuple(day(number) for number in range(1, LAST_DAY + 1))


def split(changes: list[Change]) -> tuple[list[Change], list[Change]]:
    """What is there from the start, and what comes in a late file of day 2: every seventh change of that day."""
    of_day = [change for change in changes if change.landed == day(2)]
    late = [replace(change, file="late-99999.parquet") for change in of_day[::7]]
    elsewhere = [change for change in changes if change.landed != day(2)]
    return elsewhere + [change for index, change in enumerate(of_day) if index % 7], late


@pytest.fixture
def platform(spark_application: None, tmp_path: Path) -> Iterator[Platform]:
    with Platform.installed(tmp_path / "data", tmp_path / "landing") as installed:
        yield installed


@pytest.mark.soak
def test_shuffled_repeated_and_late_days_give_the_same_tables_as_all_days_at_once(
    platform: Platform, tmp_path: Path
) -> None:
    others, late = split(everything(random_histories=100))
    landing = write_landing(tmp_path / "landing", others)

    for first, last in ((4, 4), (1, 2), (2, 2), (6, 6)):
        platform.run(day(first), day(last), with_checks=False)
    assert_true(platform, truth(landing, [day(1), day(2), day(4), day(6)]))
    platform.run(day(3), with_checks=False)
    write_landing(landing, late)
    platform.run(day(2), with_checks=False)
    run = platform.run(day(5))

    assert_all_is_right(platform, run, truth(landing, DAYS))
    incremental = platform.tables()
    with Platform.installed(tmp_path / "fresh", landing) as fresh:
        fresh.run(DAYS[0], DAYS[-1], with_checks=False)
        for name, rows in fresh.tables().items():
            assert_same(incremental[name], rows, KEYS[name], what=name)
