"""Builds of one warehouse: one at a time, each marks what it froze itself, and whoever lost its turn writes and marks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.applied import FreezeReplaced, mark_applied
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRunError, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest
from ecommerce_platform.transformation.project.profile import profile_environment
from ecommerce_platform.warehouse.schema.lease import MODELS, LeaseBusy, LeaseLost, lease_state
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import load_day, order, user
from ecommerce_platform_tests.transformation.tables import count, pending_days, read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

    from ecommerce_platform.warehouse.schema.lease import Lease
    from ecommerce_platform.warehouse.sql.connection import Opener

FREEZE = ("base_landing_days", "base_superseded_batches")


@pytest.fixture
def opener(transformation_settings: Settings) -> Opener:
    return partial(connect, transformation_settings)


@pytest.fixture
def two_days(connection: SnowflakeConnection, transform: Transform) -> Iterator[SnowflakeConnection]:
    """One applied day, and another that is loaded and waits."""
    load_day(connection, "2026-01-01", [user(1, 1, "2026-01-01"), order(1, 2, "2026-01-01")])
    transform()
    load_day(connection, "2026-01-02", [order(2, 3, "2026-01-02")])
    yield connection
    execute(connection, "update RAW.LEASES set owner = null, token = null, process = null, expires_at = null")


def freeze(settings: Settings, lease: Lease | None) -> None:
    run_dbt(settings, DbtRequest(command="run", select=FREEZE), "freeze", lease)


def pass_to_another(connection: SnowflakeConnection) -> None:
    """The lease as a build elsewhere holds it, after this one slept through its expiry."""
    execute(
        connection,
        "update RAW.LEASES set owner = 'run B elsewhere', token = 'b', process = null, acquired_at = sysdate(), "
        "expires_at = dateadd('second', 600, sysdate()) where name = 'models'",
    )


def test_a_build_never_marks_days_that_another_froze(
    transformation_settings: Settings, two_days: SnowflakeConnection, opener: Opener, transform: Transform
) -> None:
    definition = definition_digest(DbtProject.of(transformation_settings))
    with exclusive_build(
        transformation_settings.dbt, transformation_settings.snowflake, two_days, opener, "A", print
    ) as lease:
        freeze(transformation_settings, lease)
        load_day(two_days, "2026-01-03", [order(3, 4, "2026-01-03")])
        # A freeze by something that knows no lease, such as an older release: more days, and nothing computed of them.
        execute(
            two_days,
            "create or replace table STAGING.BASE_LANDING_DAYS as select table_name, date, batch_id, true as is_pending, "
            "cast(null as string) as frozen_by from RAW.LOAD_LEDGER",
        )
        with pytest.raises(FreezeReplaced, match=r"12 rows \(days 2026-01-01 to 2026-01-03\) that run A on .* did not"):
            mark_applied(two_days, definition, lease)
    assert pending_days(two_days) == ["2026-01-02", "2026-01-03"]
    transform()
    assert pending_days(two_days) == []
    assert count(two_days, "STAGING.ORDERS_ENHANCED") == 3


#: What a build that slept sends when it wakes up: it computes everything, and so lists no changed key and each replaced load.
_WOKEN_UP = {
    "BASE_CHANGED_KEYS": "select entity, id, date from STAGING.BASE_CHANGED_KEYS where false",
    "BASE_SUPERSEDED_BATCHES": "select 'orders' as table_name, 'orders-of-later' as batch_id, cast(null as string) as frozen_by",
}


@pytest.mark.parametrize("table", spread(_WOKEN_UP, everyday=0, slow=1))
def test_a_build_whose_lists_another_replaced_marks_nothing(
    transformation_settings: Settings,
    two_days: SnowflakeConnection,
    opener: Opener,
    transform: Transform,
    table: str,
) -> None:
    definition = definition_digest(DbtProject.of(transformation_settings))
    with exclusive_build(
        transformation_settings.dbt, transformation_settings.snowflake, two_days, opener, "B", print
    ) as lease:
        run_dbt(transformation_settings, DbtRequest(command="run", select=(*FREEZE, "base_changed_keys")), "B", lease)
        execute(two_days, f"create or replace table STAGING.{table} as {_WOKEN_UP[table]}")
        with pytest.raises(FreezeReplaced, match=rf"STAGING.{table} has .* that run B on .* did not freeze"):
            mark_applied(two_days, definition, lease)
    assert pending_days(two_days) == ["2026-01-02"]
    transform()
    assert (pending_days(two_days), count(two_days, "STAGING.ORDERS_ENHANCED")) == ([], 2)


@pytest.mark.slow
def test_a_build_that_lost_its_lease_writes_no_further_model_and_marks_nothing(
    transformation_settings: Settings, two_days: SnowflakeConnection, opener: Opener
) -> None:
    definition = definition_digest(DbtProject.of(transformation_settings))
    with exclusive_build(
        transformation_settings.dbt, transformation_settings.snowflake, two_days, opener, "A", print
    ) as lease:
        freeze(transformation_settings, lease)
        pass_to_another(two_days)
        with pytest.raises(DbtRunError, match="it is held by run B elsewhere since"):
            run_dbt(transformation_settings, DbtRequest(command="run"), "A", lease)
        with pytest.raises(LeaseLost, match="held by run B elsewhere"):
            mark_applied(two_days, definition, lease)
    assert pending_days(two_days) == ["2026-01-02"]
    assert count(two_days, "STAGING.ORDERS_ENHANCED") == 1


@pytest.mark.slow
def test_a_second_build_waits_its_time_and_then_names_the_first(
    transformation_settings: Settings, two_days: SnowflakeConnection, opener: Opener
) -> None:
    dbt = transformation_settings.dbt.model_copy(update={"wait_for_build_seconds": 0.0})
    impatient = transformation_settings.model_copy(update={"dbt": dbt})
    with (
        exclusive_build(transformation_settings.dbt, transformation_settings.snowflake, two_days, opener, "A", print),
        opener() as other,
    ):
        with pytest.raises(LeaseBusy, match=r"'models' is held by run A on .* since"):
            exclusive_build(impatient.dbt, impatient.snowflake, other, opener, "B", print).__enter__()
        with pytest.raises(DbtRunError, match=r"does not hold the lease 'models' .*: it is held by run A on"):
            freeze(transformation_settings, None)


def by_hand(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    project = str(settings.dbt.project_dir)
    target = str(settings.data_dir / "by-hand")
    folders = ("--project-dir", project, "--profiles-dir", project, "--target-path", target, "--log-path", target)
    return subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), *arguments, *folders],
        env=os.environ | profile_environment(settings, "by-hand"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.soak
def test_dbt_by_hand_takes_the_same_lease_and_gives_it_back(
    transformation_settings: Settings, two_days: SnowflakeConnection, opener: Opener
) -> None:
    generation = lease_state(two_days, MODELS).generation
    with exclusive_build(transformation_settings.dbt, transformation_settings.snowflake, two_days, opener, "A", print):
        refused = by_hand(transformation_settings, "run", "--select", "base_landing_days")
    assert refused.returncode != 0
    assert "it is held by run A on" in refused.stdout
    assert [row for row in read(two_days, "STAGING.BASE_LANDING_DAYS") if str(row["date"]) == "2026-01-02"] == []

    wrong = ("--vars", "{tier_gold: no number}")
    failed = by_hand(transformation_settings, "run", "--select", "base_landing_days", "stg_users_enhanced", *wrong)
    assert "stg_users_enhanced" in failed.stdout
    assert failed.returncode != 0
    state = lease_state(two_days, MODELS)
    assert state.token is None, "given back, although a model failed"
    assert state.generation == generation + 2
    assert fetch_all(two_days, "select distinct frozen_by is null from STAGING.BASE_LANDING_DAYS") == [(False,)]
    assert pending_days(two_days) == ["2026-01-02"]
