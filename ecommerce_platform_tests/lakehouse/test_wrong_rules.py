"""The rules by which well-known tools go wrong on change events, each as a case that they lose and the platform must not.

All cases are keys of one landing zone: written by one ingestion, then read as the latest state by Spark's analytics. The same
rules are held against dbt's models in transformation/test_definitions.py, against an independent reading of the landing files
in end_to_end/, and against a real PostgreSQL in postgres/.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform.analytics.state import latest_state
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform_tests.lakehouse.lake import FIRST, NOON, SECOND, THIRD, SmallLake, order

COLUMNS = ("user_id", "status", "total_amount", "shipping_address", "created_at")
UNCHANGED = "__debezium_unavailable_value"
GONE: dict[str, Any] = dict.fromkeys(
    ("user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at")
)


class Shop:
    """What was published of a key, and its latest state; None for a key that is not there."""

    def __init__(self, lake: SmallLake, state: dict[int, dict[str, Any]]) -> None:
        self.state = state
        names = ("id", "date", "__op", "__source_lsn", "status", "total_amount", "created_at")
        self.events = [dict(zip(names, row, strict=True)) for row in lake.rows(*names)]

    def events_of(self, key: int) -> list[str]:
        return [event["__op"] for event in self.events if event["id"] == key]


@pytest.fixture(scope="module")
def shop(spark_application: None, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    settings = load_settings(data_dir=tmp_path_factory.mktemp("wrong-rules"))
    lake = SmallLake(settings, lambda: build_session(settings))
    Path(settings.landing_uri).mkdir(parents=True)
    lake.land(
        FIRST,
        order(1, 10),
        order(1, 20, "u", status="shipped"),
        order(1, 20, "d", **GONE),
        order(2, 10),
        order(2, 20, "u", status="first"),
        order(2, 20, "u", status="second"),
        order(3, 10, shipping_address="1 Main St"),
        order(3, 20, "u", status="shipped", shipping_address=UNCHANGED),
        order(4, 30),
        order(4, 30, "d", **GONE),
        order(4, 30),
        order(5, 10),
        order(5, 11, "d", **GONE),
        order(6, 50, "u", status="newest"),
        order(7, 60, "u", status="streamed"),
        order(17, 60, "u", status="drifted"),
        order(8, 20, "u", status="shipped", __ts_ms=NOON + 1, __source_ts_ms=NOON + 1),
        order(8, 30, "u", status="delivered", __ts_ms=NOON, __source_ts_ms=NOON),
        order(9, 10, user_id=7, shipping_address="1 Main St"),
        order(9, 20, "u", user_id=None, shipping_address=None),
        order(10, 10, total_amount="99999999.99"),
        order(11, 10, total_amount="0.29"),
        order(12, 10, created_at=NOON * 1000 + 123456),
        order(14, 10),
        order(14, 20, "d", **GONE),
        order(14, 30, shipping_address="2 New St"),
        order(15, 40, "u", shipping_address=UNCHANGED),
    )
    lake.land(
        SECOND,
        order(6, 40, "u", status="older"),
        order(7, None, "r", status="snapshot", __ts_ms=NOON - 1, __source_ts_ms=NOON - 1),
        order(17, None, "r", status="snapshot"),
        order(13, 10, status="pending"),
        order(16, 10),
        order(16, 20, "d", **GONE),
    )
    # The same delivery once more, and a value that comes after its placeholder.
    lake.land(THIRD, order(13, 10, status="pending"), order(15, 30, shipping_address="late but known"), order(16, 10))
    result = lake.ingest(FIRST, SECOND, THIRD)
    assert result.refused == {}
    events = lake.session().table(f"{settings.lakehouse.catalog_name}.ecommerce.orders")
    rows = latest_state(events, load_contracts()["orders"], COLUMNS).collect()
    return Shop(lake, {row["id"]: row.asDict() for row in rows})


def test_a_delete_is_not_lost_when_it_shares_its_lsn_with_an_update(shop: Shop) -> None:
    """Merging only what has a greater LSN drops the delete, and the order lives forever."""
    assert shop.events_of(1) == ["INSERT", "UPDATE", "DELETE"]
    assert 1 not in shop.state


def test_of_rows_with_one_lsn_the_last_wins_and_not_the_first(shop: Shop) -> None:
    """Dropping duplicates by key and LSN keeps whichever row comes first."""
    assert shop.events_of(2) == ["INSERT", "UPDATE", "UPDATE"]
    assert shop.state[2]["status"] == "second"


def test_the_placeholder_is_never_written_over_the_value(shop: Shop) -> None:
    assert (shop.state[3]["shipping_address"], shop.state[3]["status"]) == ("1 Main St", "shipped")


def test_insert_delete_insert_in_one_batch_are_three_events_and_the_row_is_there(shop: Shop) -> None:
    """Equal inserts look like a duplicate; what stands between them makes them two."""
    assert shop.events_of(4) == ["INSERT", "DELETE", "INSERT"]
    assert shop.state[4]["status"] == "pending"


def test_insert_and_delete_in_one_batch_leave_nothing(shop: Shop) -> None:
    """Applying inserts after deletes, as a merge in two passes does, brings the row back."""
    assert 5 not in shop.state


def test_an_older_change_that_arrives_later_does_not_win(shop: Shop) -> None:
    """The last write is not the last change."""
    assert shop.state[6]["status"] == "newest"


def test_an_initial_snapshot_that_arrives_after_the_stream_does_not_win(shop: Shop) -> None:
    assert shop.state[7]["status"] == "streamed"


def test_a_snapshot_that_is_taken_after_the_stream_wins(shop: Shop) -> None:
    """A snapshot row without an LSN is not lowest as such: the state that it repairs would stay wrong."""
    assert shop.state[17]["status"] == "snapshot"


def test_the_log_decides_and_not_the_clock(shop: Shop) -> None:
    """Commit times of a busy database, or of one that failed over, go backwards."""
    assert shop.state[8]["status"] == "delivered"


def test_a_value_that_becomes_null_is_null(shop: Shop) -> None:
    """Keeping the old value wherever the new one is null undoes what the user did."""
    assert (shop.state[9]["user_id"], shop.state[9]["shipping_address"]) == (None, None)


def test_money_never_goes_through_a_float(shop: Shop) -> None:
    assert (shop.state[10]["total_amount"], shop.state[11]["total_amount"]) == (Decimal("99999999.99"), Decimal("0.29"))


def test_microseconds_are_neither_milliseconds_nor_seconds(shop: Shop) -> None:
    created_at = next(event["created_at"] for event in shop.events if event["id"] == 12)
    assert created_at.astimezone(UTC) == datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_a_delivery_in_another_day_is_kept_and_counts_once(shop: Shop) -> None:
    """A duplicate is dropped within its day only: which day keeps it must not depend on the order of the days."""
    assert shop.events_of(13) == ["INSERT", "INSERT"]
    assert shop.state[13]["status"] == "pending"


def test_a_row_that_comes_back_after_its_delete_is_there_with_its_new_values(shop: Shop) -> None:
    assert shop.state[14]["shipping_address"] == "2 New St"


def test_a_value_that_arrives_after_its_placeholder_is_found(shop: Shop) -> None:
    assert shop.state[15]["shipping_address"] == "late but known"


def test_a_delete_is_not_undone_by_a_repeated_insert(shop: Shop) -> None:
    """At-least-once delivery repeats old events after newer ones."""
    assert 16 not in shop.state


def test_a_delete_with_nothing_but_its_key_is_no_error(shop: Shop) -> None:
    """Rules for completeness that look at deletes, too, would put every delete aside."""
    assert [event["__op"] for event in shop.events if event["total_amount"] is None] == ["DELETE"] * 5
