"""Analytics that follow the changes are those of all events, row for row, whatever the changes are."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics import tables
from ecommerce_platform.analytics.compute import all_frames, compare_with_all_events, read_state, refresh
from ecommerce_platform.analytics.declared import BASIS, TABLES
from ecommerce_platform.analytics.follow import buyers, latest
from ecommerce_platform.analytics.follow.incremental import refresh_from_state
from ecommerce_platform.analytics.follow.latest import State, load_state, read_slices
from ecommerce_platform.analytics.published import NEEDED, PublishedInput
from ecommerce_platform.analytics.tables import AnalyticsError
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.analytics.event_lake import EventLake
from ecommerce_platform_tests.analytics.random_events import random_events
from ecommerce_platform_tests.analytics.rows import at, event

SHOPS = 20


def day(number: int) -> date:
    return date(2026, 1, number)


@pytest.fixture
def following(local_settings: Settings) -> Settings:
    """Settings under which the state is kept from the first event on, and nothing is compared unasked."""
    changes = {"analytics_state_from_events": 0, "analytics_check_every_days": 0}
    return local_settings.model_copy(update={"spark": local_settings.spark.model_copy(update=changes)})


@pytest.fixture
def lake(spark: SparkSession, following: Settings) -> EventLake:
    return EventLake(spark, following)


def apply(lake: EventLake, published: PublishedInput) -> dict[str, State]:
    """Follows what is published, and holds state and results against all events; the states."""
    if tables.current(lake.lake, "customer_metrics"):
        refresh(lambda: lake.spark, lake.lake, lake.settings.spark, published, TABLES, "test")
    else:  # the first time, `refresh` would keep no state
        refresh_from_state(lake.spark, lake.lake, published, list(TABLES), {BASIS: published.basis})
    states = {}
    for table in NEEDED:
        state = load_state(lake.lake, table)
        assert state is not None
        states[table] = state
    with all_frames(lake.spark, lake.lake, published) as frames:
        for name in TABLES:
            assert rows_of(lake.stored(name)) == rows_of(frames.result(name).toArrow()), name
    return states


def rows_of(rows: pa.Table) -> list[str]:
    """All rows, in an order of their own; as text, in which null has its place, too."""
    return sorted(str(sorted(row.items())) for row in rows.to_pylist())


def assert_states(lake: EventLake, published: PublishedInput) -> None:
    """The states themselves are the latest ones, whatever the results take from them."""
    for table in NEEDED:
        expected = read_state(lake.spark, lake.lake, published, table).toArrow()
        kept = lake.stored(f"latest_{table}")
        kept = kept.filter(pc.invert(kept["deleted"])).select(expected.column_names)
        assert rows_of(kept) == rows_of(expected), table


def more(
    random: Random, lake: EventLake, landed: int, *, events: int = 8, key_changes: str = "", shops: int = SHOPS
) -> None:
    for table in NEEDED:
        for shop in range(shops):
            lake.add(
                table, random_events(random, table, 100 * shop + 1, landed, events, key_changes=table == key_changes)
            )


@pytest.mark.soak
def test_random_days_late_replaced_and_withdrawn(lake: EventLake) -> None:
    random = Random(20261127)
    more(random, lake, 1)
    first = apply(lake, lake.publish(day(1)))
    more(random, lake, 2)
    apply(lake, lake.publish(day(1), day(2)))
    more(random, lake, 3)
    more(random, lake, 1, events=2, shops=10)  # a late file
    states = apply(lake, lake.publish(day(1), day(2), day(3)))
    for table in NEEDED:  # a replaced day
        del lake.contents[table, day(2)][::5]
    apply(lake, lake.publish(day(1), day(2), day(3)))
    apply(lake, lake.publish(day(1), day(3)))  # withdrawn
    more(random, lake, 4)
    published = lake.publish(day(1), day(2), day(3), day(4))
    states = apply(lake, published)
    assert_states(lake, published)
    assert all(state.basis.before is None for state in first.values())
    assert all(state.basis.before is not None for state in states.values())


@pytest.mark.soak
def test_what_hangs_on_other_keys_is_made_from_all_events(lake: EventLake) -> None:
    random = Random(1)
    more(random, lake, 1, key_changes="orders")
    apply(lake, lake.publish(day(1)))
    more(random, lake, 2, key_changes="users")
    states = apply(lake, lake.publish(day(1), day(2)))
    carried_on = {table: state.basis.before is not None for table, state in states.items()}
    assert carried_on == {"users": False, "orders": False, "order_items": True}
    assert all(states[table].basis.moved_lsn for table in ("users", "orders"))
    # Days whose LSNs are higher than all key changes' are carried on; an event that stands before one is not.
    lake.add("users", [event(1000, "UPDATE", day=3, id=1, email="new"), event(1001, day=3, id=77, email="come")])
    states = apply(lake, lake.publish(day(1), day(2), day(3)))
    assert states["users"].basis.before is not None
    lake.add("users", [event(1, "UPDATE", day=4, id=1, email="older than the key changes")])
    states = apply(lake, lake.publish(day(1), day(2), day(3), day(4)))
    assert states["users"].basis.before is None


@pytest.mark.soak
def test_slices_are_divided_as_they_grow_and_a_day_writes_the_ones_that_it_touches(
    lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "SLICE_ROWS", 4)
    random = Random(2)
    more(random, lake, 1, events=3)
    for number in range(200):
        order = event(1000 + number, id=10_000 + number, user_id=1, status="shipped", created_at=at(1))
        lake.add("orders", [order])
    states = apply(lake, lake.publish(day(1)))
    assert len(states["orders"].rows) > 32  # so many are found by a join
    rows = sum(states["orders"].rows.values())
    for number in range(60):
        order = 100 * SHOPS + number
        lake.add("orders", [event(20 + number, day=2, id=order, user_id=1, status="shipped", created_at=at(2))])
    states = apply(lake, lake.publish(day(1), day(2)))
    assert sum(states["orders"].rows.values()) == rows + 60
    assert max(states["orders"].rows.values()) < 16
    # One order, one slice of it; one item of another, the same.
    lake.add("orders", [event(100, "UPDATE", day=3, id=100 * SHOPS, user_id=2, status="cancelled", created_at=at(1))])
    lake.add("order_items", [event(100, day=3, id=5, order_id=100 * SHOPS + 1, product_id=7, quantity=1)])
    lake.publish(day(1), day(2), day(3))
    before = states
    states = apply(lake, lake.publish(day(1), day(2), day(3)))
    for table, most in (("users", 0), ("orders", 1), ("order_items", 1)):
        assert len(states[table].files.keys() - before[table].files.keys()) <= most, table


COMMITS = 7


class Commits:
    """Writes tables as the platform does, so many times; after that it ends the run."""

    def __init__(self, last: int) -> None:
        self.last, self.done, self._lock, self._write = last, 0, Lock(), tables.write

    def write(self, *arguments: Any, **named: Any) -> None:
        with self._lock:
            if self.done == self.last:
                raise KeyboardInterrupt
            self._write(*arguments, **named)
            self.done += 1


@pytest.mark.soak
def test_a_run_that_ends_after_any_of_its_commits_is_mended_by_the_next(
    lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(3)
    more(random, lake, 1, shops=20)
    apply(lake, lake.publish(day(1)))
    for last in range(COMMITS):
        commits = Commits(last)
        with monkeypatch.context() as killed:
            killed.setattr(tables, "write", commits.write)
            killed.setattr(latest, "write", commits.write)
            killed.setattr(buyers, "write", commits.write)
            more(random, lake, last % 3 + 2, shops=20)
            published = lake.publish(*(day(number) for number in range(1, min(4, last + 2) + 1)))
            with pytest.raises(KeyboardInterrupt):
                refresh(lambda: lake.spark, lake.lake, lake.settings.spark, published, TABLES, "killed")
        assert commits.done == last
        states = apply(lake, published)
        assert all(state.basis.before is not None for state in states.values())


@pytest.mark.soak
def test_two_that_carry_on_the_same_state_leave_none(lake: EventLake) -> None:
    lake.add("users", [event(1, id=1), event(2, id=2)])
    states = apply(lake, lake.publish(day(1)))
    lake.add("users", [event(3, day=2, id=3)])
    states = apply(lake, lake.publish(day(1), day(2)))
    users = states["users"]
    assert users.basis.before is not None
    name = lake.lake.in_spark(lake.lake.analytics("latest_users"))
    # Another one's commit came between what this one had read and its own.
    rows = read_slices(lake.spark, lake.lake, "users", users)
    tables.write(rows.limit(0), name, {latest.STATE: users.basis.as_text()}, F.lit(False))
    assert load_state(lake.lake, "users") is None
    lake.add("users", [event(4, day=3, id=4)])
    assert apply(lake, lake.publish(day(1), day(2), day(3)))["users"].basis.before is None


@pytest.mark.soak
def test_a_state_goes_on_after_maintenance_and_from_expired_snapshots_all_is_made_again(lake: EventLake) -> None:
    lake.add("users", [event(1, id=1), event(2, id=2)])
    apply(lake, lake.publish(day(1)))
    catalog, namespace = lake.settings.lakehouse.catalog_name, lake.settings.lakehouse.analytics_namespace
    lake.add("users", [event(3, "UPDATE", day=2, id=1, first_name="Bo")])
    apply(lake, lake.publish(day(1), day(2)))
    lake.spark.sql(
        f"call `{catalog}`.system.rewrite_manifests(table => '{namespace}.latest_users', use_caching => false)"
    )
    lake.add("users", [event(4, "UPDATE", day=3, id=1, first_name="Cy")])
    days = (day(1), day(2), day(3))
    assert apply(lake, lake.publish(*days))["users"].basis.before is not None
    # A replaced day needs what the state has read of it.
    del lake.contents["users", day(2)][:]
    published = lake.publish(*days)
    source = f"{lake.settings.lakehouse.namespace}.users"
    lake.spark.sql(
        f"call `{catalog}`.system.expire_snapshots(table => '{source}', older_than => timestamp '2100-01-01 00:00:00')"
    )
    assert apply(lake, published)["users"].basis.before is None


@pytest.mark.soak
def test_a_check_names_figures_that_differ_and_leaves_the_right_ones(lake: EventLake) -> None:
    lake.add("users", [event(1, id=1), event(2, id=2)])
    lake.add("orders", [event(3, id=1, user_id=1, status="shipped", total_amount=Decimal("5.00"), created_at=at(1))])
    apply(lake, lake.publish(day(1)))
    name = lake.lake.in_spark(lake.lake.analytics(buyers.PURCHASES_BY_USER))
    (kept,) = (item for item in [tables.current(lake.lake, buyers.PURCHASES_BY_USER)] if item)
    wrong = lake.spark.table(name).withColumn("spent", F.lit(501).cast("bigint"))
    tables.write(wrong, name, {buyers.MADE_FROM: kept.properties[buyers.MADE_FROM]})
    with pytest.raises(
        AnalyticsError, match="customer_metrics, daily_business_metrics, product_analytics: not computed"
    ):
        compare_with_all_events(lambda: lake.spark, lake.lake, lake.publish())
    lake.add(
        "orders",
        [event(4, "UPDATE", id=1, user_id=1, status="shipped", total_amount=Decimal("6.00"), created_at=at(1))],
    )
    published = lake.publish(day(1))
    refresh(lambda: lake.spark, lake.lake, lake.settings.spark, published, TABLES, "wrong")
    compared = compare_with_all_events(lambda: lake.spark, lake.lake, published)
    assert {item.table: item.differing for item in compared} == dict.fromkeys(TABLES, 0) | {"customer_metrics": 2}
    checked = lake.settings.spark.model_copy(update={"analytics_check_every_days": 30})
    lake.add("users", [event(4, day=2, id=3)])
    published = lake.publish(day(1), day(2))
    with pytest.raises(AnalyticsError, match="customer_metrics in 2 rows"):
        refresh(lambda: lake.spark, lake.lake, checked, published, TABLES, "checked")
    apply(lake, published)
    lake.add("users", [event(5, day=3, id=4)])
    published = lake.publish(day(1), day(2), day(3))
    refresh(lambda: lake.spark, lake.lake, checked, published, TABLES, "not due")
    compared_last = {name: item.checked_days for name in TABLES if (item := tables.current(lake.lake, name))}
    assert compared_last == dict.fromkeys(TABLES, 0) | {"customer_metrics": 2}


@pytest.mark.slow
def test_a_later_day_moves_the_end_of_the_span(lake: EventLake) -> None:
    """The last date of the span is a year after the as-of day: an order gets its row when it is reached, without an event."""
    ahead = datetime(2027, 1, 3, 12, tzinfo=UTC)
    lake.add("users", [event(1, id=1, created_at=ahead)])
    lake.add("orders", [event(2, id=1, user_id=1, status="shipped", total_amount=Decimal("5.00"), created_at=ahead)])
    lake.add("order_items", [event(3, id=1, order_id=1, product_id=5, quantity=2, unit_price=Decimal("2.50"))])
    apply(lake, lake.publish(day(1)))
    assert lake.stored("daily_business_metrics").num_rows == 0
    apply(lake, lake.publish(day(1), day(2), day(3)))
    assert lake.stored("daily_business_metrics").num_rows == 1
    apply(lake, lake.publish(day(1)))
    assert lake.stored("daily_business_metrics").num_rows == 0
