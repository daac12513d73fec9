"""What a load that fails or is killed leaves behind: staged files and the warehouse's size, and who puts it right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.stand_ins.servers import ensure_snowflake
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.maintenance import clean_up, left_on_stage
from ecommerce_platform.warehouse.schema.lease import BATCH_SIZE, lease_state
from ecommerce_platform.warehouse.sql.connection import Opener, execute, fetch_all
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.faults import WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, events, publish

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ORDERS = load_contracts()["orders"]
#: Loads the days of the lakehouse and dies where the test says: right after a statement that begins so.
_LOADER = """
import os, signal, sys
from snowflake.connector.cursor import SnowflakeCursor
from ecommerce_platform.settings import load_settings
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform_tests.warehouse.lake import day

port, password, deadly = sys.argv[1:4]
server = {"host": "127.0.0.1", "port": int(port), "protocol": "http", "password": password}
settings = load_settings(snowflake=server)
real = SnowflakeCursor.execute

def execute(self, command, *arguments, **options):
    done = real(self, command, *arguments, **options)
    if command.lower().startswith(deadly):
        os.kill(os.getpid(), signal.SIGKILL)
    return done

SnowflakeCursor.execute = execute
load_tables(LoadSource.of(settings), lambda: connect(settings), ["orders"], [day(1), day(2)], "killed")
"""


def killed_after(settings: Settings, statement: str, tmp_path: Path) -> None:
    server = ensure_snowflake(settings.data_dir)
    lake = {
        "ECOMMERCE_LAKEHOUSE__CATALOG_URI": str(settings.lakehouse.catalog_uri),
        "ECOMMERCE_LAKEHOUSE__WAREHOUSE": str(settings.lakehouse.warehouse),
        "ECOMMERCE_DATA_DIR": str(tmp_path / "another"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _LOADER, str(server.port), server.password, statement],
        env=os.environ | lake,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


@pytest.fixture
def lake(settings: Settings, embedded_only: None, connection: SnowflakeConnection) -> Settings:
    execute(connection, "remove @RAW.LOAD_STAGE")
    execute(connection, "update RAW.LEASES set owner = null, token = null, process = null, expires_at = null")
    publish(settings, "orders", {day(number): events(ORDERS, day(number), 2) for number in (1, 2)})
    return settings


def statements_of_a_load(settings: Settings, days: list[Any]) -> list[str]:
    seen: list[str] = []

    def note(_: int, sql: str, after: bool) -> None:
        if after:
            seen.append(sql.lower())

    load_tables(LoadSource.of(settings), lambda: WatchedConnection(settings, note), ["orders"], days, RUN)  # type: ignore[arg-type,return-value]
    return seen


def sizes(statements: list[str]) -> list[str]:
    return [sql.split("warehouse_size = ")[1].split()[0] for sql in statements if sql.startswith("alter warehouse")]


def test_files_of_a_killed_load_go_with_maintenance_once_they_are_old_enough(
    lake: Settings, connection: SnowflakeConnection, opener: Opener, tmp_path: Path
) -> None:
    killed_after(lake, "put ", tmp_path)
    staged = fetch_all(connection, load_sql.list_stage())
    assert len(staged) == 2

    assert clean_up(lake.snowflake, connection, opener, "maintenance", dry_run=True) == [
        "would restore the warehouse's size"
    ]
    assert left_on_stage(connection, timedelta(seconds=-60)).popitem()[1] == 2
    snowflake = lake.snowflake.model_copy(update={"stage_retention_hours": -1.0})
    old_enough = lake.model_copy(update={"snowflake": snowflake})
    done = clean_up(old_enough.snowflake, connection, opener, "maintenance")

    assert done[0].startswith("removed 2 staged files of a load that was killed: loading_orders_")
    assert done[1] == "restored the warehouse's size to SMALL"
    assert fetch_all(connection, load_sql.list_stage()) == []
    assert clean_up(old_enough.snowflake, connection, opener, "maintenance") == []


def test_a_load_that_fails_removes_its_own_files(lake: Settings, connection: SnowflakeConnection) -> None:
    def fail(_: int, sql: str, after: bool) -> None:
        if not after and sql.lower().startswith("copy into"):
            raise ValueError("COPY failed")

    with pytest.raises(Exception, match="COPY failed"):
        load_tables(LoadSource.of(lake), lambda: WatchedConnection(lake, fail), ["orders"], [day(1)], RUN)  # type: ignore[arg-type,return-value]
    assert fetch_all(connection, load_sql.list_stage()) == []


def test_the_next_load_of_a_single_day_restores_the_size_that_a_killed_batch_left(
    lake: Settings, connection: SnowflakeConnection, tmp_path: Path
) -> None:
    killed_after(lake, "alter warehouse", tmp_path)
    assert lease_state(connection, BATCH_SIZE).token is not None
    assert sizes(statements_of_a_load(lake, [day(1)])) == ["'small'"]
    assert sizes(statements_of_a_load(lake, [day(1)])) == []


def test_a_batch_beside_another_leaves_the_size_to_it(lake: Settings, connection: SnowflakeConnection) -> None:
    execute(
        connection,
        "update RAW.LEASES set owner = 'run elsewhere', token = 'theirs', acquired_at = sysdate(), "
        "expires_at = dateadd('second', 600, sysdate()) where name = %s",
        (BATCH_SIZE,),
    )
    assert sizes(statements_of_a_load(lake, [day(1), day(2)])) == []
    assert sizes(statements_of_a_load(lake, [day(1)])) == []
    execute(connection, "update RAW.LEASES set owner = null, token = null, process = null, expires_at = null")
    assert sizes(statements_of_a_load(lake, [day(1), day(2)])) == ["'medium'", "'small'"]


def test_the_statements_that_clean_the_stage_name_only_its_path() -> None:
    assert load_sql.remove_staged("loading_orders_1") == "remove '@RAW.LOAD_STAGE/loading_orders_1/'"
