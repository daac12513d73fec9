"""A range of many days is one commit, in a heap that does not grow with the days."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import read_table_ledger
from ecommerce_platform.lakehouse.ingest.write import DAYS_PER_PART
from ecommerce_platform.sample_shop import generate_sample
from ecommerce_platform.settings import PROJECT_DIR, load_settings

pytestmark = pytest.mark.slow
FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(DAYS_PER_PART)]


def test_a_task_that_meets_hundreds_of_days_has_one_file_open(tmp_path: Path) -> None:
    """A file that is open takes some 2 MB: those of all days would be more than the heap."""
    generate_sample(
        tmp_path / "landing", tmp_path / "realtime", start=FIRST, days=DAYS_PER_PART, orders_per_day=1, dirt=False
    )
    one_task = {
        "ECOMMERCE_DATA_DIR": str(tmp_path / "data"),
        "ECOMMERCE_LANDING_URI": str(tmp_path / "landing"),
        "ECOMMERCE_SPARK__MASTER": "local[1]",
        "ECOMMERCE_SPARK__SHUFFLE_PARTITIONS": "1",
        "ECOMMERCE_SPARK__DRIVER_MEMORY": "600m",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
    command = [str(Path(sys.executable).parent / "ecommerce-platform"), "ingest", "--table", "orders"]
    command += [option for day in DAYS for option in ("--date", day.isoformat())]
    ended = subprocess.run(command, cwd=PROJECT_DIR, env=kept | one_task, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    lake = Lake.of(load_settings(data_dir=tmp_path / "data"))
    published = read_table_ledger("orders", lake.load(lake.events("orders"))).published
    assert len(published) == DAYS_PER_PART
