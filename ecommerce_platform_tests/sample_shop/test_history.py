"""What happens in the shop makes sense: read from the clean sample's files, where nothing is disturbed."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

from ecommerce_platform_tests.sample_shop.reading import TABLES, Row, histories, latest_states
from ecommerce_platform_tests.sample_shop.written import Sample

MICROSECONDS_A_DAY = 86_400_000_000
MOVES = {
    ("pending", "pending"),  # a correction
    ("pending", "processing"),
    ("pending", "cancelled"),
    ("processing", "shipped"),
    ("processing", "cancelled"),
    ("shipped", "delivered"),
}


def inserts(sample: Sample, table: str) -> list[Row]:
    return [row for row in sample.of(table) if row["__op"] == "INSERT"]


def test_every_day_has_orders_and_together_as_many_as_asked_for(clean_sample: Sample) -> None:
    first_inserts = [
        events[0] for events in histories(clean_sample.of("orders")).values() if events[0]["__op"] != "READ"
    ]
    by_day = Counter(row.day for row in first_inserts)
    assert len(by_day) == 14
    assert sum(by_day.values()) == 14 * 300


def test_a_weekend_sells_more_than_the_days_before_it(clean_sample: Sample) -> None:
    orders = Counter(row.day for row in inserts(clean_sample, "orders"))
    weekend = orders[date(2026, 1, 10)] + orders[date(2026, 1, 11)]
    midweek = orders[date(2026, 1, 6)] + orders[date(2026, 1, 7)]
    assert weekend > 1.25 * midweek


def test_every_event_is_in_the_folder_of_the_day_it_was_committed(clean_sample: Sample) -> None:
    assert {row.day for row in clean_sample.rows} == {row.committed_on for row in clean_sample.rows}
    assert all(row.day == row.committed_on for row in clean_sample.rows)


def test_the_first_day_begins_with_a_snapshot_of_what_is_older(clean_sample: Sample) -> None:
    for table in TABLES:
        snapshot = [row for row in clean_sample.of(table) if row["__op"] == "READ"]
        assert snapshot
        assert {row.day for row in snapshot} == {date(2026, 1, 1)}
        assert all(row["created_at"] < 1767225600 * 1_000_000 for row in snapshot)
        unnumbered = sum(row["__source_lsn"] is None for row in snapshot)
        assert 0 < unnumbered < len(snapshot)


def test_only_snapshot_rows_lack_a_log_sequence_number(clean_sample: Sample) -> None:
    assert {row["__op"] for row in clean_sample.rows if row["__source_lsn"] is None} == {"READ"}


def test_a_history_begins_once_and_ends_with_its_delete_or_goes_on_with_a_new_insert(clean_sample: Sample) -> None:
    for table in TABLES:
        for events in histories(clean_sample.of(table)).values():
            operations = [event["__op"] for event in events]
            assert operations[0] in ("READ", "INSERT")
            for before, after in itertools.pairwise(operations):
                assert after != "READ"
                assert (before == "DELETE") == (after == "INSERT")


def test_each_table_has_a_deleted_key_and_one_that_came_back(clean_sample: Sample) -> None:
    for table in TABLES:
        operations = [[event["__op"] for event in events] for events in histories(clean_sample.of(table)).values()]
        assert any(ops[-1] == "DELETE" for ops in operations), table
        assert any("DELETE" in ops and ops[-1] != "DELETE" for ops in operations), table


def test_a_delete_carries_its_key_and_nothing_else(clean_sample: Sample) -> None:
    for row in clean_sample.rows:
        if row["__op"] == "DELETE":
            assert row["id"] is not None
            assert {value for name, value in row.values.items() if name != "id" and not name.startswith("__")} == {None}


def test_orders_move_from_pending_to_delivered_on_following_days_and_never_back(clean_sample: Sample) -> None:
    days_between = set()
    last = Counter()
    for events in histories(clean_sample.of("orders")).values():
        if "DELETE" in {event["__op"] for event in events}:
            continue
        for before, after in itertools.pairwise(events):
            assert (before["status"], after["status"]) in MOVES
            days_between.add((after.day - before.day).days)
        last[events[-1]["status"]] += 1
    assert {0, 1, 2, 3} <= days_between
    assert last["delivered"] > last["cancelled"] > 0
    assert last["pending"] > 0


def test_an_order_costs_its_lines_and_shipping_below_fifty(clean_sample: Sample) -> None:
    lines: dict[int, Decimal] = defaultdict(Decimal)
    for line in latest_states(clean_sample.of("order_items")).values():
        lines[line["order_id"]] += line["quantity"] * line["unit_price"]
    orders = latest_states(clean_sample.of("orders"))
    assert set(lines) == set(orders)
    difference = Counter(order["total_amount"] - lines[key] for key, order in orders.items())
    assert set(difference) == {Decimal("0.00"), Decimal("4.95")}
    assert difference[Decimal("0.00")] > difference[Decimal("4.95")]


def test_some_orders_are_corrected_together_with_their_line(clean_sample: Sample) -> None:
    corrected = {row["order_id"]: row for row in clean_sample.of("order_items") if row["__op"] == "UPDATE"}
    assert corrected
    for order_id, line in corrected.items():
        events = histories(clean_sample.of("orders"))[order_id] if len(corrected) < 5 else None
        if events is not None:
            assert line["__source_ts_ms"] in {event["__source_ts_ms"] for event in events}


def test_a_line_costs_the_catalog_price_of_its_time_or_less(clean_sample: Sample) -> None:
    prices = {
        key: [(event["__source_ts_ms"] * 1000, event["price"]) for event in events if event["price"] is not None]
        for key, events in histories(clean_sample.of("products")).items()
    }
    cheaper = equal = 0
    for line in inserts(clean_sample, "order_items"):
        history = prices[line["product_id"]]
        catalog = next((price for at, price in reversed(history) if at <= line["created_at"]), history[0][1])
        assert line["unit_price"] <= catalog
        cheaper += line["unit_price"] < catalog
        equal += line["unit_price"] == catalog
    assert equal > 3 * cheaper > 0


def test_stock_falls_with_sales_and_is_filled_up_again(clean_sample: Sample) -> None:
    steps = Counter()
    for events in histories(clean_sample.of("products")).values():
        levels = [event["stock_quantity"] for event in events if event["stock_quantity"] is not None]
        assert min(levels) >= 0
        steps.update((after > before) - (after < before) for before, after in itertools.pairwise(levels))
    assert steps[-1] > steps[1] > 0


def test_prices_change(clean_sample: Sample) -> None:
    prices = [
        {event["price"] for event in events} - {None} for events in histories(clean_sample.of("products")).values()
    ]
    assert sum(len(distinct) > 1 for distinct in prices) > 10


def test_new_users_register_on_most_days_and_some_buy_at_once(clean_sample: Sample) -> None:
    registered = {row["id"]: row["created_at"] for row in inserts(clean_sample, "users")}
    assert len({row.day for row in inserts(clean_sample, "users")}) >= 12
    orders = [row for row in inserts(clean_sample, "orders") if row["user_id"] in registered]
    assert all(order["created_at"] >= registered[order["user_id"]] for order in orders if order["id"] < 10_000_000)
    same_day = [
        order
        for order in orders
        if order["created_at"] // MICROSECONDS_A_DAY == registered[order["user_id"]] // MICROSECONDS_A_DAY
    ]
    assert same_day


def test_few_customers_buy_most(clean_sample: Sample) -> None:
    orders = sorted(Counter(row["user_id"] for row in inserts(clean_sample, "orders")).values(), reverse=True)
    assert sum(orders[: len(orders) // 5]) > sum(orders) / 2
    assert orders[-1] == 1


def test_some_customers_have_not_bought_for_half_a_year(clean_sample: Sample) -> None:
    last_order: dict[int, int] = defaultdict(int)
    for order in latest_states(clean_sample.of("orders")).values():
        last_order[order["user_id"]] = max(last_order[order["user_id"]], order["created_at"])
    end = MICROSECONDS_A_DAY * (date(2026, 1, 14) - date(1970, 1, 1)).days
    away = sum(at < end - 180 * MICROSECONDS_A_DAY for at in last_order.values())
    assert 3 <= away < len(last_order) / 10
