"""The Snowflake stand-in: fakesnow (DuckDB behind Snowflake's wire protocol), kept in a folder.

What belongs here: the server process. What does not: corrections to fakesnow (snowflake_shims/), and what the warehouse
room sets up beyond the database, its schemas and the load stage.

    python -m ecommerce_platform.stand_ins.snowflake_server --data-dir data --port 8085
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ecommerce_platform.stand_ins.access import Gate
from ecommerce_platform.stand_ins.server_process import run_server
from ecommerce_platform.stand_ins.server_state import EmbeddedServerError, ServerFiles, ServerKind

if TYPE_CHECKING:
    from fakesnow.instance import FakeSnow

DATABASE = "ECOMMERCE_DW"
SCHEMAS = ("RAW", "STAGING", "INTERMEDIATE", "MARTS", "RECONCILIATION")
LOAD_STAGE = f"{DATABASE}.RAW.LOAD_STAGE"
MEMORY_LIMIT = "2GB"
_GRACE_SECONDS = 3
_KEEP_ALIVE_SECONDS = 3600


def serve(files: ServerFiles, listener: socket.socket, gate: Gate, ready: Callable[[], None]) -> None:
    """Serve Snowflake's protocol on the socket until SIGTERM."""
    sys.meta_path.insert(0, _LeftOut())
    import uvicorn

    from ecommerce_platform.stand_ins import snowflake_shims
    from ecommerce_platform.stand_ins.snowflake_shims import guard, running, sessions
    from ecommerce_platform.stand_ins.snowflake_shims.pipeline import fakesnow_server

    snowflake_shims.install()
    known = sessions.install()
    instance = _open(files)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    # Tracked twice: a statement is at work from its first request to its end, and a client is there while it asks for the result.
    statements = running.answered_in_time(sessions.tracked(fakesnow_server.app, known), known)
    config = uvicorn.Config(
        guard.guarded(sessions.tracked(statements, known), gate),
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http=sessions.protocol(known),
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # uvicorn shuts down on SIGTERM and then raises it again, which must not end the process before its data is closed.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        Server(config).run([listener])
    finally:
        known.close()
        # The write-ahead log goes into the file now, or the next start has to read it all.
        instance.duck_conn.execute(f"FORCE CHECKPOINT {DATABASE}")
        instance.duck_conn.close()


class _LeftOut:
    """Keeps the connector's optional pandas and boto3 from being imported: 1.5 s of start and 60 MB."""

    names = frozenset({"pandas", "boto3", "botocore"})

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"the Snowflake stand-in leaves out {name}", name=name)


def _open(files: ServerFiles) -> FakeSnow:
    """fakesnow on the data directory, with the platform's database and schemas; its server knows it and answers /ping."""
    import duckdb
    from fakesnow.instance import FakeSnow
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from ecommerce_platform.stand_ins.snowflake_shims import guard, numbers, protection, stages
    from ecommerce_platform.stand_ins.snowflake_shims.pipeline import fakesnow_server
    from ecommerce_platform.stand_ins.snowflake_shims.results import RecentResults

    staged, spill = files.run_dir / "snowflake-stages", files.run_dir / "snowflake-spill"
    stages.install(staged)
    protection.install(files.storage_dir)
    fakesnow_server.logger.setLevel(logging.WARNING)
    fakesnow_server.app.debug = False
    instance = FakeSnow(db_path=files.storage_dir)

    async def ping(_: Request) -> Response:
        return await guard.ping(instance.duck_conn)

    fakesnow_server.app.router.routes.append(Route("/ping", ping))
    instance.results_cache = RecentResults()
    fakesnow_server.shared_fs = instance
    numbers.create_macros(instance.duck_conn)
    instance.duck_conn.execute(f"SET GLOBAL memory_limit = '{MEMORY_LIMIT}'")
    instance.duck_conn.execute(f"SET GLOBAL temp_directory = '{spill}'")
    guard.close_files(instance.duck_conn, (files.storage_dir, staged, spill))
    try:
        session = instance.connect(DATABASE)
    except duckdb.IOException as error:
        raise EmbeddedServerError(
            f"{files.storage_dir} cannot be opened ({str(error).splitlines()[0]}); another program may have it open, or "
            "it was written by a later version: end that program, or move the folder away"
        ) from error
    with session:
        for schema in SCHEMAS:
            session.cursor().execute(f"CREATE SCHEMA IF NOT EXISTS {DATABASE}.{schema}")
        # Stages live in the process: each start makes the one that loads use.
        session.cursor().execute(f"CREATE STAGE IF NOT EXISTS {LOAD_STAGE}")
    return instance


if __name__ == "__main__":
    sys.exit(run_server(ServerKind.SNOWFLAKE, serve))
