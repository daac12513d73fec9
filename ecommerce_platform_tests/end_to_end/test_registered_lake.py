"""The catalog is deleted, the tables are registered, and the next day goes on: every table as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.register import register
from ecommerce_platform.settings import SparkSettings
from ecommerce_platform_tests.end_to_end.everything import LAST_DAY, everything
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_all_is_right

DAYS = tuple(day(number) for number in range(1, LAST_DAY + 1))


@pytest.mark.soak
def test_days_go_on_after_a_lost_catalog_with_all_tables_right(spark_application: None, tmp_path: Path) -> None:
    landing = write_landing(tmp_path / "landing", everything(random_histories=20))
    with Platform.installed(tmp_path / "data", landing) as platform:
        platform.run(DAYS[0], DAYS[-2], with_checks=False)
        (tmp_path / "data" / "catalog.db").unlink()
        lost = platform.run(DAYS[-1], with_checks=False)
        assert not lost.success

        assert {item.outcome for item in register(Lake.of(platform.settings))} == {"registered"}
        # A session that has not seen the lost catalog, as a new process has it.
        fresh = SparkSettings(extra={"spark.sql.catalog.iceberg.process": "second"})
        platform.settings = platform.settings.model_copy(update={"spark": fresh})
        run = platform.run(DAYS[-1])

        assert_all_is_right(platform, run, truth(landing, DAYS))
