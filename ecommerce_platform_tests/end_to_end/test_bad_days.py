"""Days that cannot be taken: the good ones go through, the last good state stays readable, and a corrected day mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform_tests.end_to_end.cases.catalogue import UNREADABLE
from ecommerce_platform_tests.end_to_end.history import History, day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_true


@pytest.fixture
def platform(spark_application: None, tmp_path: Path) -> Iterator[Platform]:
    with Platform.installed(tmp_path / "data", tmp_path / "landing") as installed:
        yield installed


@pytest.mark.slow
def test_a_bad_day_is_named_the_good_ones_go_through_and_a_corrected_file_mends_it(
    platform: Platform, tmp_path: Path
) -> None:
    # Day 2 has a price that is none; day 3 a file that was cut off on its way.
    history = UNREADABLE.history
    third = History()
    third.insert("orders", 3, id=3000, status="shipped", total_amount="12.34")
    landing = write_landing(tmp_path / "landing", [*history.changes, *third.changes])
    cut_off = landing / "orders" / f"date={day(3)}" / "part-00000.parquet"
    whole = cut_off.read_bytes()
    cut_off.write_bytes(whole[: len(whole) // 2])

    run = platform.run(day(1), day(3))

    assert not run.success
    assert any("all_days_published" in check for check in run.failed_checks | run.failed_steps)
    expected = truth(landing, [day(1), day(2), day(3)])
    assert expected.applied == (day(1),)
    assert_true(platform, expected)
    refused = {key for key, counts in expected.counts.items() if counts.refused}
    assert refused == {("products", day(2)), ("orders", day(3))}
    assert platform.counts() == {key: counts for key, counts in expected.counts.items() if key not in refused}

    cut_off.write_bytes(whole)
    (landing / "products" / f"date={day(2)}" / "part-00000.parquet").unlink()
    mended = platform.run(day(2), day(3))

    assert not mended.failed_checks
    assert not mended.failed_steps
    assert_true(platform, truth(landing, [day(1), day(2), day(3)]))
