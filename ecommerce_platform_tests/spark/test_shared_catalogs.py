"""Connections to the catalog's database over many look-ups: a few at most, none left by threads, forks, or at the end."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.exceptions import NoSuchTableError

from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.iceberg.installation import ForeignWarehouseError, marker_address, read_marker, recorded_id
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.register import register
from ecommerce_platform.iceberg.shared_catalogs import close_catalogs
from ecommerce_platform.lakehouse.days.ledger import published_days, refused_days
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform_tests.postgres.cluster import postgres_cluster, server_programs

_POOL = 5


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    if server_programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql postgresql-15-wal2json")
    with postgres_cluster() as connection:
        yield connection


@pytest.fixture
def on_postgres(cluster: Any, tmp_path: Path) -> Iterator[Settings]:
    info = cluster.info
    uri = f"postgresql://oracle@/postgres?host={info.host}&port={info.port}"
    yield load_settings(data_dir=tmp_path, lakehouse={"catalog_uri": uri})
    close_catalogs()
    assert at_most(0, cluster)


def connections(cluster: Any) -> int:
    """Connections of others than the test itself."""
    with cluster.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> %s",
            (cluster.info.backend_pid,),
        )
        return int(cursor.fetchone()[0])


def empty_catalog(cluster: Any) -> None:
    with cluster.cursor() as cursor:
        cursor.execute("delete from iceberg_tables")
        cursor.execute("delete from iceberg_namespace_properties")


def at_most(most: int, cluster: Any) -> bool:
    """Whether there are no more connections soon: PostgreSQL ends a backend after its client has left."""
    for _ in range(200):
        if connections(cluster) <= most:
            return True
        with cluster.cursor() as cursor:
            cursor.execute("select pg_sleep(0.05)")
    return False


def look_around(settings: Settings) -> None:
    """What a run asks the lakehouse for, again and again: ledgers, tables, and a catalog to commit to."""
    for table in source_tables():
        ensure_event_table(open_catalog(Lake.of(settings)), Lake.of(settings), load_contracts()[table])
    published_days(Lake.of(settings))
    refused_days(Lake.of(settings))
    with pytest.raises(NoSuchTableError):
        Lake.of(settings).load("ecommerce.nothing")


def test_many_look_ups_share_their_connections_and_the_end_closes_them(cluster: Any, on_postgres: Settings) -> None:
    gc.disable()  # what is left to the collector is what this looks for
    try:
        for _ in range(3):
            look_around(on_postgres)
        assert connections(cluster) == 1
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: published_days(Lake.of(on_postgres)), range(24)))
        assert connections(cluster) >= 1
        assert at_most(_POOL, cluster)
    finally:
        gc.enable()
    close_catalogs()
    assert at_most(0, cluster)
    look_around(on_postgres)
    assert connections(cluster) == 1


def test_a_forked_process_uses_none_of_its_parents_connections(cluster: Any, on_postgres: Settings) -> None:
    look_around(on_postgres)
    pid = os.fork()
    if pid == 0:
        try:
            published_days(Lake.of(on_postgres))
            ended = 0
        except BaseException:  # noqa: BLE001 - the parent looks at the status
            ended = 1
        os._exit(ended)
    assert os.waitpid(pid, 0)[1] == 0
    # The parent's own connection still answers: the child did not say goodbye in its name.
    assert set(published_days(Lake.of(on_postgres))) == set(source_tables())
    assert connections(cluster) == 1


def test_a_connection_that_the_database_dropped_is_replaced(cluster: Any, on_postgres: Settings) -> None:
    look_around(on_postgres)
    with cluster.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename = 'oracle'"
        )
    assert set(published_days(Lake.of(on_postgres))) == set(source_tables())


def test_ids_and_lost_tables_are_the_same_on_postgresql(cluster: Any, on_postgres: Settings) -> None:
    open_catalog(Lake.of(on_postgres))
    empty_catalog(cluster)  # of what other tests made, elsewhere
    Path((marker_address(Lake.of(on_postgres)) or "").removeprefix("file://")).unlink()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: open_catalog(Lake.of(on_postgres)), range(6)))
    marker = read_marker(Lake.of(on_postgres))
    assert marker is not None
    assert recorded_id(Lake.of(on_postgres), open_catalog(Lake.of(on_postgres))) == marker.id
    catalog, contracts = open_catalog(Lake.of(on_postgres)), load_contracts()
    published = {name: ensure_event_table(catalog, Lake.of(on_postgres), contracts[name]) for name in source_tables()}
    for table in published.values():
        with table.transaction() as change:
            change.set_properties({"of": "a day"})
    empty_catalog(cluster)
    with pytest.raises(ForeignWarehouseError, match="4 tables lie there"):
        open_catalog(Lake.of(on_postgres))
    assert {item.outcome for item in register(Lake.of(on_postgres))} == {"registered"}
    for name, table in published.items():
        tables_by_id = ensure_event_table(open_catalog(Lake.of(on_postgres)), Lake.of(on_postgres), contracts[name])
        assert tables_by_id.metadata == table.metadata


_PROCESS = """
import os, sys
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import published_days
from ecommerce_platform.settings import load_settings
for _ in range(5):
    published_days(Lake.of(load_settings()))
catalog = os.path.join(sys.argv[1], "catalog.db")
print(sum(os.path.realpath(f"/proc/self/fd/{fd}") == os.path.realpath(catalog) for fd in os.listdir("/proc/self/fd")))
"""


def test_on_sqlite_no_file_stays_open(tmp_path: Path) -> None:
    lake = {"ECOMMERCE_LAKEHOUSE__CATALOG_URI": f"sqlite:///{tmp_path}/catalog.db", "ECOMMERCE_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, str(tmp_path)],
        env=os.environ | lake,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "0", done.stdout + done.stderr


def test_a_catalog_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, lakehouse={"catalog_uri": f"sqlite:///{tmp_path}/catalog.db"})
    look_around(settings)
    (tmp_path / "catalog.db").unlink()
    shutil.rmtree(tmp_path / "warehouse")
    assert published_days(Lake.of(settings)) == {table: {} for table in source_tables()}
    assert open_catalog(Lake.of(settings)) is open_catalog(Lake.of(settings))
