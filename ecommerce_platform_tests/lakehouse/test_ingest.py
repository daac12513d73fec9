"""Whole days through Spark and Iceberg: which are published, refused or left as they are, and what is kept of each."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ecommerce_platform.lakehouse.ingest import quarantine
from ecommerce_platform_tests.lakehouse.lake import (
    FIRST,
    SECOND,
    THIRD,
    SmallLake,
    counts,
    good_rows,
    order,
)

STATE = ("id", "__op", "__source_lsn", "status")


def test_a_day_is_skipped_until_its_content_changes_and_then_replaced_as_a_whole(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1), order(2, 2))
    lake.land(SECOND, order(3, 3))
    first = lake.ingest(FIRST, SECOND)
    assert sorted(first.published) == [FIRST, SECOND]

    again = lake.ingest(SECOND, FIRST)
    assert (again.published, sorted(again.unchanged)) == ({}, [FIRST, SECOND])
    assert again.snapshot_id == first.snapshot_id

    lake.land(FIRST, order(4, 4), file="late.parquet")
    late = lake.ingest(FIRST, SECOND)
    assert (sorted(late.published), sorted(late.unchanged)) == ([FIRST], [SECOND])
    assert sorted(key for (key,) in lake.rows("id")) == [1, 2, 3, 4]

    lake.path(FIRST).unlink()
    lake.ingest(FIRST)
    lake.withdraw(FIRST)
    assert sorted(key for (key,) in lake.rows("id")) == [3, 4]

    lake.path(FIRST, "late.parquet").unlink()
    lake.ingest(FIRST)
    lake.withdraw(FIRST)
    assert counts(lake.ingest(FIRST), FIRST) == (0, 0, 0, 0)
    assert lake.rows("id") == [(3,)]


def test_a_forced_day_is_written_again_with_the_same_content_id(lake: SmallLake) -> None:
    lake.land(FIRST, *good_rows(200), order(None, 900))
    first = lake.ingest(FIRST)
    forced = lake.ingest(FIRST, force=True)
    assert forced.snapshot_id != first.snapshot_id
    assert forced.records[FIRST].content_id == first.records[FIRST].content_id
    assert len(lake.rows("id")) == 200
    assert len(lake.quarantined("reason")) == 1


@pytest.mark.slow
def test_the_order_in_which_days_are_applied_does_not_matter(lake: SmallLake) -> None:
    days = (FIRST, SECOND, THIRD)
    for position, day in enumerate(days):
        lake.land(day, order(1, position), order(2, position, "u"))
    together = lake.ingest(*days)
    rows = lake.rows("date", *STATE)
    for day in (THIRD, FIRST, SECOND):
        lake.ingest(day, force=True)
    assert lake.rows("date", *STATE) == rows
    assert {day: record.content_id for day, record in lake.ledger.published.items()} == {
        day: record.content_id for day, record in together.records.items()
    }


def test_a_refused_day_keeps_its_last_good_state_and_the_good_days_go_through(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.ingest(FIRST)
    lake.land(FIRST, order(1, 1), order(2, None))  # half of the rows lack an LSN
    lake.land(SECOND, order(3, 3))

    result = lake.ingest(FIRST, SECOND)

    assert sorted(result.published) == [SECOND]
    assert "1 of 2 rows (50.00%) cannot be read as events; expected at most 1.00%" in result.refused[FIRST].reason
    assert lake.rows("date", "id") == [(FIRST, 1), (SECOND, 3)]
    assert lake.branches() == [result.refused[FIRST].branch]
    assert lake.quarantined("reason") == [("missing_lsn",)]
    assert lake.ledger.refused == result.refused

    again = lake.ingest(FIRST, SECOND)
    assert sorted(again.refused) == [FIRST]
    assert lake.branches() == [result.refused[FIRST].branch]

    lake.land(FIRST, order(1, 1), order(2, 2))
    mended = lake.ingest(FIRST)
    assert (counts(mended, FIRST), mended.refused) == ((2, 2, 0, 0), {})
    assert (lake.branches(), dict(lake.ledger.refused)) == ([], {})
    assert lake.quarantined("reason") == []


def test_a_refusal_is_lifted_when_the_files_are_again_what_is_published(lake: SmallLake) -> None:
    good = lake.land(FIRST, order(1, 1)).read_bytes()
    lake.ingest(FIRST)
    lake.path(FIRST).write_bytes(b"PAR1")
    assert sorted(lake.ingest(FIRST).refused) == [FIRST]
    lake.path(FIRST).write_bytes(good)
    result = lake.ingest(FIRST)
    assert (result.refused, sorted(result.unchanged)) == ({}, [FIRST])
    assert dict(lake.ledger.refused) == {}


def cut_off_data(path: Path) -> None:
    """Damages the data pages and leaves the footer whole."""
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(bytes(content))


def test_a_file_whose_data_cannot_be_read_refuses_its_day_only(lake: SmallLake) -> None:
    lake.land(FIRST, *good_rows(50))
    cut_off_data(lake.land(SECOND, *good_rows(50)))
    lake.land(THIRD, *good_rows(50))

    result = lake.ingest(FIRST, SECOND, THIRD)

    assert sorted(result.published) == [FIRST, THIRD]
    assert "orders/date=2026-01-02/part-0.parquet: its footer is whole, but its data" in result.refused[SECOND].reason
    assert lake.branches() == []


def test_a_file_that_changes_while_it_is_read_is_read_again(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    steps: list[str] = []

    def change_once(table: str, step: str) -> None:
        if step == "written" and "written" not in steps:
            lake.land(FIRST, order(1, 1), order(2, 2))
        steps.append(step)

    lake.reached = change_once
    result = lake.ingest(FIRST)
    assert steps.count("written") == 2
    assert counts(result, FIRST) == (2, 2, 0, 0)
    assert lake.branches() == []


def test_a_file_that_vanishes_before_spark_reads_it_leaves_the_day_without_it(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    gone = lake.land(FIRST, order(2, 2), file="b.parquet")

    def vanish(table: str, step: str) -> None:
        if step == "branched":
            gone.unlink(missing_ok=True)

    lake.reached = vanish
    result = lake.ingest(FIRST)
    assert result.refused == {}
    assert lake.rows("id") == [(1,)]


def test_empty_days_are_recorded_without_starting_spark(lake: SmallLake) -> None:
    def no_spark() -> None:
        raise AssertionError("Spark was started for days without rows")

    lake.session = no_spark  # type: ignore[assignment]
    result = lake.ingest(FIRST, SECOND)
    assert sorted(result.published) == [FIRST, SECOND]
    assert counts(result, SECOND) == (0, 0, 0, 0)


def test_a_day_without_its_usual_rows_is_published_with_a_warning(lake: SmallLake) -> None:
    days = [date(2026, 1, day) for day in range(1, 6)]
    for day in days[:4]:
        lake.land(day, *good_rows(4))
    result = lake.ingest(*days)
    assert result.warnings == {days[4]: "no rows landed on 2026-01-05; usually there are 4"}
    assert sorted(result.published) == days


@pytest.mark.slow
def test_quarantined_rows_of_the_published_content_survive_while_newer_content_is_refused(lake: SmallLake) -> None:
    lake.land(FIRST, *good_rows(200), order(None, 900))
    published = lake.ingest(FIRST).records[FIRST]
    lake.land(FIRST, order(1, 1), order(2, None))
    refused = lake.ingest(FIRST).refused[FIRST]
    kept = lake.quarantined("content_id", "reason")
    assert sorted(kept) == sorted([(published.content_id, "null_key"), (refused.content_id, "missing_lsn")])
    assert quarantine.HANDED_OVER_ROWS > 0


def test_a_day_whose_rows_are_all_unfit_is_refused_and_its_rows_are_kept(lake: SmallLake) -> None:
    lake.land(FIRST, order(None, 1), order(2, 2, "truncate"))
    result = lake.ingest(FIRST)
    assert "quarantine" in result.refused[FIRST].reason
    assert [reason for (reason,) in lake.quarantined("reason")] == ["null_key", "unknown_operation"]
