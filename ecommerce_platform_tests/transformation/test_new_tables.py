"""A contract is all that a table needs to reach staging: keys of text, UUID and several columns, tables without updated_at."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecommerce_platform.contracts import Column, Contract, LogicalType, Relationship
from ecommerce_platform.contracts.draft import render
from ecommerce_platform.settings import PROJECT_DIR, Settings
from ecommerce_platform.transformation.project.manifest import DbtProject, rendered_project
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import Event, load_day, next_day, order

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

LEFT_OUT = "__debezium_unavailable_value"
FIRST = "2026-01-01"
MODELS = (
    "+base_payments",
    "+base_order_coupons",
    "+base_rates",
    "+base_stores",
    "+base_orders",
    "+base_snapshot_changes",
)
_TEXT, _NUMBER, _DATE, _UUID = LogicalType.TEXT, LogicalType.BIGINT, LogicalType.DATE, LogicalType.UUID


def key(name: str, kind: LogicalType) -> Column:
    return Column(name, kind, primary_key=True, required=True)


NEW_TABLES = (
    Contract(
        "payments",
        "Payments.",
        (
            key("payment", _UUID),
            Column("order_id", _NUMBER),
            Column("amount", LogicalType.DECIMAL, precision=10, scale=2),
            Column("note", _TEXT),
        ),
        relationships=(Relationship(("order_id",), "orders", ("id",)),),
    ),
    # One whole number of another name.
    Contract("stores", "Stores.", (key("store_no", LogicalType.INT), Column("motto", _TEXT))),
    # Nothing but a key: no value can differ.
    Contract(
        "order_coupons",
        "Coupons of orders.",
        (key("order_id", _NUMBER), key("coupon", _TEXT)),
        relationships=(Relationship(("order_id",), "orders", ("id",)),),
    ),
    Contract(
        "rates",
        "Rates of days.",
        (key("currency", _TEXT), key("on_day", _DATE), Column("rate", _TEXT), Column("coupon_order", _NUMBER),
         Column("coupon_code", _TEXT)),
        relationships=(Relationship(("coupon_code", "coupon_order"), "order_coupons", ("coupon", "order_id")),),
    ),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one file for each of the tables, beside the package's own contracts."""
    folder = tmp_path_factory.mktemp("contracts")
    for contract in NEW_TABLES:
        (folder / f"{contract.table}.odcs.yaml").write_text(render(contract))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ECOMMERCE_EXTRA_CONTRACTS_DIR", str(folder))
        yield folder


@pytest.fixture
def build(connection: SnowflakeConnection, transform: Transform) -> Callable[..., None]:
    return lambda **options: transform(select=MODELS, **options)


def event(table: str, lsn: int, day: str, op: str = "INSERT", **values: Any) -> Event:
    return Event(table, 0, lsn, day, op, values=values)


def rows(connection: SnowflakeConnection, table: str, *columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(columns)
    return sorted(fetch_all(connection, f"select {names} from STAGING.BASE_{table.upper()}"))


def latest(events: list[Event], names: tuple[str, ...], columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The rows that PostgreSQL has after these events; written without regard to the platform's own statements."""
    state: dict[tuple[Any, ...], dict[str, Any]] = {}
    for item in sorted(events, key=lambda item: item.lsn or 0):
        identity = tuple(item.values[name] for name in names)
        if item.op == "DELETE":
            state.pop(identity, None)
        else:
            before = state.get(identity, {})
            state[identity] = {
                name: before.get(name) if value == LEFT_OUT else value for name, value in item.values.items()
            }
    return sorted(tuple(row.get(name) for name in columns) for row in state.values())


class Shop:
    """A random history of the tables: inserts, updates that leave a text out, deletes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lsn = 0
        self.present: dict[tuple[str, tuple[Any, ...]], dict[str, Any]] = {}

    def day(self, day: str) -> list[Event]:
        return [self.change(day) for _ in range(40)]

    def change(self, day: str) -> Event:
        self.lsn += 1
        contract = self.random.choice(NEW_TABLES)
        number = self.random.randrange(8)
        identity = {
            "payments": (str(uuid.UUID(int=number, version=4)),),
            # Parts whose texts put together are alike: 1 and "1x", 11 and "x".
            "order_coupons": ((1, 11)[number % 2], ("1x", "x")[number // 4]),
            "stores": (number,),
            "rates": (("EUR", "1:E")[number % 2], date(2026, 1, 1 + number // 4)),
        }[contract.table]
        values = dict(zip(contract.key_names, identity, strict=True))
        known = (contract.table, identity)
        if known in self.present and self.random.random() < 0.3:
            del self.present[known]
            return event(contract.table, self.lsn, day, "DELETE", **values)
        op = "UPDATE" if known in self.present else "INSERT"
        for column in contract.columns:
            if column.type is LogicalType.TEXT and not column.primary_key:
                left_out = op == "UPDATE" and self.random.random() < 0.5
                values[column.name] = LEFT_OUT if left_out else self.random.choice([None, f"text {self.lsn}"])
            elif not column.primary_key:
                values[column.name] = Decimal(f"{self.lsn}.00") if column.type is LogicalType.DECIMAL else number
        self.present[known] = values
        return event(contract.table, self.lsn, day, op, **values)


@pytest.mark.slow
def test_base_models_equal_the_source_and_a_full_refresh(
    connection: SnowflakeConnection, build: Callable[..., None]
) -> None:
    shop = Shop(7)
    days = {next_day(FIRST, offset): shop.day(next_day(FIRST, offset)) for offset in range(4)}
    # The second day comes last, and the third is loaded with a part of its events before.
    order_of_loads = [next_day(FIRST, offset) for offset in (0, 2, 3)]
    load_day(connection, order_of_loads[0], days[order_of_loads[0]])
    load_day(connection, order_of_loads[1], days[order_of_loads[1]][:20])
    build()
    for day in (*order_of_loads[1:], next_day(FIRST, 1)):
        load_day(connection, day, days[day])
        build()
    every = [item for events in days.values() for item in events]
    expected = {
        contract.table: latest(
            [item for item in every if item.table == contract.table], contract.key_names, contract.column_names
        )
        for contract in NEW_TABLES
    }

    def built() -> dict[str, list[tuple[Any, ...]]]:
        return {
            contract.table: [_plain(row) for row in rows(connection, contract.table, *contract.column_names)]
            for contract in NEW_TABLES
        }

    assert {table: sorted(map(_plain, rows), key=str) for table, rows in expected.items()} == {
        table: sorted(rows, key=str) for table, rows in built().items()
    }
    incremental = built()
    build(full_refresh=True)
    assert built() == incremental


def _plain(row: tuple[Any, ...]) -> tuple[str | None, ...]:
    return tuple(None if value is None else str(value) for value in row)


@pytest.mark.soak
def test_a_text_goes_with_a_changed_uuid(connection: SnowflakeConnection, build: Callable[..., None]) -> None:
    old, new = str(uuid.UUID(int=1, version=4)), str(uuid.UUID(int=2, version=4))
    load_day(connection, FIRST, [event("payments", 1, FIRST, payment=old, order_id=1, note="long text")])
    build()
    second = next_day(FIRST)
    moved = [
        event("payments", 5, second, "DELETE", payment=old),
        event("payments", 5, second, payment=new, order_id=1, note=LEFT_OUT),
    ]
    load_day(connection, second, moved)
    build()
    assert rows(connection, "payments", "payment", "note") == [(new, "long text")]


@pytest.mark.slow
def test_changed_keys_follow_the_contracts_relationships(
    connection: SnowflakeConnection, build: Callable[..., None]
) -> None:
    load_day(
        connection,
        FIRST,
        [
            order(7, 1, FIRST),
            event("payments", 2, FIRST, payment=str(uuid.UUID(int=1, version=4)), order_id=7),
            event("order_coupons", 3, FIRST, order_id=7, coupon="TEN"),
            event("rates", 4, FIRST, currency="EUR", on_day=date(2026, 1, 1), coupon_order=7, coupon_code="TEN"),
        ],
    )
    build()
    # A first build computes everything and asks for no keys: the second one has changes.
    second = next_day(FIRST)
    changes = [
        event("payments", 5, second, "UPDATE", payment=str(uuid.UUID(int=1, version=4)), order_id=8),
        event("rates", 6, second, "UPDATE", currency="EUR", on_day=date(2026, 1, 1), coupon_order=8, coupon_code="TEN"),
    ]
    load_day(connection, second, changes)
    build()
    keys = fetch_all(
        connection,
        "select entity, id, key_text from STAGING.BASE_CHANGED_KEYS where entity not like 'frozen by %' "
        "and (id is not null or key_text is not null) order by 1, 2, 3",
    )
    assert keys == [
        ("order_coupons_of_rates", None, "1:73:TEN"),
        ("order_coupons_of_rates", None, "1:83:TEN"),
        ("orders_of_payments", 7, None),
        ("orders_of_payments", 8, None),
        ("payments", None, str(uuid.UUID(int=1, version=4))),
        ("rates", None, "3:EUR10:2026-01-01"),
    ]


def test_a_snapshot_row_of_a_key_alone_disagrees_when_the_key_was_deleted(
    connection: SnowflakeConnection, build: Callable[..., None]
) -> None:
    load_day(connection, FIRST, [event("order_coupons", 1, FIRST, order_id=7, coupon="TEN")])
    second, third = next_day(FIRST), next_day(FIRST, 2)
    load_day(connection, second, [event("order_coupons", 2, second, "DELETE", order_id=7, coupon="TEN")])
    load_day(
        connection, third, [Event("order_coupons", 0, None, third, "READ", values={"order_id": 7, "coupon": "TEN"})]
    )
    build()
    assert rows(connection, "order_coupons", "order_id", "coupon") == [(7, "TEN")]
    changes = "select table_name, id, key_text, differs_in from STAGING.BASE_SNAPSHOT_CHANGES"
    assert fetch_all(connection, changes) == [("order_coupons", None, "1:73:TEN", "deleted")]


def test_no_file_of_the_checkout_is_written(transformation_settings: Settings) -> None:
    project = rendered_project(DbtProject.of(transformation_settings))
    assert (project / "models/staging/base/from_contracts/base_payments.sql").exists()
    assert not (PROJECT_DIR / "dbt_project/models/staging/base/from_contracts/base_payments.sql").exists()
