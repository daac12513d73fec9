"""A marked person goes through the whole platform, is forgotten, and is in nothing any more; all figures are as they were."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.demo.steps import load_speed_layer, write_sample
from ecommerce_platform_tests.end_to_end.oracle import truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_all_is_right
from ecommerce_platform_tests.erasure.marked import MARKER, busiest, mark
from ecommerce_platform_tests.erasure.search import files_with, tables_with

FIGURES = ("marts.daily_business_metrics", "marts.customer_tier_analytics", "marts.product_performance")
DAYS = tuple(date(2026, 1, number) for number in range(1, 5))


def without_marked(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(row) for row in rows if MARKER not in str(row))


@pytest.mark.slow
def test_a_marked_person_is_forgotten_everywhere_and_every_figure_stays(
    spark_application: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The latest state, which Spark's analytics keep of a long history, is here from the second run on.
    monkeypatch.setenv("ECOMMERCE_SPARK__ANALYTICS_STATE_FROM_EVENTS", "0")
    data, home = tmp_path / "data", tmp_path / "home"
    with Platform.installed(data, data / "landing") as platform:
        settings = platform.settings
        write_sample(settings, days=4, orders_per_day=30, seed=4, faults=False, overwrite=True, say=lambda line: None)
        landing, key = data / "landing", busiest(data / "landing")
        marked = sum(
            mark(path, key)
            for pattern in ("landing/users/*/*.parquet", "landing/orders/*/*.parquet", "realtime/*.parquet")
            for path in data.glob(pattern)
        )
        assert marked > 10
        (tmp_path / "to_come").mkdir()
        last = {path.parent.name: path for path in landing.glob("*/date=2026-01-04")}
        for name, path in last.items():
            shutil.move(path, tmp_path / "to_come" / name)
        load_speed_layer(settings, settings.realtime_dir)
        for run in (platform.run(DAYS[0]), platform.run(DAYS[1], DAYS[2])):
            assert not run.failed_steps

        before, verdicts = platform.tables(), reconciled(platform)
        # The second run has changed what the first one published, as it should.
        restated = sorted(map(str, platform.query("select * from marts.restatements")))
        assert len(tables_with(settings, MARKER)) >= 9
        left_behind = data / "scratch" / "warehouse" / "load-killed"
        left_behind.mkdir(parents=True)
        (left_behind / "fetched-0.parquet").write_bytes(MARKER.encode())

        forgotten = platform.shell(
            home, "ecommerce-platform", "forget", "user", str(key), "--reason", "asked", "--yes", "--alone"
        )
        assert forgotten.returncode == 0, forgotten.stderr[-3000:]
        assert MARKER not in forgotten.stdout + forgotten.stderr
        assert files_with(tmp_path / "data", MARKER) == []
        assert tables_with(settings, MARKER) == []

        after = platform.tables()
        for name, rows in before.items():
            assert len(after[name]) == len(rows)
            assert without_marked(rows) <= without_marked(after[name]), name
        assert {name: after[name] for name in FIGURES} == {name: before[name] for name in FIGURES}
        assert sorted(map(str, platform.query("select * from marts.restatements"))) == restated

        # The person's rows come once more with the next day, as an old delivery would bring them.
        for name, path in last.items():
            shutil.move(tmp_path / "to_come" / name, path)
        old = next((landing / "users").glob("date=2026-01-01/*.parquet"))
        again = pq.read_table(old).slice(0, 0)
        row = dict.fromkeys(again.column_names) | {"id": key, "email": f"{MARKER} again", "__op": "u"}
        template = pq.read_table(old).to_pylist()[0]
        row |= {name: template[name] for name in template if name.startswith(("__", "created", "updated"))}
        row["__source_lsn"] = 10**12
        pq.write_table(pa.Table.from_pylist([row], again.schema), last["users"] / "late.parquet")
        run = platform.run(DAYS[0], DAYS[3])
        assert not run.failed_steps
        assert tables_with(settings, MARKER) == []
        assert {path.partition("/")[0] for path in files_with(data, MARKER)} <= {"landing"}

        repeated = platform.shell(home, "ecommerce-platform", "forget", "users", str(key), "--yes", "--alone")
        assert repeated.returncode == 0, repeated.stderr[-3000:]
        assert files_with(data, MARKER) == []
        assert reconciled(platform).items() >= verdicts.items()
        assert_all_is_right(platform, platform.run(DAYS[0], DAYS[3]), truth(landing, DAYS))
        rebuilt = platform.shell(home, "ecommerce-platform", "rebuild", "all")
        assert rebuilt.returncode == 0, rebuilt.stderr[-3000:]
        assert_all_is_right(platform, platform.run(DAYS[3]), truth(landing, DAYS))


def reconciled(platform: Platform) -> dict[tuple[Any, ...], Any]:
    """The comparison's verdict on each metric of the days before the last."""
    rows = platform.query("select date, metric, user_tier, status from reconciliation.latest_daily_business_metrics")
    return {
        (row["date"], row["metric"], row["user_tier"]): row["status"] for row in rows if row["date"] < date(2025, 12, 1)
    }
