"""A PostgreSQL cluster of the tests' own: started in a temporary folder, with logical decoding, ended with the tests.

PostgreSQL refuses to run as root: as root, its programs run as the user `postgres` that Debian's package makes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

SCHEMA = """
create table users (
    id bigint primary key, email text, first_name text, last_name text,
    created_at timestamp not null, updated_at timestamp
);
create table products (
    id bigint primary key, name text, description text, price numeric(10, 2), stock_quantity int, category text,
    created_at timestamp not null, updated_at timestamp
);
create table orders (
    id bigint primary key, user_id bigint, status text, total_amount numeric(10, 2), shipping_address text,
    created_at timestamp not null, updated_at timestamp
);
create table order_items (
    id bigint primary key, order_id bigint, product_id bigint, quantity int, unit_price numeric(10, 2),
    created_at timestamp not null
);
-- Out of line and uncompressed, so that 3,000 characters are enough for PostgreSQL to leave them out of an update.
alter table products alter column description set storage external;
alter table orders alter column shipping_address set storage external;
"""


def server_programs() -> Path | None:
    """The folder of initdb and pg_ctl, or None where PostgreSQL is not installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if programs:
        return programs[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).parent if on_path else None


@contextmanager
def postgres_cluster() -> Iterator[Connection]:
    """An autocommit connection to a fresh cluster with the four tables and a wal2json slot named `cdc`."""
    programs = server_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql postgresql-15-wal2json")
    folder = Path(tempfile.mkdtemp(prefix="pg-oracle-"))
    as_owner: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        as_owner = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"

    def run(*command: str) -> None:
        done = subprocess.run([*as_owner, *command], capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr or done.stdout}")

    run(str(programs / "initdb"), "-D", str(data), "-U", "oracle", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Commits stay synchronous: decoding reads only what has been flushed, and must see every commit.
    options = (
        f"-p {port} -k {folder} -c listen_addresses= -c wal_level=logical -c fsync=off "
        "-c full_page_writes=off -c timezone=UTC"
    )
    run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
    try:
        connection = psycopg2.connect(host=str(folder), port=port, user="oracle", dbname="postgres")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(SCHEMA)
                cursor.execute("select pg_create_logical_replication_slot('cdc', 'wal2json')")
            yield connection
        finally:
            connection.close()
    finally:
        run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
