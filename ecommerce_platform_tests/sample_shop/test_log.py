"""Log sequence numbers ascend as transactions commit, over all tables."""

from __future__ import annotations

from collections import defaultdict

from ecommerce_platform_tests.sample_shop.reading import Row
from ecommerce_platform_tests.sample_shop.written import Sample


def numbered(sample: Sample) -> list[Row]:
    return [row for row in sample.rows if row["__source_lsn"] is not None]


def test_a_later_commit_has_a_higher_number_in_whatever_table(clean_sample: Sample) -> None:
    rows = sorted(numbered(clean_sample), key=lambda row: row["__source_lsn"])
    commits = [row["__source_ts_ms"] for row in rows]
    assert commits == sorted(commits)


def test_rows_with_one_number_belong_to_one_commit(clean_sample: Sample) -> None:
    commits = defaultdict(set)
    for row in numbered(clean_sample):
        commits[row["__source_lsn"]].add(row["__source_ts_ms"])
    assert {len(times) for times in commits.values()} == {1}


def test_a_statement_of_many_rows_has_one_number(clean_sample: Sample) -> None:
    keys = defaultdict(set)
    for row in numbered(clean_sample):
        if row.table == "order_items":
            keys[row["__source_lsn"]].add(row["id"])
    assert sum(len(lines) > 1 for lines in keys.values()) > 1000


def test_some_orders_are_inserted_and_updated_under_one_number_and_the_time_tells_them_apart(
    clean_sample: Sample,
) -> None:
    events = defaultdict(list)
    for row in numbered(clean_sample):
        events[row.table, row["id"], row["__source_lsn"]].append(row)
    tied = [rows for rows in events.values() if len(rows) > 1]
    assert len(tied) > 100
    for rows in tied:
        first, second = sorted(rows, key=lambda row: row["__ts_ms"])
        assert (first["__op"], second["__op"]) == ("INSERT", "UPDATE")
        assert first["__ts_ms"] < second["__ts_ms"]


def test_the_connector_sees_a_change_after_its_commit(clean_sample: Sample) -> None:
    assert all(row["__ts_ms"] > row["__source_ts_ms"] for row in clean_sample.rows)
