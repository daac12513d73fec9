"""Snowflake as a Dagster resource.

What belongs here: handing out connections. What does not: how they are made (connection.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from ecommerce_platform.execution.settings_resource import SettingsResource
from ecommerce_platform.settings import Settings
from ecommerce_platform.stand_ins.server_state import EmbeddedServerError
from ecommerce_platform.stand_ins.servers import ensure_snowflake
from ecommerce_platform.warehouse.sql.connection import Opener, connection_arguments, execute, log_in, reaching

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


class WarehouseResource(SettingsResource):
    """Connections by dagster-snowflake's SnowflakeResource, with the arguments of the settings.

    The library is imported on first use: its import takes seconds, which a code location that is only looked at must not
    pay.
    """

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Starts the stand-in, where there is none yet, while earlier steps run."""
        settings = self.settings
        if settings.snowflake.is_embedded:
            threading.Thread(
                target=_start_stand_in, args=(settings.data_dir,), name="snowflake-stand-in", daemon=True
            ).start()

    @contextmanager
    def connection(self, run_id: str | None = None) -> Iterator[SnowflakeConnection]:
        """An open connection in UTC with autocommit, closed at the end; `run_id` becomes its query tag."""
        from ecommerce_platform.warehouse.dagster_snowflake_light import SnowflakeResource
        from ecommerce_platform.warehouse.sql.answers import limit_answers

        arguments = connection_arguments(self.settings, run_id)
        named = ("account", "user", "password", "authenticator", "role", "warehouse", "database", "autocommit")
        library = SnowflakeResource(
            **{name: arguments.pop(name) for name in named if name in arguments},
            schema=arguments.pop("schema"),
            additional_snowflake_connection_args=arguments,
        )
        manager = library.get_connection()
        with reaching(self.settings.snowflake):
            opened = log_in(self.settings.snowflake, manager.__enter__)
        try:
            yield limit_answers(opened, self.settings.snowflake)
        except BaseException:
            with suppress(Exception):
                execute(opened, "rollback")
            raise
        finally:
            # The library closes it only when all went well; a session with an open transaction must not stay.
            opened.close()
            manager.__exit__(None, None, None)

    def opener(self, run_id: str) -> Opener:
        """What loads with several threads call for a connection each."""
        return partial(self.connection, run_id)


def _start_stand_in(data_dir: Path) -> None:
    # Whatever stops it stops the first connection, too, and is reported there.
    with suppress(EmbeddedServerError, OSError):
        ensure_snowflake(data_dir)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource `warehouse`."""
    return {"warehouse": WarehouseResource.of(settings)}
