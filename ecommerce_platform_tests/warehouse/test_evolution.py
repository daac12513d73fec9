"""Columns that landing files bring beyond the contract reach RAW, and days loaded before keep their checksums."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.ingest.tables import add_extra_columns, ensure_event_table
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource, contract_of_lake
from ecommerce_platform.warehouse.load.outcome import TableLoad
from ecommerce_platform.warehouse.load.verify import measure, problems
from ecommerce_platform.warehouse.sql.connection import Opener, fetch_all
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.lake import day, event, events, publish

ITEMS = load_contracts()["order_items"]
GIFT = Column("gift_note", LogicalType.TEXT, late=True)
WEIGHT = Column("weight", LogicalType.DECIMAL, precision=6, scale=3, late=True)
ROW = {"unit_price": Decimal("1.00")}


def bring(settings: Settings, *columns: Column) -> None:
    """What a run does when landing files bring these columns."""
    catalog = Lake.of(settings).catalog
    add_extra_columns(catalog, ensure_event_table(catalog, Lake.of(settings), ITEMS), ITEMS, columns)


def load(settings: Settings, opener: Opener, *numbers: int) -> TableLoad:
    return load_tables(LoadSource.of(settings), opener, ["order_items"], [day(number) for number in numbers], RUN)[
        "order_items"
    ]


def test_a_column_beyond_the_contract_reaches_raw_and_is_under_the_checksum(
    settings: Settings, opener: Opener, connection: SnowflakeConnection
) -> None:
    before = publish(settings, "order_items", {day(1): events(ITEMS, day(1), 2, **ROW)})
    load(settings, opener, 1)
    bring(settings, GIFT, WEIGHT)
    row = event(ITEMS, day(2), 3, gift_note="ä ' \"", weight=Decimal("0.125"), **ROW)
    published = before | publish(settings, "order_items", {day(2): [row]})

    assert load(settings, opener, 1, 2).failed == {}

    assert fetch_all(connection, "select id, gift_note, weight from RAW.ORDER_ITEMS order by id") == [
        (1, None, None),
        (2, None, None),
        (3, "ä ' \"", Decimal("0.125")),
    ]
    lake = contract_of_lake(Lake.of(settings), ITEMS)
    assert problems(measure(connection, lake, published, [day(1), day(2)])) == {}
    connection.cursor().execute("update RAW.ORDER_ITEMS set gift_note = 'other' where id = 3")
    assert list(problems(measure(connection, lake, published, [day(1), day(2)]))) == [day(2)]

    # Loaded again, what is replaced is kept with the column.
    publish(settings, "order_items", {day(2): [row | {"weight": Decimal("0.250")}]})
    load(settings, opener, 2)
    kept = fetch_all(connection, "select id, weight from RAW.SUPERSEDED_ORDER_ITEMS")
    assert kept == [(3, Decimal("0.125"))]


def test_a_wider_column_widens_raw_and_the_contract_can_name_it_without_a_new_load(
    settings: Settings, opener: Opener, connection: SnowflakeConnection
) -> None:
    narrow = Column("parcel_price", LogicalType.DECIMAL, precision=6, scale=2, late=True)
    bring(settings, narrow)
    published = publish(
        settings, "order_items", {day(1): [event(ITEMS, day(1), 1, parcel_price=Decimal("1.25"), **ROW)]}
    )
    load(settings, opener, 1)
    bring(settings, replace(narrow, precision=12))
    row = event(ITEMS, day(2), 2, parcel_price=Decimal("1234567890.25"), **ROW)
    published |= publish(settings, "order_items", {day(2): [row]})
    load(settings, opener, 2)
    assert fetch_all(connection, "select parcel_price from RAW.ORDER_ITEMS order by id") == [
        (Decimal("1.25"),),
        (Decimal("1234567890.25"),),
    ]

    named = replace(ITEMS, columns=(*ITEMS.columns, replace(narrow, precision=12, late=False)))
    contracts = dict(load_contracts()) | {"order_items": named}
    ensure_event_table(Lake.of(settings).catalog, Lake.of(settings), named)
    again = load_tables(LoadSource.of(settings), opener, ["order_items"], [day(1), day(2)], RUN, contracts)[
        "order_items"
    ]
    assert [loaded.already_loaded for loaded in again.loaded] == [True, True]
    assert problems(measure(connection, contract_of_lake(Lake.of(settings), named), published, [day(1), day(2)])) == {}
