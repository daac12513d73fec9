"""Tables of an older release become those of this one, whatever breaks off in between; those of a newer one are refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import LEDGER_VERSION, VERSION_PROPERTY, read_ledger
from ecommerce_platform.lakehouse.errors import LakehouseError
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.record.tables import VERSION
from ecommerce_platform.settings import Settings, SnowflakeSettings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.migrations import Migration, SchemaVersion, ensure_version
from ecommerce_platform.warehouse.schema.upgrade import PLATFORM, ensure_current, fingerprint
from ecommerce_platform.warehouse.sql.connection import WarehouseError, connect, execute, fetch_all
from ecommerce_platform_tests.warehouse.faults import Crash, WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, publish

VERSION_1 = Path(__file__).parent / "previous_releases" / "version_1.sql"
#: Tables with rows in version 1.
_FILLED = (
    'RAW."ORDERS"',
    'RAW."SUPERSEDED_ORDERS"',
    ddl.LOAD_LEDGER,
    ddl.APPLIED_DAYS,
    ddl.SPARK_LOADS,
    "RECONCILIATION.RUNS",
    "RECONCILIATION.ORDER_DISCREPANCIES",
    "RECONCILIATION.CONVERGENCE",
    "RECONCILIATION.VERIFIED_THROUGH",
)

#: A set of tables with a history: a column was added and filled, then another was filled from a table that is new.
NOTES = SchemaVersion(
    "notes",
    version_table="RAW.NOTES_VERSION",
    first_table="RAW.NOTES",
    migrations=(
        Migration(1, "the first version"),
        Migration(
            2,
            "notes have an author",
            (
                "alter table RAW.NOTES add column if not exists author string",
                "update RAW.NOTES set author = 'unknown' where author is null",
            ),
        ),
        Migration(
            3,
            "notes are counted by author",
            (
                "delete from RAW.NOTES_BY_AUTHOR",
                "insert into RAW.NOTES_BY_AUTHOR (author, notes) select author, count(*) from RAW.NOTES group by author",
            ),
        ),
    ),
)
NOTES_DDL = (
    "create table if not exists RAW.NOTES (note string, author string)",
    "create table if not exists RAW.NOTES_BY_AUTHOR (author string, notes number)",
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stand-in of its own: these tests take its schemas away."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("migrations"), snowflake=SnowflakeSettings())
    yield settings
    down(settings.data_dir)


@pytest.fixture
def connection(installation: Settings) -> Iterator[SnowflakeConnection]:
    """A database without any of our schemas."""
    with connect(installation) as opened:
        for schema in ddl.SCHEMAS:
            execute(opened, f"drop schema if exists {schema} cascade")
        yield opened


def install_version_1(connection: SnowflakeConnection) -> dict[str, list[dict[str, Any]]]:
    for statement in _statements(VERSION_1.read_text(encoding="utf-8")):
        execute(connection, statement)
    return {table: rows(connection, table) for table in _FILLED}


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";\n") if statement.strip()]


def rows(connection: SnowflakeConnection, table: str) -> list[dict[str, Any]]:
    cursor = connection.cursor()
    cursor.execute(f"select * from {table} order by 1")
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def columns(connection: SnowflakeConnection) -> list[tuple[Any, ...]]:
    return fetch_all(
        connection,
        "select table_schema, table_name, column_name, data_type from information_schema.columns "
        "where table_schema in ('RAW', 'STAGING', 'MARTS') order by 1, 2, 3",
    )


@pytest.mark.slow
def test_version_1_becomes_the_newest_and_keeps_every_row(connection: SnowflakeConnection) -> None:
    before = install_version_1(connection)
    assert all(before.values())

    done = ensure_current(connection)

    assert f"{PLATFORM.name}: migration 2: {PLATFORM.migrations[1].description}" in done
    for table, old in before.items():
        new = rows(connection, table)
        assert [{name: row[name] for name in old[0]} for row in new] == old, table
    Store(connection).create()
    assert fetch_all(connection, "select version from RECONCILIATION.SCHEMA_VERSION") == [(VERSION.newest,)]
    for table, old in before.items():
        assert [{name: row[name] for name in old[0]} for row in rows(connection, table)] == old, table
    assert rows(connection, ddl.RESTATEMENTS) == []
    version = fetch_all(connection, "select version, fingerprint from RAW.PLATFORM_VERSION")
    assert version == [(PLATFORM.newest, fingerprint(load_contracts()))]
    assert ensure_current(connection) == []
    migrated = columns(connection)
    for schema in ddl.SCHEMAS:
        execute(connection, f"drop schema if exists {schema} cascade")
    ensure_current(connection)
    assert migrated == columns(connection), "a new installation has other columns than a migrated one"


def test_restatements_of_before_are_named_by_their_key_as_the_macro_names_it(connection: SnowflakeConnection) -> None:
    ensure_current(connection)
    execute(connection, f"alter table {ddl.RESTATEMENTS} drop column row_key")
    execute(connection, f"update {ddl.PLATFORM_VERSION} set version = 3")
    keys: dict[str, tuple[Any, ...]] = {
        '{"date":"2026-01-05"}': ("2026-01-05", None, None),
        '{"customer_tier":"gold","date":"2026-01-05"}': ("2026-01-05", "gold", None),
        '{"date":"2026-01-05","product_id":-17}': ("2026-01-05", None, -17),
        r'{"customer_tier":"a\\b\"c"}': (None, 'a\\b"c', None),
    }
    for key in keys.values():
        execute(
            connection,
            f"insert into {ddl.RESTATEMENTS} (restated_at, model, date, customer_tier, product_id, change, column_name) "
            "values ('2026-02-01'::timestamp_ntz, 'm', %s, %s, %s, 'changed', 'c')",
            key,
        )
    ensure_current(connection)
    assert {row["ROW_KEY"] for row in rows(connection, ddl.RESTATEMENTS)} == set(keys)
    execute(connection, ddl.ROW_KEYS_OF_BEFORE)
    assert {row["ROW_KEY"] for row in rows(connection, ddl.RESTATEMENTS)} == set(keys)


@pytest.mark.slow
def test_a_migration_that_broke_off_at_any_statement_is_finished_by_the_next(
    installation: Settings, connection: SnowflakeConnection
) -> None:
    sent: list[str] = []
    install_notes_of_version_1(connection)
    with WatchedConnection(installation, lambda number, sql, after: None if after else sent.append(sql)) as watched:
        ensure_version(watched, NOTES, NOTES_DDL)  # type: ignore[arg-type]
    finished = notes_state(connection)
    assert len(sent) > 10
    for crashing in range(len(sent)):
        install_notes_of_version_1(connection)

        def hook(number: int, sql: str, after: bool, crashing: int = crashing) -> None:
            if number == crashing and not after:
                raise Crash

        with pytest.raises(Crash), WatchedConnection(installation, hook) as watched:
            ensure_version(watched, NOTES, NOTES_DDL)  # type: ignore[arg-type]
        ensure_version(connection, NOTES, NOTES_DDL)
        assert notes_state(connection) == finished, f"after a crash before {sent[crashing]}"


def install_notes_of_version_1(connection: SnowflakeConnection) -> None:
    """As the first release made them, which wrote no version."""
    execute(connection, "create schema if not exists RAW")
    for table in ("NOTES", "NOTES_BY_AUTHOR", "NOTES_VERSION"):
        execute(connection, f"drop table if exists RAW.{table}")
    execute(connection, "create table RAW.NOTES (note string)")
    execute(connection, "insert into RAW.NOTES (note) values ('first'), ('second')")


def notes_state(connection: SnowflakeConnection) -> list[Any]:
    return [
        fetch_all(connection, "select note, author from RAW.NOTES order by note"),
        fetch_all(connection, "select author, notes from RAW.NOTES_BY_AUTHOR"),
        fetch_all(connection, "select version from RAW.NOTES_VERSION"),
    ]


def test_only_the_steps_that_are_missing_run_and_a_new_set_needs_none(connection: SnowflakeConnection) -> None:
    install_notes_of_version_1(connection)
    ensure_version(connection, NOTES, NOTES_DDL)
    assert notes_state(connection) == [
        [("first", "unknown"), ("second", "unknown")],
        [("unknown", 2)],
        [(3,)],
    ]
    execute(connection, "update RAW.NOTES_VERSION set version = 2")
    execute(connection, "insert into RAW.NOTES (note, author) values ('third', null)")
    assert [line for line in ensure_version(connection, NOTES, NOTES_DDL) if "migration" in line] == [
        "notes: migration 3: notes are counted by author"
    ]
    assert fetch_all(connection, "select count(*) from RAW.NOTES where author is null") == [(1,)]
    execute(connection, "drop table RAW.NOTES_VERSION")
    execute(connection, "drop table RAW.NOTES")
    assert not any("migration" in line for line in ensure_version(connection, NOTES, NOTES_DDL))


def test_tables_of_a_newer_release_are_refused_by_name_and_left_as_they_are(connection: SnowflakeConnection) -> None:
    install_notes_of_version_1(connection)
    ensure_version(connection, NOTES, NOTES_DDL)
    execute(connection, "update RAW.NOTES_VERSION set version = 4")
    with pytest.raises(WarehouseError, match=r"RAW\.NOTES_VERSION says version 4 of notes, and this release knows 3"):
        ensure_version(connection, NOTES, NOTES_DDL)
    assert fetch_all(connection, "select version from RAW.NOTES_VERSION") == [(4,)]


def test_a_day_ledger_of_a_newer_release_is_refused_by_name(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    publish(settings, "orders", {day(1): []})
    iceberg = Lake.of(settings).load("ecommerce.orders")
    assert iceberg.properties[VERSION_PROPERTY] == str(LEDGER_VERSION)
    assert list(read_ledger(Lake.of(settings))["orders"].published) == [day(1)]
    with iceberg.transaction() as change:
        change.set_properties({VERSION_PROPERTY: str(LEDGER_VERSION + 1)})
    with pytest.raises(
        LakehouseError, match=f"orders says {LEDGER_VERSION + 1}, and this release knows {LEDGER_VERSION}"
    ):
        read_ledger(Lake.of(settings))
    with iceberg.transaction() as change:
        change.remove_properties(VERSION_PROPERTY)
    assert list(read_ledger(Lake.of(settings))["orders"].published) == [day(1)], "the first release wrote no version"


def test_two_that_migrate_at_once_leave_what_one_leaves(
    installation: Settings, connection: SnowflakeConnection
) -> None:
    install_notes_of_version_1(connection)

    def run(_: int) -> None:
        with connect(installation) as own:
            ensure_version(own, NOTES, NOTES_DDL)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    notes, _, versions = notes_state(connection)
    assert notes == [("first", "unknown"), ("second", "unknown")]
    assert versions == [(3,)]


def test_versions_without_a_gap_are_asked_for() -> None:
    with pytest.raises(ValueError, match=r"versions \[1, 3\]; expected 1, 2, 3"):
        SchemaVersion("x", "RAW.X", "RAW.Y", (Migration(1, "first"), Migration(3, "third")))
