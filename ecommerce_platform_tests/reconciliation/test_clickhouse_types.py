"""Every ClickHouse type is compared by its value: the declaration, and reconciliations of tables that have it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.reconciliation.layers.clickhouse_types import FORMS, MILLISECONDS, ClickHouseType, comparable
from ecommerce_platform.reconciliation.model import Reason, ReconciliationError, Status
from ecommerce_platform.settings import ReconciliationSettings
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.reconciled import LAST, ORDER, reasons, run
from ecommerce_platform_tests.reconciliation.two_layers import NOON, Event, TwoLayers

INTEGERS = ", ".join(f"`{sign}Int{bits}`" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256))
DOCS = Path(__file__).resolve().parents[2] / "docs" / "reconciliation.md"


@pytest.mark.parametrize(
    ("declared", "parsed"),
    [
        ("String", ("String", 0, False)),
        ("LowCardinality(Nullable(String))", ("String", 0, True)),
        ("Nullable(DateTime64(3, 'Europe/Berlin'))", ("DateTime64", 3, False)),
        ("DateTime('Etc/GMT+5')", ("DateTime", 0, False)),
        ("DateTime64(9, 'Etc/GMT-14')", ("DateTime64", 9, False)),
        ("Decimal(76, 38)", ("Decimal", 38, False)),
        ("SimpleAggregateFunction(max, Nullable(Decimal(10, 2)))", ("Decimal", 2, False)),
        ("Enum8('a(1)' = 1, 'b, 2' = 2)", ("Enum8", 0, False)),
        ("LowCardinality(FixedString(36))", ("FixedString", 0, True)),
    ],
)
def test_wrappers_and_arguments_are_no_part_of_a_type(declared: str, parsed: tuple[str, int, bool]) -> None:
    kind = ClickHouseType.parse(declared)
    assert (kind.name, kind.scale, kind.low_cardinality) == parsed


@pytest.mark.parametrize("declared", ["Array(String)", "Tuple(String)", "Map(String, String)", "JSON", "Date", "Bool"])
def test_other_types_are_not_text(declared: str) -> None:
    assert comparable(Column("note", LogicalType.TEXT), "`note`", declared) is None


def test_the_documentation_names_every_type_with_its_rule() -> None:
    rows = re.findall(
        r"^\| (\w+) \| (.+?) \| (.+) \|$", DOCS.read_text().partition("## ClickHouse's types")[2], re.MULTILINE
    )
    documented = {(kind, types, rule) for kind, types, rule in rows if types.startswith("`")}
    declared = {
        (
            kind,
            ", ".join(f"`{name}`" for name in form.types).replace(INTEGERS, "`Int8` to `Int256`, `UInt8` to `UInt256`"),
            form.rule,
        )
        for kinds, forms in (*FORMS.items(), ("milliseconds", (MILLISECONDS,)))
        for form in forms
        for kind in [{"bigint": "integer", "int": "integer", "uuid": "text"}.get(kinds, str(kinds))]
    }
    assert documented == declared


_COLUMNS = {
    "id": "Int64",
    "user_id": "Nullable(Int64)",
    "status": "Nullable(String)",
    "total_amount": "Nullable(Decimal(10, 2))",
    "shipping_address": "Nullable(String)",
    "created_at": "Nullable(DateTime64(6, 'UTC'))",
    "updated_at": "Nullable(DateTime64(6, 'UTC'))",
    "__op": "String",
    "__source_lsn": "UInt64",
    "__source_ts_ms": "DateTime64(3, 'UTC')",
    "is_deleted": "UInt8",
}
_STATUSES = "'pending' = 1, 'processing' = 2, 'shipped' = -3, 'delivered' = 4, 'cancelled' = 5"
VARIANTS = {
    "status as Enum8": {"status": f"Enum8({_STATUSES})"},
    "status as Enum16 that can be null": {"status": f"Nullable(Enum16({_STATUSES}))"},
    "status and address in dictionaries": {
        "status": "LowCardinality(String)",
        "shipping_address": "LowCardinality(Nullable(String))",
    },
    "text of fixed length": {"status": "FixedString(12)", "shipping_address": "Nullable(FixedString(40))"},
    "amounts of 38 digits": {"total_amount": "Decimal(38, 2)"},
    "amounts of 76 digits, most of them places": {"total_amount": "Nullable(Decimal(76, 40))"},
    "amounts without places": {"total_amount": "Decimal(9, 0)"},
    "amounts as whole numbers": {"total_amount": "UInt32"},
    "amounts as text": {"total_amount": "String"},
    "amounts as float": {"total_amount": "Float64"},
    "small users": {"user_id": "UInt8"},
    "large users": {"user_id": "Nullable(Int256)"},
    "users without a sign": {"user_id": "UInt256"},
    "users in a dictionary": {"user_id": "LowCardinality(String)"},
    "keys without a sign": {"id": "UInt64"},
    "keys of 32 bits": {"id": "Int32"},
    "keys of 128 bits": {"id": "Int128"},
    "keys of 256 bits": {"id": "UInt256"},
    "keys as text": {"id": "String"},
    "keys and users as decimals": {"id": "Decimal(20, 0)", "user_id": "Nullable(Decimal(38, 2))"},
    "times in seconds": {"created_at": "DateTime", "updated_at": "Nullable(DateTime('Asia/Tokyo'))"},
    "times of other precision and zone": {
        "created_at": "DateTime64(9, 'America/New_York')",
        "updated_at": "Nullable(DateTime64(3, 'Asia/Kathmandu'))",
    },
    "changes in seconds": {"__source_ts_ms": "DateTime"},
    "changes in milliseconds": {"__source_ts_ms": "Int64"},
    "positions with a sign": {"__source_lsn": "Nullable(Int64)"},
    "deletions as truth": {"is_deleted": "Bool"},
    "deletions that can be null": {"is_deleted": "Nullable(Int8)"},
}


def versions(two: TwoLayers, types: dict[str, str], *events: Event) -> None:
    """The speed layer with these events, as a table whose columns have `types`, filled by ClickHouse's own conversions."""
    if types.get("total_amount") == "Float64":
        assert all(event.amount is None or event.amount == Decimal(str(float(event.amount))) for event in events)
    two.client.command("drop table if exists typed_orders")
    columns = ", ".join(f"{name} {kind}" for name, kind in (_COLUMNS | types).items())
    engine = (
        "ReplacingMergeTree(__source_lsn)"
        if "is_deleted" in types or "__source_lsn" in types
        else ("ReplacingMergeTree(__source_lsn, is_deleted)")
    )
    engine = "ReplacingMergeTree" if "__source_lsn" in types else engine
    two.client.command(f"create table typed_orders ({columns}) engine = {engine} order by id")
    two.client.command("truncate table orders_realtime")
    for event in events:
        two.speed(event)
        picked = ", ".join(
            f"toUnixTimestamp64Milli({name}) as {name}"
            if types.get(name) == "Int64" and name == "__source_ts_ms"
            else name
            for name in _COLUMNS
        )
        two.client.command(f"insert into typed_orders select {picked} from orders_realtime final")
        two.client.command("truncate table orders_realtime")


def fitting(variant: str) -> dict[str, object]:
    """The differing order's changes; amounts differ by whole numbers, so that every type can hold them."""
    return {"amount": Decimal(11)} if variant.startswith("amounts") else {"address": "Elm Street 2"}


@pytest.mark.parametrize("variant", spread(VARIANTS, everyday=2, slow=2))
def test_orders_agree_and_differ_by_value_whatever_the_types(two: TwoLayers, variant: str) -> None:
    events = [ORDER.but(id=number, user=number % 3, amount=Decimal(number)) for number in range(1, 40)]
    two.batch(*events, LAST)
    other = events[20].but(**fitting(variant))
    versions(two, VARIANTS[variant], *events[:20], other, *events[21:], LAST)
    reconciliation = run(two, table="typed_orders")
    assert reasons(reconciliation) == {21: Reason.AMOUNT if variant.startswith("amounts") else Reason.OTHER}
    # Both engines computed the same checksums of all others.
    assert reconciliation.located.keys == (21,)
    if not variant.startswith("amounts"):
        assert {verdict.status for verdict in reconciliation.verdicts} == {Status.OK}
    versions(two, VARIANTS[variant], *events, LAST)
    healed = run(two, run_id="run-2", table="typed_orders")
    assert healed.located.keys == ()


def test_a_float_is_the_shortest_decimal_that_reads_back_as_it(two: TwoLayers) -> None:
    events = [ORDER.but(id=number, amount=Decimal(number) / 100) for number in (1, 7, 10, 29, 100, 1999, 30030)]
    two.batch(*events, LAST)
    for kind in ("Float64", "Float32"):
        versions(two, {"total_amount": "String"}, *events, LAST)
        two.client.command(f"alter table typed_orders modify column total_amount {kind}")
        reconciliation = run(two, table="typed_orders")
        assert (reconciliation.located.keys, reasons(reconciliation)) == ((), {})
        assert {verdict.status for verdict in reconciliation.verdicts} == {Status.OK}


EXTREMES = [-(2**63), -(2**62) - 1, -1, 0, 1, 2**62, 2**63 - 1]


def test_order_keys_over_the_whole_range_of_a_bigint(two: TwoLayers) -> None:
    events = [ORDER.but(id=key, lsn=100 + place) for place, key in enumerate([*EXTREMES, *range(5, 60)])]
    two.batch(*events, LAST)
    two.speed(*[event.but(status="delivered") if event.id in EXTREMES else event for event in events], LAST)
    reconciliation = run(two)
    assert reconciliation.located.keys == tuple(EXTREMES)
    assert set(reasons(reconciliation)) == set(EXTREMES)
    two.client.command("truncate table orders_realtime")
    two.speed(*events, LAST)
    assert run(two, run_id="run-2").located.keys == ()


def test_a_type_that_is_not_compared_is_refused_by_name(two: TwoLayers) -> None:
    two.batch(ORDER, LAST)
    versions(two, {}, ORDER, LAST)
    two.client.command("alter table typed_orders drop column shipping_address")
    two.client.command("alter table typed_orders add column shipping_address Array(String) default ['Elm', 'Street']")
    with pytest.raises(
        ReconciliationError,
        match=r"ClickHouse table typed_orders: column shipping_address has the type Array\(String\), which is not compared as "
        r"text; expected one of String, FixedString, Enum8",
    ):
        run(two, table="typed_orders")
    ignored = ReconciliationSettings(ignore_columns=["shipping_address"])
    assert reasons(run(two, table="typed_orders", settings=ignored)) == {}


def test_unicode_forms_and_case_are_differences(two: TwoLayers) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    events = [ORDER.but(id=1, address=composed), ORDER.but(id=2, address="ELM"), ORDER.but(id=3, address="elm ")]
    two.batch(*events, LAST)
    two.speed(events[0].but(address=decomposed), events[1].but(address="Elm"), events[2].but(address="elm"), LAST)
    assert reasons(run(two)) == dict.fromkeys((1, 2, 3), Reason.OTHER)


def test_finer_times_lie_in_their_microsecond_before_and_after_1970(two: TwoLayers) -> None:
    old = NOON.replace(year=1969) - timedelta(microseconds=1)
    events = [ORDER.but(id=1, created=old), ORDER.but(id=2, created=NOON + timedelta(microseconds=7))]
    two.batch(*events, LAST)
    versions(two, {"created_at": "DateTime64(9, 'UTC')"}, *events, LAST)
    two.client.command(
        "alter table typed_orders update created_at = created_at + toIntervalNanosecond(999) where true "
        "settings mutations_sync = 1"
    )
    assert run(two, table="typed_orders").located.keys == ()
