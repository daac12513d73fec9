from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ecommerce_platform.landing.files import (
    LandingError,
    LandingZone,
    TopLevel,
    landed_bytes,
    list_days,
    list_table,
    list_top_level,
)
from ecommerce_platform.landing.unread import unread_lines
from ecommerce_platform_tests.s3_server import s3_bucket

ORDERS = (
    "orders/date=2026-01-02/part-1.parquet",
    "orders/date=2026-01-02/part-0.parquet",
    "orders/date=2026-01-03/late.parquet",
    "orders/date=2026-01-10/part-0.parquet",
)
NO_LANDING_FILES = (
    "orders/date=2026-01-02/_SUCCESS",
    "orders/date=2026-01-02/.part-2.parquet",
    "orders/date=2026-01-02/_part-3.parquet",
    "orders/date=2026-01-02/part-4.parquet.tmp",
    "orders/date=2026-02-30/part-0.parquet",
    "orders/some-day/part-0.parquet",
    "orders/readme.txt",
)


@pytest.fixture(params=["folder", "s3"])
def landing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LandingZone]:
    """The same landing zone on a disk and on S3."""
    names = (*ORDERS, *NO_LANDING_FILES, "orders_archive/date=2026-01-02/part-0.parquet")
    if request.param == "folder":
        for name in names:
            path = tmp_path / "landing" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        yield LandingZone(str(tmp_path / "landing"))
        return
    with s3_bucket("landing-shop") as bucket:
        for name in names:
            bucket.client.put_object(Bucket=bucket.name, Key=f"cdc/{name}", Body=name.encode())
        yield LandingZone("s3://landing-shop/cdc", bucket.settings)


def test_a_tables_days_are_its_folders_with_parquet_files(landing: LandingZone) -> None:
    assert list_days(landing, "orders") == (date(2026, 1, 2), date(2026, 1, 3), date(2026, 1, 10))


def test_a_days_files_come_by_name_without_hidden_and_temporary_ones(landing: LandingZone) -> None:
    files = list_table(landing, "orders").days[date(2026, 1, 2)]
    assert [file.path for file in files] == ["date=2026-01-02/part-0.parquet", "date=2026-01-02/part-1.parquet"]
    assert [file.uri for file in files] == [f"{landing.uri}/orders/{file.path}" for file in files]
    assert {file.size for file in files} == {len("orders/date=2026-01-02/part-0.parquet")}


def test_what_lies_in_no_days_folder_is_named(landing: LandingZone) -> None:
    assert list_top_level(landing, "orders") == TopLevel(
        ("date=2026-01-02", "date=2026-01-03", "date=2026-01-10", "date=2026-02-30", "some-day"), ("readme.txt",), True
    )
    assert list_top_level(replace(landing, ignore=("*.txt", "some-day/*")), "orders").files == ()
    assert "some-day" not in list_top_level(replace(landing, ignore=("*.txt", "some-day/*")), "orders").folders
    assert list_top_level(landing, "users") == TopLevel((), (), False)


def test_each_thing_that_no_run_reads_is_one_line() -> None:
    top = TopLevel(
        ("date=2025-12-31", "date=2026-01-02", "date=2026-01-09", "date=2026_01_05", "dt=2026-01-05"),
        ("a.parquet",),
        True,
    )
    assert unread_lines("orders", top, date(2026, 1, 1), date(2026, 1, 8)) == (
        "orders/date=2026_01_05/, orders/dt=2026-01-05/: is not the folder of a day; expected date=YYYY-MM-DD; no run reads it",
        "orders/a.parquet: lies in no day's folder; expected date=YYYY-MM-DD/ around it; no run reads it",
        "orders/date=2025-12-31/: lies before the first partition, 2026-01-01 (ECOMMERCE_START_DATE); no run reads it",
        "orders/date=2026-01-09/: lies after the last partition, 2026-01-08; it is read when its day has come; no run reads it",
    )
    (missing,) = unread_lines("users", TopLevel((), (), False), date(2026, 1, 1), date(2026, 1, 8))
    assert missing.startswith("users/: the table has no folder in the landing zone")


def test_a_landing_zone_without_the_folder_of_any_table_is_an_error_that_says_what_it_holds(
    landing: LandingZone,
) -> None:
    wrong = replace(landing, uri=f"{landing.uri}/orders")
    with pytest.raises(LandingError, match=r"has no folder of any table; it holds .*date=2026-01-02/.*expected users/"):
        list_table(wrong, "orders")
    with pytest.raises(LandingError, match="has no folder of any table"):
        list_top_level(wrong, "orders")


def test_a_range_of_days_holds_both_its_ends(landing: LandingZone) -> None:
    listed = list_table(landing, "orders", date(2026, 1, 3), date(2026, 1, 10))
    assert list(listed.days) == [date(2026, 1, 3), date(2026, 1, 10)]


def test_what_a_run_will_read_is_its_tables_and_days_landing_files(landing: LandingZone) -> None:
    expected = sum(map(len, ORDERS[:3]))
    assert landed_bytes(landing, ["orders", "users"], date(2026, 1, 2), date(2026, 1, 9)) == expected


def test_a_day_without_a_folder_and_a_table_without_a_folder_are_empty(landing: LandingZone) -> None:
    assert date(2026, 1, 4) not in list_table(landing, "orders").days
    assert list_days(landing, "users") == ()


def test_a_file_of_the_same_name_and_size_has_another_version_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "orders" / "date=2026-01-02" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    before = list_table(LandingZone(str(tmp_path)), "orders").days[date(2026, 1, 2)]
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))  # as `cp -p` does: only the change time shows it
    after = list_table(LandingZone(str(tmp_path)), "orders").days[date(2026, 1, 2)]
    assert before[0].version != after[0].version


def test_a_landing_zone_that_does_not_exist_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=r"does not exist.*ECOMMERCE_LANDING_URI"):
        list_days(LandingZone(str(tmp_path / "nowhere")), "orders")


def test_a_bucket_that_does_not_exist_is_an_error_that_names_the_address(landing: LandingZone) -> None:
    if not landing.is_on_s3:
        pytest.skip("a folder has no bucket")
    with pytest.raises(LandingError, match="s3://nobody/cdc cannot be listed"):
        list_days(replace(landing, uri="s3://nobody/cdc"), "orders")


def test_a_file_address_is_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "my landing" / "orders" / "date=2026-01-02" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert list_days(LandingZone((tmp_path / "my landing").as_uri()), "orders") == (date(2026, 1, 2),)
