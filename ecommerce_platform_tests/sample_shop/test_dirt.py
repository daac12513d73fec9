"""Every kind of dirt is in the files, as often as the report says; and none is there when none is asked for."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from ecommerce_platform.metrics import EMAIL_PATTERN, KNOWN_STATUSES
from ecommerce_platform.sample_shop import DirtPlan, SampleError, generate_sample
from ecommerce_platform.sample_shop.landing.damage import most_unreadable
from ecommerce_platform_tests.sample_shop.reading import (
    PLACEHOLDER,
    TABLES,
    Row,
    Unreadable,
    count,
    histories,
    latest_states,
)
from ecommerce_platform_tests.sample_shop.written import Sample, write_sample


def is_blank(value: str | None) -> bool:
    return value is None or not value.strip()


BUSINESS_DIRT: dict[tuple[str, str], Callable[[Row], bool]] = {
    ("invalid_emails", "users"): lambda row: not re.match(EMAIL_PATTERN, row["email"] or ""),
    ("missing_names", "users"): lambda row: is_blank(row["first_name"]) or is_blank(row["last_name"]),
    ("missing_categories", "products"): lambda row: row["category"] is None,
    ("missing_addresses", "orders"): lambda row: row["shipping_address"] is None,
    ("unknown_statuses", "orders"): lambda row: row["status"] not in KNOWN_STATUSES,
    ("negative_amounts", "orders"): lambda row: isinstance(row["total_amount"], object) and row["total_amount"] < 0,
    ("orders_of_unknown_users", "orders"): lambda row: row["user_id"] > 1_000_000,
    ("items_of_unknown_products", "order_items"): lambda row: row["product_id"] > 1_000_000,
}


@pytest.fixture(scope="module")
def readable_sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The sample with all dirt but unreadable rows, so that every row of a dirty key can be counted."""
    return write_sample(tmp_path_factory.mktemp("readable"), DirtPlan(unreadable=0))


@pytest.mark.parametrize(("kind", "table"), BUSINESS_DIRT)
def test_business_dirt_is_there_in_the_reported_number(readable_sample: Sample, kind: str, table: str) -> None:
    is_dirty = BUSINESS_DIRT[kind, table]
    dirty = {row["id"] for row in readable_sample.of(table) if row["__op"] != "DELETE" and is_dirty(row)}
    assert len(dirty) == readable_sample.report.dirt[kind][table] > 0


@pytest.mark.parametrize("table", TABLES)
def test_every_copy_of_a_row_is_counted_by_where_it_lies(sample: Sample, table: str) -> None:
    places = defaultdict(list)
    for row in sample.of(table):
        places[row.content].append((row.day, row.file))
    copies = Counter()
    for copies_of_row in places.values():
        days = {day for day, _ in copies_of_row}
        if len(copies_of_row) > 1:
            assert len(copies_of_row) == 2
            kind = "redelivered_later" if len(days) > 1 else "duplicates_across_files"
            copies["duplicates_in_file" if len(set(copies_of_row)) == 1 else kind] += 1
    reported = {kind: sample.report.dirt[kind][table] for kind in copies}
    assert copies == reported
    assert len(copies) == 3


def test_late_files_hold_events_of_the_day_in_their_name_one_or_two_days_after(sample: Sample) -> None:
    late = [row for row in sample.rows if row.late and row.is_readable]
    for row in late:
        assert row.file == f"late-{row.committed_on.isoformat()}.parquet"
        assert (row.day - row.committed_on).days in (1, 2)
    for table in TABLES:
        assert count(sample.of(table), lambda row: row.late) == sample.report.dirt["late"][table] > 0


def test_rows_out_of_order_are_counted(sample: Sample) -> None:
    counts: Counter[str] = Counter()
    highest: dict[tuple[str, object, str], int] = {}
    for row in sample.rows:
        lsn = row["__source_lsn"]
        if lsn is None or row.late:
            continue
        place = (row.table, row.day, row.file)
        counts[row.table] += lsn < highest.get(place, 0)
        highest[place] = max(lsn, highest.get(place, 0))
    # A row whose number is broken hides that it is out of order.
    for table, reported in sample.report.dirt["out_of_order"].items():
        hidden = sample.report.dirt["null_lsn"].get(table, 0)
        assert reported - hidden <= counts[table] <= reported
    assert counts["orders"] > 100


@pytest.mark.parametrize(("table", "column"), [("products", "description"), ("orders", "shipping_address")])
def test_placeholders_stand_in_updates_and_for_a_value_that_did_not_change(
    sample: Sample, clean_sample: Sample, table: str, column: str
) -> None:
    copied = {row.content for row in sample.of(table) if row[column] == PLACEHOLDER}
    assert len(copied) == sample.report.dirt[f"unchanged_{column}"][table] > 100
    assert {row["__op"] for row in sample.of(table) if row[column] == PLACEHOLDER} <= {"UPDATE", "x"}
    for events in histories(sample.of(table)).values():
        assert events[0][column] != PLACEHOLDER


def test_unreadable_rows_are_counted_and_stay_below_one_percent_of_every_table_and_day(sample: Sample) -> None:
    rows = Counter((row.table, row.day) for row in sample.rows)
    unreadable = Counter((row.table, row.day) for row in sample.rows if not row.is_readable)
    for table in TABLES:
        for day, reported in sample.report.unreadable[table].items():
            assert unreadable[table, day] == reported
            assert reported == 0 or reported < 0.01 * rows[table, day]
        assert sum(sample.report.unreadable[table].values()) > 0


def test_every_kind_of_unreadable_value_is_there_in_the_reported_number(sample: Sample) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in sample.rows:
        for kind, is_so in {
            "null_key": row["id"] is None,
            "unknown_op": row["__op"] == "x",
            "null_ts_ms": row["__ts_ms"] is None,
            "null_source_ts_ms": row["__source_ts_ms"] is None,
            "null_lsn": row["__source_lsn"] is None and row["__op"] != "READ",
            "text_in_decimal": Unreadable("n/a") in row.values.values(),
            "decimal_overflow": Unreadable("123456789012.00") in row.values.values(),
        }.items():
            counts[kind][row.table] += is_so
    for kind, tables in counts.items():
        assert +tables == Counter(sample.report.dirt[kind])
        assert tables["orders"] > 0


def test_a_shop_without_dirt_has_none(clean_sample: Sample) -> None:
    assert all(row.is_readable and not row.late for row in clean_sample.rows)
    assert all(row.file in ("part-00000.parquet", "part-00001.parquet") for row in clean_sample.rows)
    assert len({(row.table, row.content) for row in clean_sample.rows}) == len(clean_sample.rows)
    assert not any(PLACEHOLDER in row.values.values() for row in clean_sample.rows)
    for (_, table), is_dirty in BUSINESS_DIRT.items():
        assert not any(is_dirty(row) for row in clean_sample.of(table) if row["__op"] != "DELETE")
    assert not any(count for tables in clean_sample.report.dirt.values() for count in tables.values())


def test_only_unreadable_rows_and_business_dirt_change_what_is_true_in_the_end(
    clean_sample: Sample, tmp_path: Path
) -> None:
    delivery_only = DirtPlan(
        unreadable=0,
        invalid_emails=0,
        missing_names=0,
        missing_categories=0,
        missing_addresses=0,
        unknown_statuses=0,
        negative_amounts=0,
        orders_of_unknown_users=0,
        items_of_unknown_products=0,
    )
    disturbed = write_sample(tmp_path, delivery_only)
    for table in TABLES:
        assert latest_states(disturbed.of(table)) == latest_states(clean_sample.of(table))


def test_more_unreadable_rows_than_the_lakehouse_takes_are_refused() -> None:
    with pytest.raises(SampleError, match=r"dirt unreadable is 0\.02; expected a share from 0 to 0\.01"):
        DirtPlan(unreadable=0.02)


def test_a_tiny_shop_has_no_unreadable_rows_rather_than_too_many(tmp_path: Path) -> None:
    report = generate_sample(tmp_path, None, days=2, orders_per_day=3, users=10, products=10)
    for table, days in report.unreadable.items():
        for day, unreadable in days.items():
            assert unreadable == 0 or unreadable < 0.01 * report.rows[table][day]


def test_even_the_largest_share_of_unreadable_rows_stays_below_one_percent(tmp_path: Path) -> None:
    report = generate_sample(tmp_path, None, days=3, orders_per_day=100, dirt=DirtPlan(unreadable=0.01))
    shares = [
        unreadable / report.rows[table][day]
        for table, days in report.unreadable.items()
        for day, unreadable in days.items()
    ]
    assert 0.005 < max(shares) < 0.01


def test_a_hundred_rows_have_no_unreadable_one_since_it_would_be_one_percent() -> None:
    assert [most_unreadable(rows) for rows in (0, 1, 99, 100, 101, 200, 201, 700)] == [0, 0, 0, 0, 1, 1, 2, 6]
