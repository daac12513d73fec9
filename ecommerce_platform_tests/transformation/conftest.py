"""One stand-in and one parsed project for the room's tests; each test begins with empty tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.contracts import SOURCE_TABLES
from ecommerce_platform.embedded.servers import down
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.transformation.applied import (
    DEFINITION_TABLE,
    full_refresh_reason,
    mark_applied,
    read_memory,
)
from ecommerce_platform.transformation.project import definition_digest
from ecommerce_platform.transformation.runner import DbtRequest, run_dbt
from ecommerce_platform.warehouse.connection import connect, execute
from ecommerce_platform.warehouse.schema import initialise

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: Builds the models as the step does, models only: `run()`, `run(full_refresh=True)`, `run(mark=False)`.
Transform = Callable[..., None]


@pytest.fixture(scope="session")
def transformation_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("transformation")
    settings = load_settings(data_dir=folder / "data", dbt={"target_path": str(folder / "target")})
    with connect(settings) as connection:
        initialise(connection, settings)
    yield settings
    down(settings.data_dir)


@pytest.fixture
def connection(transformation_settings: Settings) -> Iterator[SnowflakeConnection]:
    """A connection to a warehouse without rows and without memory; models of earlier tests may be there, as leftovers."""
    with connect(transformation_settings) as opened:
        read_memory(opened)
        for table in SOURCE_TABLES:
            execute(opened, f"delete from RAW.{table}")
            execute(opened, f"delete from RAW.SUPERSEDED_{table}")
        for table in ("RAW.LOAD_LEDGER", "STAGING.APPLIED_DAYS", DEFINITION_TABLE):
            execute(opened, f"delete from {table}")
        yield opened


@pytest.fixture
def transform(transformation_settings: Settings, connection: SnowflakeConnection) -> Transform:
    definition = definition_digest(transformation_settings)

    def run(*, full_refresh: bool = False, mark: bool = True, select: tuple[str, ...] = ()) -> None:
        memory = read_memory(connection)
        needed = full_refresh or full_refresh_reason(memory, definition) is not None
        request = DbtRequest(command="run", select=select, full_refresh=needed)
        run_dbt(transformation_settings, request, "test")
        if mark:
            mark_applied(connection, definition)

    return run
