"""A snapshot row without an LSN stands right after what the connector had seen of its key, whenever it arrives."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.results.snapshots import snapshot_rows_that_disagree
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import Event, item, load_day, order, product
from ecommerce_platform_tests.transformation.tables import only, read, read_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

FIRST, SECOND, THIRD = ("2026-01-01", "2026-01-02", "2026-01-03")


def amount(lsn: int | None, seen: str, amount: int, op: str = "UPDATE", **values: Any) -> Event:
    """An event of an order that was placed on the first day."""
    return order(1, lsn, seen, op, total_amount=Decimal(amount), created_at=FIRST, **values)


def snapshot(seen: str, total_amount: int, **values: Any) -> Event:
    return amount(None, seen, total_amount, "READ", **values)


#: Events of an order by landing day, and its amount after all of them.
HISTORIES: dict[str, tuple[dict[str, list[Event]], int]] = {
    "repairs what the stream had lost": (
        {FIRST: [amount(10, FIRST, 10)], SECOND: [snapshot(SECOND, 20)]},
        20,
    ),
    "a later change of the stream wins": (
        {FIRST: [amount(10, FIRST, 10)], SECOND: [snapshot(SECOND, 20)], THIRD: [amount(11, THIRD, 30)]},
        30,
    ),
    "the initial snapshot is lowest": (
        {FIRST: [snapshot(FIRST, 20)], SECOND: [amount(10, SECOND, 10)]},
        10,
    ),
    "what it was read after arrives on a later day": (
        {FIRST: [snapshot("2026-01-01 12:00:00", 20)], SECOND: [amount(10, "2026-01-01 11:00:00", 10)]},
        20,
    ),
    "a higher LSN that was seen before it, but landed late, moves it up over another": (
        {
            FIRST: [amount(10, "2026-01-01 08:00:00", 10), snapshot("2026-01-01 12:00:00", 20)],
            SECOND: [amount(12, "2026-01-02 08:00:00", 30)],
            THIRD: [amount(13, "2026-01-01 09:00:00", 40)],
        },
        20,
    ),
    "a row that the stream had deleted exists": (
        {FIRST: [amount(10, FIRST, 10, "DELETE")], SECOND: [snapshot(SECOND, 20)]},
        20,
    ),
    "of several the last one": (
        {FIRST: [snapshot(THIRD, 20)], SECOND: [snapshot(SECOND, 30)], THIRD: [amount(10, FIRST, 10)]},
        20,
    ),
    "one that was read at the time of a change comes after it": (
        {SECOND: [amount(10, FIRST, 10)], THIRD: [snapshot(FIRST, 20)]},
        20,
    ),
}


@pytest.mark.parametrize(
    "applied", spread([(FIRST, SECOND, THIRD), (THIRD, SECOND, FIRST), (SECOND, THIRD, FIRST)], everyday=0, slow=1)
)
def test_the_amount_is_that_of_the_last_event_in_whatever_order_the_days_are_applied(
    connection: SnowflakeConnection, transform: Transform, applied: tuple[str, ...]
) -> None:
    for day in applied:
        events = [
            replace(event, id=key)
            for key, (days, _) in enumerate(HISTORIES.values(), start=1)
            for event in days.get(day, [])
        ]
        load_day(connection, day, events)
        transform()
    amounts = {row["id"]: row["total_amount"] for row in read(connection, "STAGING.ORDERS_ENHANCED")}
    assert {name: amounts.get(key) for key, name in enumerate(HISTORIES, start=1)} == {
        name: expected for name, (_, expected) in HISTORIES.items()
    }


@pytest.mark.soak
def test_a_status_left_out_after_a_snapshot_is_the_snapshots_and_fulfilment_counts_from_it(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    unchanged = "__debezium_unavailable_value"
    load_day(
        connection,
        THIRD,
        [
            amount(10, FIRST, 10, status="pending"),
            snapshot(SECOND, 10, status="delivered"),
            amount(11, THIRD, 10, status=unchanged, shipping_address=unchanged),
        ],
    )
    transform()
    row = only(connection, "STAGING.ORDERS_ENHANCED", 1)
    assert (row["status"], row["shipping_address"], row["days_to_fulfillment"]) == ("delivered", "1 Road", 1)


@pytest.mark.soak
def test_price_and_stock_of_one_moment_are_those_of_the_last_event(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(
        connection,
        SECOND,
        [
            product(1, 10, FIRST, price=Decimal(30), stock_quantity=3),
            # Read at the very moment of the change, after it.
            product(1, None, FIRST, "READ", price=Decimal(20), stock_quantity=2),
            product(1, 20, SECOND, "UPDATE", price=Decimal(90), stock_quantity=9),
            order(1, 11, "2026-01-01 12:00:00"),
            item(1, 12, "2026-01-01 12:00:00", unit_price=Decimal(15)),
        ],
    )
    transform()
    assert only(connection, "STAGING.ORDER_ITEMS_ENHANCED", 1)["discount_amount"] == Decimal(10)
    assert [row["current_stock_level"] for row in read(connection, "MARTS.PRODUCT_PERFORMANCE")] == [2]


@pytest.mark.soak
def test_a_key_change_takes_the_text_of_a_snapshot_before_it_and_not_of_one_after_it(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    unchanged = "__debezium_unavailable_value"
    moved = [product(1, 20, SECOND, "DELETE"), product(2, 20, SECOND, description=unchanged)]
    again = product(1, None, THIRD, "READ", description="Another row of that key")
    before = product(1, None, "2026-01-01 12:00:00", "READ", description="Snapshot")
    load_day(connection, FIRST, [product(1, 10, FIRST, description="Stream")])
    load_day(connection, SECOND, [again, *moved])
    transform()
    texts = {row["id"]: row["description"] for row in read(connection, "STAGING.PRODUCTS_ENHANCED")}
    assert texts == {1: "Another row of that key", 2: "Stream"}

    load_day(connection, THIRD, [before])
    transform()
    texts = {row["id"]: row["description"] for row in read(connection, "STAGING.PRODUCTS_ENHANCED")}
    assert texts == {1: "Another row of that key", 2: "Snapshot"}

    incremental = read_all(connection)
    transform(full_refresh=True)
    assert read_all(connection) == incremental


@pytest.mark.slow
def test_snapshot_rows_that_say_something_else_than_the_stream_are_counted_by_table_and_day(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform
) -> None:
    unchanged = "__debezium_unavailable_value"
    same: dict[str, Any] = {"created_at": FIRST, "updated_at": FIRST}
    load_day(
        connection,
        FIRST,
        [
            # The initial snapshot disagrees with nothing.
            order(1, None, FIRST, "READ", **same),
            order(2, 20, FIRST, **same),
            order(3, 30, FIRST, **same),
            order(3, 31, "2026-01-01 12:00:00", "UPDATE", **same, shipping_address=unchanged),
            order(4, 40, FIRST, "DELETE"),
            item(5, 50, FIRST, **same),
        ],
    )
    transform()
    load_day(
        connection,
        SECOND,
        [
            order(1, None, SECOND, "READ", **same, total_amount=Decimal(21)),
            order(2, None, SECOND, "READ", **same, total_amount=Decimal(21), status="lost"),
            # What an unchanged text stands for is what the stream holds.
            order(3, None, SECOND, "READ", **same),
            order(4, None, SECOND, "READ", **same),
            item(5, None, SECOND, "READ", **same, quantity=3),
        ],
    )
    transform(mark=False)
    relation = "STAGING.BASE_SNAPSHOT_CHANGES"
    assert fetch_all(connection, f"select table_name, id, differs_in from {relation} order by id") == [
        ("orders", 1, "total_amount"),
        ("orders", 2, "status, total_amount"),
        ("orders", 4, "deleted"),
        ("order_items", 5, "quantity"),
    ]
    assert snapshot_rows_that_disagree(connection, relation, {date(2026, 1, 1), date(2026, 1, 2)}) == {
        date(2026, 1, 2): {"orders": 3, "order_items": 1}
    }
    test = "snapshot_rows_agree_with_the_stream"
    (outcome,) = run_dbt(transformation_settings, DbtRequest(command="test", select=(test,)), "snapshots").values()
    assert outcome[0] == "warn"

    # A late event that agrees with the snapshot: nothing was lost, it had only not arrived.
    load_day(connection, THIRD, [order(1, 10, "2026-01-01 12:00:00", "UPDATE", **same, total_amount=Decimal(21))])
    transform()
    ids = f"select table_name, id, differs_in from {relation} order by id, table_name"
    incremental = fetch_all(connection, ids)
    assert [row[1] for row in incremental] == [2, 4, 5]
    transform(full_refresh=True)
    assert fetch_all(connection, ids) == incremental
