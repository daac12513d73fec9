from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecommerce_platform.landing.changes import (
    EMPTIED,
    Cursor,
    DayRange,
    changed_days,
    data_version,
    day_digests,
    emptied_days,
    only_erased,
    ranges_of,
)
from ecommerce_platform.landing.files import LandingFile, LandingTable

DAY = date(2026, 1, 1)


def day(number: int) -> date:
    return DAY + timedelta(days=number - 1)


def a_file(name: str = "part-0.parquet", version: str = "v1") -> LandingFile:
    return LandingFile(f"date=2026-01-01/{name}", f"/landing/{name}", 10, version)


def test_the_data_version_knows_names_and_versions_and_not_the_order_of_a_listing() -> None:
    one, two = a_file("a.parquet"), a_file("b.parquet")
    assert data_version([one, two]) == data_version([two, one])
    assert len({data_version(files) for files in ([one], [two], [one, two], [], [a_file("a.parquet", "v2")])}) == 5


def test_a_days_digest_changes_with_any_of_its_tables() -> None:
    users = LandingTable("users", {DAY: (a_file(),)})
    orders = LandingTable("orders", {DAY: (a_file(),)})
    changed = LandingTable("orders", {DAY: (a_file(version="v2"),)})
    assert day_digests([users, orders]) == day_digests([orders, users])
    assert day_digests([users, orders]) != day_digests([users, changed])
    assert day_digests([users]) != day_digests([orders])


days_apart = st.dictionaries(
    st.dates(date(2020, 1, 1), date(2026, 12, 31)), st.text("abcdef", min_size=8, max_size=8), max_size=20
)


@given(days_apart)
def test_a_cursor_comes_back_from_its_text(digests: dict[date, str]) -> None:
    assert Cursor.from_text(Cursor(digests).to_text()) == Cursor(digests)


def test_the_cursor_of_two_thousand_days_stays_small() -> None:
    cursor = Cursor({DAY + timedelta(days=number): "abcdefgh" for number in range(2000)})
    assert len(cursor.to_text()) < 17_000


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"version": 9, "first": "2026-01-01", "digests": "x"}'])
def test_a_cursor_that_cannot_be_read_is_empty(text: str | None) -> None:
    assert Cursor.from_text(text) == Cursor()


def test_new_and_changed_days_are_changed_emptied_ones_are_emptied_and_days_outside_the_partitions_wait() -> None:
    cursor = Cursor({day(1): "same", day(2): "old", day(3): "gone"})
    seen = {day(1): "same", day(2): "new", day(4): "come", day(9): "tomorrow", DAY - timedelta(days=1): "too early"}
    assert changed_days(cursor, seen, day(1), day(8)) == (day(2), day(4))
    assert emptied_days(cursor, seen, day(1), day(8)) == (day(3),)
    assert emptied_days(cursor, seen, day(4), day(8)) == ()


def test_only_requested_days_move_into_the_cursor() -> None:
    moved = Cursor({day(1): "old", day(2): "old"}).advanced([day(1), day(2)], {day(1): "new", day(3): "new"})
    assert moved == Cursor({day(1): "new"}, generation=1)


def test_the_generation_comes_back_and_one_that_is_lost_is_given() -> None:
    assert Cursor.from_text(Cursor({}, 7).to_text(), 3).generation == 7
    assert Cursor.from_text(Cursor({day(1): "abcdefgh"}, 7).to_text()) == Cursor({day(1): "abcdefgh"}, 7)
    assert Cursor.from_text(None, 3) == Cursor({}, 3)
    assert Cursor({day(1): "abcdefgh", day(2): "bbbbbbbb"}, 2).emptied([day(1)], [day(2)]) == Cursor(
        {day(1): EMPTIED}, 2
    )


def test_days_without_a_gap_are_one_range_up_to_its_greatest_length() -> None:
    days = [day(number) for number in (1, 2, 3, 5, 6)]
    assert ranges_of(days, 90) == (DayRange(day(1), day(3)), DayRange(day(5), day(6)))
    assert ranges_of(days, 2) == (DayRange(day(1), day(2)), DayRange(day(3), day(3)), DayRange(day(5), day(6)))


def test_a_run_key_names_the_days_and_what_they_held() -> None:
    days = DayRange(day(1), day(2))
    assert days.run_key({day(1): "a"}) == days.run_key({day(1): "a"})
    assert days.run_key({day(1): "a"}) != days.run_key({day(1): "b"})
    assert days.run_key({day(1): "a"}, 1) != days.run_key({day(1): "a"}, 2)
    assert days.run_key({day(1): "a"}).startswith("2026-01-01...2026-01-02:")


def landed(versions: dict[str, str]) -> list[LandingTable]:
    day = date(2026, 1, 1)
    files = tuple(LandingFile(f"date=2026-01-01/{name}", name, 1, version) for name, version in versions.items())
    return [LandingTable("users", {day: files})]


@pytest.mark.parametrize(
    ("now", "erased"),
    [
        ({"a": "2", "b": "1"}, True),  # the erasure's own file
        ({"a": "3", "b": "1"}, True),  # and a second erasure of it
        ({"a": "2", "b": "1", "c": "1"}, False),  # another file has come
        ({"a": "2", "b": "9"}, False),  # somebody changed another file
        ({"a": "9", "b": "1"}, False),  # somebody changed that file since
        ({"a": "2"}, False),  # a file has gone
    ],
)
def test_a_day_that_only_erasures_have_changed_is_known_as_such(now: dict[str, str], erased: bool) -> None:
    day = date(2026, 1, 1)
    cursor = Cursor(day_digests(landed({"a": "1", "b": "1"})))
    erasures = [{"users": {"date=2026-01-01/a": ("1", "2")}}, {"users": {"date=2026-01-01/a": ("2", "3")}}]
    assert only_erased(cursor, landed(now), [day], erasures) == ((day,) if erased else ())
