"""A text that a key change leaves out is the old key's, whichever event arrives first, and however often the key changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import Event, load_day, load_table_day, product
from ecommerce_platform_tests.transformation.tables import read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

LEFT_OUT = "__debezium_unavailable_value"
FIRST, SECOND, THIRD, FOURTH = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


def rekeyed(old: int, new: int, lsn: int, at: str) -> tuple[Event, Event]:
    """The two events of a key change that leaves the description out."""
    return product(old, lsn, at, "DELETE"), product(new, lsn, at, description=LEFT_OUT)


def descriptions(connection: SnowflakeConnection) -> dict[int, str | None]:
    return {row["id"]: row["description"] for row in read(connection, "STAGING.PRODUCTS_ENHANCED")}


@pytest.mark.soak
def test_the_text_goes_with_the_key_through_two_changes_applied_on_different_days(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(connection, FIRST, [product(1, 10, FIRST, description="Long text")])
    transform()
    load_day(connection, SECOND, list(rekeyed(1, 2, 20, SECOND)))
    transform()
    assert descriptions(connection) == {2: "Long text"}

    load_day(connection, THIRD, list(rekeyed(2, 3, 30, THIRD)))
    transform()

    assert descriptions(connection) == {3: "Long text"}


@pytest.mark.slow
def test_what_the_old_key_tells_later_reaches_the_row_under_its_newest_key(
    connection: SnowflakeConnection, transform: Transform
) -> None:
    gone, come = rekeyed(1, 2, 20, SECOND)
    load_day(connection, SECOND, [come, *rekeyed(2, 3, 30, SECOND)])
    transform()
    assert descriptions(connection) == {3: None}, "the old key's DELETE has not arrived, nor has any text"

    load_day(connection, THIRD, [gone])
    load_day(connection, FIRST, [product(1, 10, FIRST, description="First text")])
    transform()
    assert descriptions(connection) == {3: "First text"}

    load_day(connection, FOURTH, [product(1, 15, FIRST, "UPDATE", description="Later text")])
    transform()
    assert descriptions(connection) == {3: "Later text"}

    load_table_day(connection, "products", FOURTH, [])
    transform()
    assert descriptions(connection) == {3: "First text"}, "the late day was taken back"


@pytest.mark.soak
def test_two_keys_that_went_where_one_came_tell_nothing(connection: SnowflakeConnection, transform: Transform) -> None:
    load_day(
        connection,
        FIRST,
        [
            product(1, 10, FIRST, description="One"),
            product(4, 11, FIRST, description="Four"),
            *rekeyed(1, 2, 20, FIRST),
        ],
    )
    transform()
    assert descriptions(connection) == {2: "One", 4: "Four"}

    load_day(connection, SECOND, [product(4, 20, FIRST, "DELETE")])
    transform()

    assert descriptions(connection) == {2: None}


@pytest.mark.soak
def test_a_deleted_and_reinserted_key_keeps_its_own_text(connection: SnowflakeConnection, transform: Transform) -> None:
    load_day(
        connection,
        FIRST,
        [
            product(1, 10, FIRST, description="Own"),
            *rekeyed(1, 2, 20, FIRST),
            product(1, 30, FIRST, description="Reborn"),
        ],
    )
    transform()
    load_day(connection, SECOND, list(rekeyed(2, 5, 40, SECOND)))
    transform()

    assert descriptions(connection) == {1: "Reborn", 5: "Own"}
