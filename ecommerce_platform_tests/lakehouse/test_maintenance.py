"""Maintenance decides what is due, does it beside writers, and never changes what readers see."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.arrived.expired_landing import remove_expired_landing
from ecommerce_platform.lakehouse.days.ledger import DayRecord, RefusedDay, TableLedger
from ecommerce_platform.lakehouse.days.publish import start_branch
from ecommerce_platform.lakehouse.ingest.tables import open_catalog
from ecommerce_platform.lakehouse.maintenance.plan import (
    FileSizes,
    MaintenanceReport,
    SnapshotAge,
    contents_past_retention,
    contents_to_drop,
    days_to_compact,
    expirable,
)
from ecommerce_platform.lakehouse.maintenance.work import Maintenance, run_maintenance
from ecommerce_platform.landing.files import LandingZone, list_table
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, THIRD, SmallLake, order

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def record(day: date, snapshot: int = 1, content: str = "content") -> DayRecord:
    return DayRecord("orders", day, snapshot, content, 1, 1, 0, 0, 1, 1, "run")


def ledger(*days: date, refused: tuple[date, ...] = ()) -> TableLedger:
    return TableLedger(
        {day: record(day) for day in days},
        {day: RefusedDay("orders", day, "bad", "refused-content", "", "run") for day in refused},
    )


@pytest.mark.parametrize(
    ("sizes", "files"),
    [
        ((10, 10, 10), 1),
        ((10,), None),
        ((80, 80), None),
        ((80, 10), None),
        ((80, 10, 10), 1),
        ((60, 60, 60), 2),
        ((70, 70), None),
        ((300, 10, 10), None),
        ((), None),
    ],
)
def test_a_day_is_compacted_when_it_has_small_files_and_more_of_them_than_it_needs(
    sizes: tuple[int, ...], files: int | None
) -> None:
    due = days_to_compact({FIRST: FileSizes(sizes)}, ledger(FIRST), target=100)
    assert due == ({FIRST: files} if files else {})


def test_days_that_are_not_published_or_wait_for_a_decision_are_left_alone() -> None:
    small = FileSizes((10, 10))
    due = days_to_compact(
        {FIRST: small, SECOND: small, THIRD: small}, ledger(FIRST, SECOND, refused=(SECOND,)), target=100
    )
    assert due == {FIRST: 1}


def test_a_snapshot_is_expired_when_it_is_old_and_no_branch_ends_at_it() -> None:
    ages = [SnapshotAge(number, NOW - timedelta(days=days)) for number, days in ((1, 30), (2, 30), (3, 8), (4, 6))]
    assert expirable(ages, {2}, NOW, WEEK) == (1, 3)


def test_quarantined_rows_of_no_day_are_dropped_unless_a_run_may_be_at_work() -> None:
    old, young = NOW - timedelta(days=4), NOW - timedelta(days=2)
    written = {"content": old, "refused-content": old, "gone": old, "at-work": young, "unknown": None}
    droppable = contents_to_drop(written, ledger(FIRST, refused=(SECOND,)), NOW, timedelta(days=3))
    assert droppable == ("gone", "unknown")


def test_quarantined_rows_go_with_the_age_of_their_day_unless_somebody_waits_for_them() -> None:
    old, young = NOW - timedelta(days=30), NOW - timedelta(days=2)
    days = {
        THIRD - timedelta(days=ago): record(THIRD - timedelta(days=ago), content=f"of-{ago}")
        for ago in (0, 89, 90, 91, 92)
    }
    waiting = RefusedDay("orders", THIRD - timedelta(days=92), "bad", "of-92", "", "run")
    written = {"of-0": old, "of-90": old, "of-91": None, "of-92": old, "nobody's": old}

    def due(written: dict[str, datetime | None]) -> tuple[str, ...]:
        return contents_past_retention(written, TableLedger(days, {waiting.day: waiting}), NOW, 90, WEEK)

    assert due(written) == ("of-91",)
    assert due(written | {"of-91": young}) == ()


def test_landing_files_past_their_retention_go_where_they_are_what_is_published(lake: SmallLake) -> None:
    for day in (FIRST, SECOND, THIRD):
        lake.land(day, order(1, day.day))
        lake.land(day, order(2, day.day), file="part-1.parquet")
    lake.ingest(FIRST, SECOND)
    last = THIRD.replace(month=3)
    lake.land(last, order(3, 9))
    lake.ingest(last)
    lake.land(SECOND, order(4, 2), file="late.parquet")
    landing = lake.settings.landing.model_copy(update={"retention_days": 30})
    keeping = lake.settings.model_copy(update={"landing": landing})
    removing = lake.settings.model_copy(update={"landing": landing.model_copy(update={"remove_expired": True})})

    assert remove_expired_landing(Lake.of(keeping), Intake.of(keeping)) == []
    assert (
        remove_expired_landing(Lake.of(removing), Intake.of(removing), dry_run=True)[0]
        == f"landing orders, {FIRST}: would remove 2 files"
    )
    removed = remove_expired_landing(Lake.of(removing), Intake.of(removing))

    assert removed == [
        f"landing orders, {FIRST}: removed 2 files",
        f"landing orders, {SECOND}: kept, its files are not what is published; materialize the day",
    ]
    left = list_table(LandingZone.of(removing), "orders").days
    assert {day: len(files) for day, files in left.items()} == {SECOND: 3, THIRD: 2, last: 1}
    assert lake.rows("id") == [(1,), (2,), (1,), (2,), (3,)]


def maintenance_of(
    lake: SmallLake, *, dry_run: bool = False, reached: Callable[[str, str], None] | None = None
) -> Maintenance:
    """A maintenance run for which every snapshot is old."""
    lakehouse = lake.settings.lakehouse.model_copy(update={"snapshot_retention_days": 0})
    settings = lake.settings.model_copy(update={"lakehouse": lakehouse})
    report = reached or (lambda table, step: None)
    return Maintenance(Lake.of(settings), lake.session, f"maintenance-{lake.runs}", datetime.now(UTC), dry_run, report)


def of_orders(reports: list[MaintenanceReport]) -> MaintenanceReport:
    return next(report for report in reports if report.table == "ecommerce.orders")


@pytest.fixture
def scattered(lake: SmallLake, monkeypatch: pytest.MonkeyPatch) -> SmallLake:
    """Two days of many small files each; the first was published twice, so that no ledger names one of its snapshots."""
    monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.duplicates.ROWS_PER_BUCKET", 2)
    # Or Spark would put so few rows into one file.
    lake.session().conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    lake.land(FIRST, *(order(key, key) for key in range(1, 31)), order(None, 900), order(901, None))
    small = lake.settings.landing.model_copy(update={"max_quarantined_share": 1})
    lake.settings = lake.settings.model_copy(update={"landing": small})
    lake.ingest(FIRST)
    lake.land(FIRST, *(order(key, key) for key in range(1, 41)), order(None, 900))
    lake.ingest(FIRST)
    lake.land(SECOND, *(order(key, key) for key in range(41, 61)))
    lake.ingest(SECOND)
    return lake


def snapshots(lake: SmallLake) -> set[int]:
    return {snapshot.snapshot_id for snapshot in Lake.of(lake.settings).load("ecommerce.orders").snapshots()}


def files_on_disk(lake: SmallLake) -> set[Path]:
    return set(Path(lake.settings.lakehouse.warehouse or "").glob("ecommerce/orders/data/**/*.parquet"))


def test_maintenance_compacts_expires_and_removes_and_changes_nothing_that_readers_see(scattered: SmallLake) -> None:
    lake = scattered
    rows, before, ids = lake.rows("id", "__source_file", "__source_row", "status"), lake.ledger, snapshots(lake)
    files = files_on_disk(lake)
    orphan = next(iter(files)).with_name("left-behind.parquet")
    orphan.write_bytes(b"half a file")
    os.utime(orphan, (0, 0))

    planned = of_orders(run_maintenance(maintenance_of(lake, dry_run=True), ["orders"]))
    assert (planned.days_compacted, planned.orphan_files_removed) == ((FIRST, SECOND), 1)
    assert (files_on_disk(lake) - {orphan}, snapshots(lake), lake.ledger) == (files, ids, before)

    report = of_orders(run_maintenance(maintenance_of(lake), ["orders"]))

    assert lake.rows("id", "__source_file", "__source_row", "status") == rows
    assert report.days_compacted == (FIRST, SECOND)
    assert (report.files_after, report.files_before) == (2, planned.files_before)
    assert report.files_before >= 4
    assert report.snapshots_expired >= 2
    assert not orphan.exists()
    now = lake.ledger.published
    assert {day: (item.content_id, item.published) for day, item in now.items()} == {
        day: (item.content_id, item.published) for day, item in before.published.items()
    }
    assert not {item.snapshot_id for item in before.published.values()} & snapshots(lake)
    assert lake.branches() == []
    assert lake.ingest(FIRST, SECOND).published == {}

    again = of_orders(run_maintenance(maintenance_of(lake), ["orders"]))
    assert (again.days_compacted, again.files_before, again.files_after) == ((), 2, 2)


@pytest.mark.slow
def test_the_files_of_a_replaced_day_go_although_its_snapshot_published_another_day(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.land(SECOND, order(2, 2))
    lake.ingest(FIRST, SECOND)
    old = {path for path in files_on_disk(lake) if "2026-01-02" in str(path)}
    lake.land(SECOND, order(2, 2, status="shipped"))
    lake.ingest(SECOND)
    # The ledger still says of the first day that the snapshot published it which holds the second day's old file.
    assert lake.ledger.published[FIRST].snapshot_id in snapshots(lake)

    run_maintenance(maintenance_of(lake), ["orders"])

    assert old
    assert not old & files_on_disk(lake)
    assert lake.rows("id", "status") == [(1, "pending"), (2, "shipped")]
    assert lake.ingest(FIRST, SECOND).published == {}


@pytest.mark.soak
def test_a_run_that_publishes_while_a_day_is_compacted_wins_and_maintenance_tries_again(scattered: SmallLake) -> None:
    lake = scattered
    ran: list[str] = []

    def publish_between(table: str, step: str) -> None:
        if step == "written" and not ran:
            ran.append(step)
            lake.land(FIRST, *(order(key, key) for key in range(1, 51)))
            lake.ingest(FIRST)

    report = of_orders(run_maintenance(maintenance_of(lake, reached=publish_between), ["orders"]))

    assert ran == ["written"]
    assert (report.days_compacted, report.files_after) == ((FIRST, SECOND), 2)
    assert sorted(key for (key,) in lake.rows("id")) == sorted([*range(1, 51), *range(41, 61)])
    assert lake.ledger.published[FIRST].published == 50
    assert lake.ingest(FIRST, SECOND).published == {}


@pytest.mark.soak
def test_maintenance_that_comes_between_makes_a_run_write_its_day_again_and_publish_it_right(
    scattered: SmallLake,
) -> None:
    lake = scattered
    ran: list[str] = []

    def maintenance_between(table: str, step: str) -> None:
        if step == "written" and not ran:
            ran.append(step)
            run_maintenance(maintenance_of(lake), ["orders"])

    lake.land(THIRD, order(100, 100))
    lake.reached = maintenance_between
    result = lake.ingest(THIRD)

    assert (ran, sorted(result.published)) == (["written"], [THIRD])
    assert len(lake.rows("id")) == 61
    assert lake.branches() == []


@pytest.mark.soak
def test_a_refused_branch_keeps_its_snapshot_and_its_quarantined_rows(scattered: SmallLake) -> None:
    lake = scattered
    strict = lake.settings.landing.model_copy(update={"max_quarantined_share": 0})
    lake.settings = lake.settings.model_copy(update={"landing": strict})
    lake.land(FIRST, order(1, 1), order(2, None))
    refused = lake.ingest(FIRST).refused[FIRST]
    start_branch(open_catalog(Lake.of(lake.settings)), Lake.of(lake.settings).load("ecommerce.orders"), "somebodys_own")

    report = of_orders(run_maintenance(maintenance_of(lake), ["orders"]))

    assert report.days_compacted == (SECOND,)
    table = Lake.of(lake.settings).load("ecommerce.orders")
    assert table.scan(snapshot_id=table.metadata.refs[refused.branch].snapshot_id).count() == 21
    assert lake.ledger.refused == {FIRST: refused}
    assert sorted(lake.branches()) == sorted([refused.branch, "somebodys_own"])
    assert ("missing_lsn", refused.content_id) in lake.quarantined("reason", "content_id")
