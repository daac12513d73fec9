"""A history of landing days in RAW, and all models built of it from nothing.

What belongs here: building. What does not: the histories and what must come of them (the tests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.warehouse.sql.connection import connect, execute
from ecommerce_platform_tests.transformation.raw_events import Event, load_day

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


@contextmanager
def built(
    settings: Settings,
    days: Mapping[str, Iterable[Event]],
    meanwhile: Callable[[SnowflakeConnection], None] = lambda _: None,
) -> Iterator[SnowflakeConnection]:
    """A warehouse in which these days, and nothing else, are applied; `meanwhile` is what else has arrived."""
    with connect(settings) as opened:
        for table in source_tables():
            execute(opened, f"delete from RAW.{table}")
            execute(opened, f"delete from RAW.SUPERSEDED_{table}")
        for table in ("RAW.LOAD_LEDGER", "STAGING.APPLIED_DAYS"):
            execute(opened, f"delete from {table}")
        for day, events in days.items():
            load_day(opened, day, events)
        meanwhile(opened)
        run_dbt(settings, DbtRequest(command="run", full_refresh=True), "history")
        yield opened
