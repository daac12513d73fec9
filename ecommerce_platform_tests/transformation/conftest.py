"""One stand-in and one parsed project for the room's tests; each test begins with empty tables."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.settings import Settings, SnowflakeSettings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.transformation.builds.applied import (
    DEFINITION_TABLE,
    full_refresh_reason,
    mark_applied,
    read_build_state,
)
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest
from ecommerce_platform.warehouse.schema.upgrade import ensure_current, initialise_account
from ecommerce_platform.warehouse.sql.connection import connect, execute, quoted
from ecommerce_platform_tests.transformation.restatement_log import PUBLISHED

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ACCOUNT = "account"
#: Builds the models as the step does, models only: `run()`, `run(full_refresh=True)`, `run(mark=False)`.
Transform = Callable[..., None]


@pytest.fixture(scope="session", params=["embedded", pytest.param(ACCOUNT, marks=pytest.mark.snowflake)])
def transformation_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of the stand-in, or of a database of its own in the account that the environment names, which is dropped."""
    folder = tmp_path_factory.mktemp("transformation")
    dbt = {"target_path": str(folder / "target")}
    if request.param == ACCOUNT:
        if not os.environ.get("ECOMMERCE_SNOWFLAKE__ACCOUNT"):
            pytest.skip("no account named: set ECOMMERCE_SNOWFLAKE__ACCOUNT, __USER and __PRIVATE_KEY_PATH")
        settings = load_settings(data_dir=folder / "data", dbt=dbt)
        database = f"ECOMMERCE_TEST_{uuid.uuid4().hex[:8].upper()}"
        settings = settings.model_copy(
            update={"snowflake": settings.snowflake.model_copy(update={"database": database})}
        )
    else:
        settings = load_settings(data_dir=folder / "data", dbt=dbt, snowflake=SnowflakeSettings())
    initialise_account(settings)
    yield settings
    if request.param == ACCOUNT:
        with connect(settings, role=settings.snowflake.admin_role) as opened:
            execute(opened, f"drop database if exists {quoted(settings.snowflake.database)}")
    else:
        down(settings.data_dir)


@pytest.fixture
def connection(transformation_settings: Settings) -> Iterator[SnowflakeConnection]:
    """A connection to a warehouse without rows and without a build state; models of earlier tests may be there, as leftovers."""
    with connect(transformation_settings) as opened:
        ensure_current(opened)
        read_build_state(opened)
        for table in source_tables():
            execute(opened, f"delete from RAW.{table}")
            execute(opened, f"delete from RAW.SUPERSEDED_{table}")
        for table in ("RAW.LOAD_LEDGER", "STAGING.APPLIED_DAYS", DEFINITION_TABLE):
            execute(opened, f"delete from {table}")
        yield opened


@pytest.fixture
def transform(transformation_settings: Settings, connection: SnowflakeConnection) -> Transform:
    definition = definition_digest(DbtProject.of(transformation_settings))

    def run(*, full_refresh: bool = False, mark: bool = True, select: tuple[str, ...] = ()) -> None:
        opener = partial(connect, transformation_settings)
        with exclusive_build(
            transformation_settings.dbt, transformation_settings.snowflake, connection, opener, "test", print
        ) as lease:
            memory = read_build_state(connection)
            needed = full_refresh or full_refresh_reason(memory, definition) is not None
            request = DbtRequest(command="run", select=select, full_refresh=needed)
            run_dbt(transformation_settings, request, "test", lease)
            if mark:
                mark_applied(connection, definition, lease)

    return run


@pytest.fixture
def fresh(connection: SnowflakeConnection) -> None:
    """No mart and no log: what a run publishes now is published for the first time."""
    for model in PUBLISHED:
        execute(connection, f"drop table if exists MARTS.{model}")
    execute(connection, "delete from MARTS.RESTATEMENTS")
