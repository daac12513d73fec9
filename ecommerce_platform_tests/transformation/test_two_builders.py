"""Two builders with a data folder each and one warehouse: one is killed while the other waits, and nothing is skipped."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.applied import read_build_state
from ecommerce_platform.warehouse.schema.lease import MODELS, lease_state
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.faults.kill_points import AFTER, BEFORE, Kill
from ecommerce_platform_tests.faults.two_builders import environment_of, start
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import load_day
from ecommerce_platform_tests.transformation.tables import read_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: What a build does in this order; points that a rehearsal passes and that begin like one of these are steps.
STEPS = (
    "sql update raw.leases",
    "sql delete from staging.applied_days",
    "sql insert into staging.applied_days",
    "sql insert into staging.applied_definition",
    "sql commit",
    "dbt base_landing_days",
    "dbt base_superseded_batches",
    "dbt base_changed_keys",
    "dbt base_orders",
    "dbt stg_orders_enhanced",
    "dbt int_customer_metrics",
    "dbt mart_daily_business_metrics",
)


def ended(builder: subprocess.Popen[str]) -> str:
    out, error = builder.communicate(timeout=500)
    assert builder.returncode in (0, -signal.SIGKILL), error[-3000:]
    return out


def killed_beside(
    connection: SnowflakeConnection, environments: Sequence[dict[str, str]], kinds: tuple[str, str], kill: Kill
) -> bool:
    """The first builder dies at the point while the second waits for its turn or works; whether the first really died."""
    first = start(environments[0], kinds[0], kill)
    while first.poll() is None and lease_state(connection, MODELS).token is None:
        """Until it holds the lease, or has died before."""
    second = start(environments[1], kinds[1])
    ended(first)
    ended(second)
    assert second.returncode == 0, "the second builder was killed, or failed"
    return first.returncode == -signal.SIGKILL


def assert_all_is_applied(connection: SnowflakeConnection) -> None:
    state = read_build_state(connection)
    assert state.applied == state.loaded
    assert lease_state(connection, MODELS).is_free
    assert fetch_all(connection, "select count(*) from RAW.SUPERSEDED_ORDERS") == [(0,)]


@pytest.mark.slow
def test_the_second_builder_applies_what_the_first_had_frozen_when_it_was_killed(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform, tmp_path: Path
) -> None:
    if not transformation_settings.snowflake.is_embedded:
        pytest.skip("shown on the embedded server only: the two reach it by its address")
    shop = RandomShop(seed=23, days=3)
    for day in shop.days[:2]:
        load_day(connection, day, shop.events(day))
        transform()
    load_day(connection, shop.days[2], shop.events(shop.days[2]))
    environments = [environment_of(transformation_settings, tmp_path / name) for name in ("first", "second")]
    kill = Kill("dbt base_changed_keys: create or replace", AFTER, 1)
    assert killed_beside(connection, environments, ("job", "job"), kill)
    assert_all_is_applied(connection)
    incremental = read_all(connection)
    transform(full_refresh=True)
    assert read_all(connection) == incremental


@pytest.mark.soak
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kinds", [("job", "job"), ("job", "rebuild"), ("rebuild", "job")], ids="-".join)
def test_two_builders_are_killed_at_each_step(
    transformation_settings: Settings,
    connection: SnowflakeConnection,
    transform: Transform,
    tmp_path: Path,
    kinds: tuple[str, str],
    step: str,
) -> None:
    """At each point of the step, before and after it; a case for each step, so that the trial can be divided and gone on with."""
    if not transformation_settings.snowflake.is_embedded:
        pytest.skip("shown on the embedded server only: the two reach it by its address")
    shop = RandomShop(seed=29, days=3)
    environments = [environment_of(transformation_settings, tmp_path / name) for name in ("first", "second")]
    for day in shop.days:
        load_day(connection, day, shop.events(day))
    transform()
    # With and without its late file by turns: each trial has something to apply, and keys to take away.
    day, *contents = shop.days[1], shop.with_late_file(shop.days[1]), shop.events(shop.days[1])
    expected = []
    for events in contents:
        load_day(connection, day, events)
        transform(full_refresh=True)
        expected.append(read_all(connection))
    assert expected[0] != expected[1]

    load_day(connection, day, contents[0])
    points = json.loads(ended(start(environments[0], kinds[0])).splitlines()[-1])
    assert read_all(connection) == expected[0]
    of_step = sorted(point for point in points if point.startswith(step))
    assert of_step, f"the step has another name now: {sorted(points)}"
    kills = [(point, side) for point in of_step for side in (BEFORE, AFTER)]
    for number, (point, side) in enumerate(kills, start=1):
        load_day(connection, day, contents[number % 2])
        assert killed_beside(connection, environments, kinds, Kill(point, side, 1 + number % points[point]))
        assert_all_is_applied(connection)
        assert read_all(connection) == expected[number % 2], f"killed {side} {point}"
    print(f"{len(kills)} kills at {len(of_step)} points of {step}")
