from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from ecommerce_platform.analytics.state import latest_state
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER
from ecommerce_platform_tests.analytics.rows import at, event, event_frame


def state_of_users(spark: SparkSession, *events: dict[str, Any]) -> dict[int, str | None]:
    state = latest_state(event_frame(spark, "users", events), load_contracts()["users"], ["email", "created_at"])
    return {row["id"]: row["email"] for row in state.collect()}


def test_the_latest_event_of_each_key_decides(spark: SparkSession) -> None:
    state = state_of_users(
        spark,
        # The highest LSN wins, wherever and whenever it arrived.
        event(20, "UPDATE", day=1, id=1, email="new"),
        event(10, "INSERT", day=9, id=1, email="old"),
        # On a tie the later time, then the later day, file and row.
        event(5, day=1, id=2, email="early"),
        event(5, day=2, id=2, email="late"),
        event(7, day=1, id=3, email="first") | {"__source_row": 0},
        event(7, day=1, id=3, email="second") | {"__source_row": 1},
        event(7, day=1, id=4, email="b") | {"__source_file": "date=2026-01-01/b.parquet", "__source_row": 0},
        event(7, day=1, id=4, email="a") | {"__source_file": "date=2026-01-01/a.parquet", "__source_row": 9},
        # A snapshot row without LSN that is older than the stream is lowest.
        event(None, "READ", day=1, id=5, email="snapshot"),
        event(1, "UPDATE", day=2, id=5, email="after"),
        event(None, "READ", day=1, id=6, email="only a snapshot"),
        # A key whose last event is a DELETE is gone, one that came back is there.
        event(1, id=7, email="gone"),
        event(2, "DELETE", id=7),
        event(1, "DELETE", id=8),
        event(2, id=8, email="back"),
    )
    assert state == {
        1: "new",
        2: "late",
        3: "second",
        4: "b",
        5: "after",
        6: "only a snapshot",
        8: "back",
    }


def test_a_snapshot_row_without_lsn_stands_right_after_what_the_connector_had_seen_by_then(spark: SparkSession) -> None:
    state = state_of_users(
        spark,
        # An incremental snapshot repairs what the stream had lost, and a later change of the stream wins again.
        event(10, day=1, id=1, email="stream"),
        event(None, "READ", day=2, id=1, email="repaired"),
        event(10, day=1, id=2, email="stream"),
        event(None, "READ", day=2, id=2, email="repaired"),
        event(11, "UPDATE", day=3, id=2, email="later stream"),
        # The initial snapshot stays lowest.
        event(None, "READ", day=1, id=3, email="initial"),
        event(10, "UPDATE", day=2, id=3, email="stream"),
        # "Not after its own": an equal time counts as seen, and the snapshot row comes after it.
        event(10, day=2, id=4, email="stream"),
        event(None, "READ", day=2, id=4, email="same time"),
        # The highest LSN seen by then, not the youngest: the older change was seen late.
        event(20, day=1, id=5, email="newer change"),
        event(10, day=2, id=5, email="older change, seen late"),
        event(None, "READ", day=3, id=5, email="after both"),
        event(15, "UPDATE", day=4, id=5, email="between the two, seen last"),
        # A copy that was delivered again later changes nothing.
        event(10, day=1, id=6, email="stream"),
        event(None, "READ", day=2, id=6, email="repaired"),
        event(10, day=3, id=6, email="stream"),
        # The row exists although the stream deleted it; a DELETE after it deletes it.
        event(10, "DELETE", day=1, id=7),
        event(None, "READ", day=2, id=7, email="exists"),
        event(None, "READ", day=1, id=8, email="existed"),
        event(10, "DELETE", day=2, id=8),
        # Of several, the last one.
        event(10, day=1, id=9, email="stream"),
        event(None, "READ", day=3, id=9, email="second") | {"date": date(2026, 1, 1)},
        event(None, "READ", day=2, id=9, email="first") | {"date": date(2026, 1, 9)},
    )
    assert state == {
        1: "repaired",
        2: "later stream",
        3: "stream",
        4: "same time",
        5: "after both",
        6: "repaired",
        7: "exists",
        9: "second",
    }


def test_a_change_after_a_snapshot_row_keeps_the_text_of_the_snapshot(spark: SparkSession) -> None:
    unchanged = UNCHANGED_PLACEHOLDER
    state = state_of_users(
        spark,
        event(10, day=1, id=1, email="stream"),
        event(None, "READ", day=2, id=1, email="repaired"),
        event(11, "UPDATE", day=3, id=1, email=unchanged),
        # A key change after the snapshot takes the snapshot's text along, one before it does not.
        event(10, day=1, id=20, email="stream"),
        event(None, "READ", day=2, id=20, email="repaired"),
        event(30, "DELETE", day=3, id=20),
        event(30, day=3, id=21, email=unchanged),
        event(10, day=1, id=30, email="stream"),
        event(40, "DELETE", day=2, id=30),
        event(40, day=2, id=31, email=unchanged),
        event(None, "READ", day=3, id=30, email="another row of that key"),
    )
    assert state == {1: "repaired", 21: "repaired", 30: "another row of that key", 31: "stream"}


def test_the_placeholder_stands_for_the_last_real_value(spark: SparkSession) -> None:
    unchanged = UNCHANGED_PLACEHOLDER
    state = state_of_users(
        spark,
        # Carried forward over several updates and over days that arrived in another order.
        event(3, "UPDATE", day=1, id=1, email=unchanged),
        event(2, "UPDATE", day=2, id=1, email=unchanged),
        event(1, "INSERT", day=3, id=1, email="first"),
        # Null is a real value.
        event(1, id=2, email="before"),
        event(2, "UPDATE", id=2, email=None),
        event(3, "UPDATE", id=2, email=unchanged),
        # A DELETE's null is none; the value before it is.
        event(1, id=3, email="before"),
        event(2, "DELETE", id=3, email=None),
        event(3, "INSERT", id=3, email=unchanged),
        # With no real value anywhere, null: the placeholder is never shown.
        event(1, id=4, email=unchanged),
    )
    assert state == {1: "first", 2: None, 3: "before", 4: None}


def test_other_columns_come_from_the_last_event_with_their_types(spark: SparkSession) -> None:
    events = [
        event(1, id=1, user_id=7, status="pending", total_amount=Decimal("99999999.99"), created_at=at(1)),
        event(2, "UPDATE", id=1, user_id=None, status=UNCHANGED_PLACEHOLDER, total_amount=None, created_at=at(2)),
    ]
    columns = ["user_id", "status", "total_amount", "created_at"]
    state = latest_state(event_frame(spark, "orders", events), load_contracts()["orders"], columns)
    assert state.dtypes[3] == ("total_amount", "decimal(10,2)")
    assert [tuple(row) for row in state.select("id", "user_id", "status", "total_amount").collect()] == [
        (1, None, "pending", None)
    ]


def test_a_text_that_a_key_change_left_out_is_the_old_keys_through_several_changes(spark: SparkSession) -> None:
    unchanged = UNCHANGED_PLACEHOLDER
    state = state_of_users(
        spark,
        # From 1 to 2 to 3 to 4; the last DELETE arrived on another day than its INSERT.
        event(10, id=1, email="first"),
        event(20, "DELETE", id=1),
        event(20, id=2, email=unchanged),
        event(30, "DELETE", id=2),
        event(30, id=3, email=unchanged),
        event(40, "DELETE", id=3) | {"date": date(2026, 1, 9)},
        event(40, id=4, email=unchanged),
        event(50, "UPDATE", id=4, email=unchanged),
        # Key 1 was used again since, which is nothing to 4.
        event(25, id=1, email="another"),
        # Two keys went where 12 came, so nothing shows which it was.
        event(10, id=10, email="ten"),
        event(10, id=11, email="eleven"),
        event(60, "DELETE", id=10),
        event(60, "DELETE", id=11),
        event(60, id=12, email=unchanged),
        # The old key's text from before the change, not from after it.
        event(10, id=20, email="before"),
        event(70, "DELETE", id=20),
        event(70, id=21, email=unchanged),
        event(80, id=20, email="after"),
        # The old key has no text.
        event(90, "DELETE", id=30),
        event(90, id=31, email=unchanged),
    )
    assert state == {1: "another", 4: "first", 12: None, 20: "after", 21: "before", 31: None}


def test_what_the_events_hold_is_asked_once_each(spark: SparkSession) -> None:
    """Whether there are snapshot rows, and whether a text was left out: two small jobs, and none for the state itself."""
    contract = load_contracts()["users"]
    events = event_frame(spark, "users", [event(1, id=1, email="a"), event(2, id=2, email="b")])
    context = spark.sparkContext
    context.setJobGroup("state", "the latest state of users")
    try:
        latest_state(events, contract, ["email"])
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)
    assert len(context.statusTracker().getJobIdsForGroup("state")) <= 3
