"""Whole days through Spark and Iceberg: what is published, what is counted, what is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform.lakehouse.ingest import quarantine
from ecommerce_platform_tests.lakehouse.lake import FIRST, NOON, ORDER_SCHEMA, SECOND, THIRD, SmallLake, counts, order

STATE = ("id", "__op", "__source_lsn", "status")


def good_rows(number: int) -> list[dict[str, object]]:
    return [order(key, key) for key in range(1, number + 1)]


@pytest.mark.parametrize("handed_over", [True, False], ids=["few rows", "many rows"])
def test_every_landed_row_is_published_quarantined_or_a_duplicate(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    if not handed_over:
        monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.quarantine.HANDED_OVER_ROWS", 0)
    lake.land(FIRST, *good_rows(200), order(7, 7), order(None, 900), order(901, 901, total_amount="much"))
    lake.land(SECOND, order(1, 1001, "U", status="shipped"), order(2, 1002, "d", total_amount=None, created_at=None))

    result = lake.ingest(FIRST, SECOND, THIRD)

    assert result.refused == {}
    assert counts(result, FIRST) == (203, 200, 2, 1)
    assert counts(result, SECOND) == (2, 2, 0, 0)
    assert counts(result, THIRD) == (0, 0, 0, 0)
    assert lake.quarantined("reason", "column_name", "source_row", "detail") == [
        ("null_key", "id", 201, "found nothing, expected bigint"),
        ("value_does_not_fit", "total_amount", 202, "found much, expected decimal(10,2)"),
    ]
    assert '"total_amount":"much"' in lake.quarantined("original_values")[1][0]
    assert [row for row in lake.rows("id", "__op", "status", "date") if row[3] == SECOND] == [
        (1, "UPDATE", "shipped", SECOND),
        (2, "DELETE", "pending", SECOND),
    ]
    assert lake.branches() == []


UNFIT = [
    (order(None, 1), "null_key", "id"),
    (order(1, 1, None), "unknown_operation", "__op"),
    (order(1, 1, "truncate"), "unknown_operation", "__op"),
    (order(1, None), "missing_lsn", "__source_lsn"),
    (order(1, -5), "unreadable_lsn", "__source_lsn"),
    (order(1, 1, __ts_ms=None), "missing_timestamp", "__ts_ms"),
    (order(1, 1, __source_ts_ms=None), "missing_timestamp", "__source_ts_ms"),
    (order(1, 1, __ts_ms=NOON * 1000), "unreadable_timestamp", "__ts_ms"),
    (order(1, 1, created_at=None), "missing_timestamp", "created_at"),
    (order(1, 1, total_amount="1,5"), "value_does_not_fit", "total_amount"),
    (order(1, 1, total_amount="100000000.00"), "value_does_not_fit", "total_amount"),
    (order(1, 1, total_amount="0.001"), "value_does_not_fit", "total_amount"),
    (order(1, 1, total_amount="NaN"), "value_does_not_fit", "total_amount"),
    (order(1, 1, "d", total_amount="free"), "value_does_not_fit", "total_amount"),
]


def test_each_row_that_cannot_be_an_event_is_kept_with_its_reason(lake: SmallLake) -> None:
    lake.land(FIRST, *good_rows(1400), *(row for row, _, _ in UNFIT))

    result = lake.ingest(FIRST)

    assert counts(result, FIRST) == (1414, 1400, 14, 0)
    assert lake.quarantined("reason", "column_name") == [(reason, column) for _, reason, column in UNFIT]


def test_flags_are_no_reason_for_quarantine(lake: SmallLake) -> None:
    """Business rules never drop a row: a negative amount, an unknown status, a user that nobody knows."""
    lake.land(
        FIRST,
        order(1, 1, total_amount="-5.00", status="lost", user_id=None, shipping_address=None),
        order(2, None, "r"),
        order(3, 3, "D", user_id=None, status=None, total_amount=None, created_at=None, updated_at=None),
        order(4, 4, "u", shipping_address="__debezium_unavailable_value"),
    )
    result = lake.ingest(FIRST)
    assert counts(result, FIRST) == (4, 4, 0, 0)
    assert lake.rows("id", "__op") == [(1, "INSERT"), (2, "READ"), (3, "DELETE"), (4, "UPDATE")]


def test_only_neighbours_of_one_key_and_lsn_are_duplicates(lake: SmallLake) -> None:
    """Insert, delete, insert in one transaction share an LSN: the second insert equals the first and is another event."""
    lake.land(FIRST, order(1, 5), order(1, 5, "d"), order(1, 5), order(1, 5), order(2, 6), order(2, 7), order(2, 6))
    lake.land(
        FIRST, order(1, 5), order(2, 6, status="shipped"), order(3, None, "r"), order(3, None, "r"), file="b.parquet"
    )
    lake.land(SECOND, order(2, 6))

    result = lake.ingest(FIRST, SECOND)

    # Of key 1: insert, delete, insert; the other two inserts follow an equal one. Of key 2 at LSN 6: shipped, then pending.
    assert counts(result, FIRST) == (11, 7, 0, 4)
    assert lake.rows("__source_file", "__source_row", *STATE[:3]) == [
        ("date=2026-01-01/b.parquet", 0, 1, "INSERT", 5),
        ("date=2026-01-01/b.parquet", 1, 2, "INSERT", 6),
        ("date=2026-01-01/b.parquet", 2, 3, "READ", None),
        ("date=2026-01-01/part-0.parquet", 1, 1, "DELETE", 5),
        ("date=2026-01-01/part-0.parquet", 2, 1, "INSERT", 5),
        ("date=2026-01-01/part-0.parquet", 4, 2, "INSERT", 6),
        ("date=2026-01-01/part-0.parquet", 5, 2, "INSERT", 7),
        ("date=2026-01-02/part-0.parquet", 0, 2, "INSERT", 6),
    ]


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


@pytest.mark.parametrize("name", ["part 0.parquet", "größe+1%20[a].parquet", "{a,b}*?.parquet"])
def test_file_names_are_taken_as_they_are(lake: SmallLake, name: str) -> None:
    lake.land(FIRST, order(1, 1), file=name)
    lake.ingest(FIRST)
    assert lake.rows("__source_file") == [(f"date=2026-01-01/{name}",)]


@pytest.mark.parametrize("files", [1, 4, 5])
def test_each_row_knows_its_file_and_day_however_many_files_a_day_has(lake: SmallLake, files: int) -> None:
    # Eight files in all are distinguished in one way, ten in another. Each name ends like the one before it.
    names = [f"{'p' * number}art.parquet" for number in range(1, files + 1)]
    for number, name in enumerate(names):
        lake.land(FIRST, order(number, 1), file=name)
        lake.land(SECOND, order(number, 2), file=name)
    lake.ingest(FIRST, SECOND)
    places = [(f"date={day}/{name}", day) for day in (FIRST, SECOND) for name in names]
    assert sorted(lake.rows("__source_file", "date")) == sorted(places)


def test_files_of_different_forms_make_one_day(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    typed = pa.Table.from_pylist([order(2, 2)], ORDER_SCHEMA).drop_columns(["updated_at"])
    typed = typed.set_column(3, "total_amount", typed["total_amount"].cast(pa.decimal128(12, 2)))
    lake.land_table(FIRST, typed.append_column("coupon", pa.array(["x"])), "b.parquet")
    lake.land_table(FIRST, pa.table({"id": pa.array([], pa.null())}), "empty.parquet")

    result = lake.ingest(FIRST)

    assert counts(result, FIRST) == (2, 2, 0, 0)
    assert [str(amount) for (amount,) in lake.rows("total_amount")] == ["10.00", "10.00"]
    assert result.unknown_columns == {FIRST: ("coupon",)}
    assert lake.rows("coupon") == [("x",), (None,)]


def test_a_column_that_the_contract_gains_appears_and_history_stays_readable(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.ingest(FIRST)
    orders = load_contracts()["orders"]
    coupon = Column("coupon", LogicalType.TEXT)
    wider = replace(orders, columns=(*orders.columns, coupon))
    table = pa.Table.from_pylist([order(2, 2)], ORDER_SCHEMA).append_column("coupon", pa.array(["x"]))
    lake.land_table(SECOND, table)

    lake.ingest(SECOND, contract=wider)

    assert lake.rows("id", "coupon") == [(1, None), (2, "x")]
    # The first day's rows would now be read by another contract: materialized again, it is written again.
    assert sorted(lake.ingest(FIRST, contract=wider).published) == [FIRST]


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


def test_a_large_day_is_spread_over_several_files_and_stays_free_of_duplicates(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.duplicates.ROWS_PER_BUCKET", 100)
    lake.land(FIRST, *good_rows(300), *good_rows(300))
    assert counts(lake.ingest(FIRST), FIRST) == (600, 300, 0, 300)


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
