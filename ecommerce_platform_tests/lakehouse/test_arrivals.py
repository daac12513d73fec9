"""What has arrived is counted and named without Spark: the same files have the same content id anywhere."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform.lakehouse.arrived import arrivals
from ecommerce_platform.lakehouse.arrived.arrivals import Arrivals, ArrivedFile, Intake, file_groups, scan
from ecommerce_platform.lakehouse.arrived.arrivals import _read as read_arrived
from ecommerce_platform.landing.files import LandingError, LandingFile, LandingZone
from ecommerce_platform.landing.unread import unread
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, order

ORDERS = load_contracts()["orders"]


@pytest.fixture
def lake(local_settings: Settings) -> SmallLake:
    """A lake without Spark."""
    (Path(local_settings.landing_uri) / "orders").mkdir(parents=True)

    def no_spark() -> None:
        raise AssertionError("what has arrived is seen without Spark")

    return SmallLake(local_settings, no_spark)  # type: ignore[arg-type]


def scanned(lake: SmallLake) -> Arrivals:
    return scan(Intake.of(lake.settings), ORDERS, [FIRST, SECOND])


def test_rows_are_counted_by_footers_and_days_without_files_are_empty(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1), order(2, 2))
    lake.land(FIRST, order(3, 3), file="b.parquet")
    days = scanned(lake).days
    assert (days[FIRST].rows, len(days[FIRST].files)) == (3, 2)
    assert (days[SECOND].rows, days[SECOND].files) == (0, ())


def test_the_same_files_have_the_same_content_id_after_a_copy_and_a_touch(lake: SmallLake, tmp_path: Path) -> None:
    path = lake.land(FIRST, order(1, 1))
    before = scanned(lake).days[FIRST]
    os.utime(path, (0, 0))
    assert scanned(lake).days[FIRST].content_id == before.content_id
    elsewhere = load_settings(data_dir=tmp_path / "copy")
    shutil.copytree(lake.settings.landing_uri, elsewhere.landing_uri)
    assert scan(Intake.of(elsewhere), ORDERS, [FIRST]).days[FIRST].content_id == before.content_id


@pytest.mark.parametrize(
    "change",
    [
        lambda lake: lake.land(FIRST, order(1, 1, status="shipped")),
        lambda lake: lake.land(FIRST, order(1, 1), file="b.parquet"),
        lambda lake: lake.path(FIRST).rename(lake.path(FIRST, "c.parquet")),
        lambda lake: lake.path(FIRST).unlink(),
    ],
    ids=["another value of the same length", "a late file", "another name", "a file gone"],
)
def test_another_content_has_another_id(lake: SmallLake, change: Callable[[SmallLake], object]) -> None:
    lake.land(FIRST, order(1, 1, status="pending"))
    before = scanned(lake).days[FIRST].content_id
    change(lake)
    assert scanned(lake).days[FIRST].content_id != before


def test_another_contract_makes_another_content_of_the_same_files(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    wider = replace(ORDERS, columns=(*ORDERS.columns, Column("coupon", LogicalType.TEXT)))
    assert scan(Intake.of(lake.settings), wider, [FIRST]).days[FIRST].content_id != scanned(lake).days[FIRST].content_id


def test_days_of_equal_files_have_ids_of_their_own(lake: SmallLake) -> None:
    shutil.copy(lake.land(FIRST, order(1, 1)), lake.path(SECOND))
    days = scanned(lake).days
    assert days[FIRST].content_id != days[SECOND].content_id


def test_an_unreadable_file_refuses_its_day_and_names_itself(lake: SmallLake) -> None:
    lake.path(FIRST, "bad.parquet").write_bytes(b"")
    lake.land(FIRST, order(1, 1))
    lake.land(SECOND, order(1, 1))
    seen = scanned(lake)
    assert sorted(seen.days) == [SECOND]
    assert seen.refused[FIRST].reason == (
        "orders/date=2026-01-01/bad.parquet: it is empty (0 bytes); expected a whole Parquet file: write it again, then "
        "materialize the day again"
    )


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("/nowhere/part-0.parquet")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "it is a pipe; expected a Parquet file"),
        (link_to_itself, "it cannot be opened"),
        (link_to_nothing, "it cannot be opened"),
    ],
)
def test_what_is_neither_file_nor_folder_refuses_its_day_alone_and_is_not_waited_for(
    lake: SmallLake, make: Callable[[Path], None], reason: str
) -> None:
    lake.land(FIRST, order(1, 1))
    make(lake.path(FIRST, "other.parquet"))
    lake.land(SECOND, order(2, 2))
    arrivals = scanned(lake)
    assert list(arrivals.days) == [SECOND]
    assert arrivals.refused[FIRST].reason.startswith(f"orders/date={FIRST}/other.parquet: {reason}")


def test_a_folder_of_a_day_that_links_to_itself_is_no_day(lake: SmallLake) -> None:
    lake.land(SECOND, order(2, 2))
    link_to_itself(lake.path(SECOND).parents[1] / f"date={FIRST}")
    arrivals = scanned(lake)
    assert (arrivals.days[FIRST].files, arrivals.days[SECOND].rows, arrivals.refused) == ((), 1, {})
    (line,) = unread(LandingZone.of(lake.settings), "orders", lake.settings.start_date, SECOND)
    assert line.startswith(f"orders/date={FIRST}: lies in no day's folder")


@pytest.mark.parametrize(
    "step", ["read_footer", "with_epoch_units", "require_plain_times", "extra_columns", "content_id"]
)
def test_a_trouble_that_nobody_foresaw_with_one_days_footer_refuses_that_day_alone(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    lake.land(FIRST, order(1, 1))
    lake.land(SECOND, order(2, 2), order(3, 3))
    usual = getattr(arrivals, step)

    def fails_on_one_row(*arguments: Any) -> Any:
        if "rows=1," in repr(arguments) or size_of_first(arguments):
            raise RecursionError("nobody foresaw this")
        return usual(*arguments)

    first = lake.path(FIRST).stat().st_size

    def size_of_first(arguments: Any) -> bool:
        return any(isinstance(item, pa.NativeFile) and item.size() == first for item in arguments)

    monkeypatch.setattr(arrivals, step, fails_on_one_row)
    seen = scanned(lake)
    assert sorted(seen.days) == [SECOND]
    reason = seen.refused[FIRST].reason
    assert reason.startswith("orders/date=2026-01-01")
    assert "it cannot be judged: RecursionError: nobody foresaw this; expected" in reason


def test_files_of_equal_columns_are_read_together(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.land(SECOND, order(1, 1))
    (group,) = file_groups(ORDERS, list(scanned(lake).days.values()))
    assert len(group.uris) == 2


def test_a_machine_out_of_open_files_refuses_no_day(lake: SmallLake) -> None:
    path = lake.land(FIRST, order(1, 1))
    file = LandingFile(f"date={FIRST}/{path.name}", str(path), path.stat().st_size, "v")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))  # as if all others were in use
    try:
        with pytest.raises(LandingError, match="nothing was refused for it"):
            read_arrived(pafs.LocalFileSystem(), "refuse", ORDERS, file)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert isinstance(read_arrived(pafs.LocalFileSystem(), "refuse", ORDERS, file), ArrivedFile)


def test_a_store_that_is_away_refuses_no_day(lake: SmallLake) -> None:
    file = LandingFile(f"date={FIRST}/a.parquet", "s3://bucket/orders/a.parquet", 1, "v")
    away = pafs.S3FileSystem(
        endpoint_override="127.0.0.1:9",
        scheme="http",
        access_key="key",
        secret_key="secret",
        region="us-east-1",
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    with pytest.raises(LandingError, match=r"cannot be read now.*NETWORK_CONNECTION"):
        read_arrived(away, "refuse", ORDERS, file)
