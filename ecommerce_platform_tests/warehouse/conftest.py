"""One Snowflake for the room's tests: the embedded server, or a real account where the environment names one.

`make test-snowflake` sets ECOMMERCE_SNOWFLAKE__ACCOUNT and its credentials; the tests then use a database of their own, which
they drop. Each test has a lakehouse of its own and finds empty tables.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings, SnowflakeSettings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import initialise_account
from ecommerce_platform.warehouse.sql.connection import Opener, connect, execute

RUN = "test-run"


ACCOUNT = "account"


@pytest.fixture(scope="session", params=["embedded", pytest.param(ACCOUNT, marks=pytest.mark.snowflake)])
def warehouse_base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the Snowflake that all tests of the room share, with its objects in place.

    `embedded` never looks at the account of the environment; `account` uses nothing else.
    """
    data_dir = tmp_path_factory.mktemp("warehouse")
    if request.param == ACCOUNT:
        if not os.environ.get("ECOMMERCE_SNOWFLAKE__ACCOUNT"):
            pytest.skip("no account named: set ECOMMERCE_SNOWFLAKE__ACCOUNT, __USER and __PRIVATE_KEY_PATH")
        settings = load_settings(data_dir=data_dir)
        database = f"ECOMMERCE_TEST_{uuid.uuid4().hex[:8].upper()}"
        settings = settings.model_copy(
            update={"snowflake": settings.snowflake.model_copy(update={"database": database})}
        )
    else:
        settings = load_settings(data_dir=data_dir, snowflake=SnowflakeSettings())
    initialise_account(settings)
    yield settings
    if request.param == ACCOUNT:
        with connect(settings, role=settings.snowflake.admin_role) as connection:
            execute(connection, f"drop database if exists {ddl.quoted(settings.snowflake.database)}")
    else:
        down(data_dir)


@pytest.fixture
def embedded_only(settings: Settings) -> None:
    """For tests of what only the stand-in can show in a reasonable time."""
    if not settings.snowflake.is_embedded:
        pytest.skip("shown on the embedded server only")


@pytest.fixture
def settings(warehouse_base: Settings, tmp_path: Path) -> Settings:
    """The shared Snowflake with empty tables, and an empty lakehouse."""
    lake = warehouse_base.lakehouse.model_copy(
        update={"catalog_uri": f"sqlite:///{tmp_path / 'catalog.db'}", "warehouse": str(tmp_path / "lake")}
    )
    with connect(warehouse_base) as connection:
        for definition in ddl.table_definitions(load_contracts()):
            if definition.name not in (ddl.LOAD_LOCK, ddl.LEASES, ddl.PLATFORM_VERSION):
                execute(connection, f"delete from {definition.name}")
    return warehouse_base.model_copy(update={"lakehouse": lake, "scratch_uri": str(tmp_path / "scratch")})


@pytest.fixture
def opener(settings: Settings) -> Opener:
    def open_connection() -> AbstractContextManager[SnowflakeConnection]:
        return connect(settings, RUN)

    return open_connection


@pytest.fixture
def connection(settings: Settings) -> Iterator[SnowflakeConnection]:
    with connect(settings, RUN) as connection:
        yield connection


@pytest.fixture
def load(settings: Settings, opener: Opener) -> Any:
    """Loads days of `orders`; returns the TableLoad."""
    from ecommerce_platform.warehouse.load.days import load_table
    from ecommerce_platform.warehouse.load.lake_files import LoadSource

    return partial(load_table, LoadSource.of(settings), opener, load_contracts()["orders"], run_id=RUN)
