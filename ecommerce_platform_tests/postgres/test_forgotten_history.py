"""People of a real PostgreSQL's histories are forgotten between two days: the rest stays as PostgreSQL has it.

One person is updated, read by snapshots, gets another key, is deleted and inserted again, while an order goes from the person to
somebody else; random histories run beside it.
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from ecommerce_platform_tests.end_to_end.compare import differences
from ecommerce_platform_tests.end_to_end.platform import Platform, Row
from ecommerce_platform_tests.erasure.marked import MARKER
from ecommerce_platform_tests.erasure.search import files_with, tables_with
from ecommerce_platform_tests.postgres.cluster import postgres_cluster, server_programs
from ecommerce_platform_tests.postgres.stream import FIRST_DAY, read_stream, with_snapshots, write_landing
from ecommerce_platform_tests.postgres.test_postgres_oracle import MARTS, SEED, differing, draw, marts, rows
from ecommerce_platform_tests.postgres.workload import (
    COLUMNS,
    EPOCH,
    ChangeKey,
    Delete,
    History,
    Insert,
    SnapshotRow,
    Transaction,
    Update,
    play,
)

RANDOM_HISTORIES = 20
PERSON, LATER_KEY, OTHER = 1, 3, 2
PERSONAL = {"users": ("email", "first_name", "last_name"), "orders": ("shipping_address",)}
#: Large enough for PostgreSQL to leave it out of an update.
STREET = f"{MARKER} street " * 150

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        server_programs() is None and "CI" not in os.environ,
        reason="PostgreSQL is not installed: apt-get install postgresql postgresql-15-wal2json",
    ),
]


def user(key: int, name: str) -> Insert:
    return Insert("users", (key, f"{name}@x.example", f"{name} first", f"{name} last", EPOCH, None))


def order(key: int, user_id: int, address: str) -> Insert:
    return Insert("orders", (key, user_id, "delivered", Decimal("20.00"), address, EPOCH + timedelta(days=key), None))


def transaction(
    *statements: Insert | Update | ChangeKey | Delete, days: int, snapshot: str | None = None
) -> Transaction:
    return Transaction(statements, False, days, snapshot)


LIFE: History = (
    transaction(
        user(PERSON, MARKER), user(OTHER, "other"), order(1, PERSON, STREET), order(2, OTHER, "1 Main St"), days=0
    ),
    transaction(
        Insert("products", (1, "p", "d", Decimal("5.00"), 9, "books", EPOCH, None)),
        Insert("order_items", (1, 1, 1, 2, Decimal("5.00"), EPOCH)),
        days=0,
    ),
    transaction(Update("users", PERSON, "email", f"{MARKER} 2@x.example"), days=1, snapshot="users"),
    transaction(Update("orders", 1, "status", "shipped"), days=0, snapshot="orders"),
    transaction(
        ChangeKey("users", PERSON, LATER_KEY), Update("orders", 1, "user_id", LATER_KEY), days=1, snapshot="users"
    ),
    transaction(Delete("users", LATER_KEY), user(LATER_KEY, f"{MARKER} again"), days=0),
    # After the erasure:
    transaction(order(3, LATER_KEY, f"{MARKER} alley"), days=2, snapshot="orders"),
    transaction(Update("users", LATER_KEY, "last_name", f"{MARKER} new"), days=0, snapshot="users"),
    transaction(Update("orders", 1, "user_id", OTHER), days=1),
    transaction(Delete("orders", 3), days=1),
)


def landing_of(connection: Connection, landing: Path) -> list[object]:
    """The days of all histories, as landing files; the person's history is number 0, whose keys are as written."""
    with connection.cursor() as cursor:
        cursor.execute(f"truncate {', '.join(COLUMNS)}")
    read_stream(connection)
    days: dict[int, int] = {}
    snapshot: list[SnapshotRow] = []
    for number, history in enumerate([LIFE, *draw(RANDOM_HISTORIES, SEED)]):
        days_of_history, read = play(connection, history, number)
        days |= days_of_history
        snapshot += read
    return list(write_landing(landing, with_snapshots(read_stream(connection), snapshot, SEED), days, SEED))


def test_people_of_postgres_histories_are_forgotten_and_the_rest_is_postgres(tmp_path: Path) -> None:
    landing, home, to_come = tmp_path / "data" / "landing", tmp_path / "home", tmp_path / "to_come"
    with postgres_cluster() as connection, Platform.installed(tmp_path / "data", landing) as platform:
        days = landing_of(connection, landing)
        last_before = FIRST_DAY + timedelta(days=3)
        later = [path for path in landing.glob("*/date=*") if path.name > f"date={last_before}"]
        assert len(later) >= 4
        for path in later:
            shutil.move(path, to_come / path.parent.name / path.name)
        kept = tmp_path / "old_delivery"
        shutil.copytree(landing, kept)
        platform.run(FIRST_DAY, last_before, with_checks=False)
        assert {"STAGING.USERS_ENHANCED", "RAW.USERS", "RAW.ORDERS"} <= set(tables_with(platform.settings, MARKER))

        for key in (PERSON, LATER_KEY):
            done = platform.shell(home, "ecommerce-platform", "forget", "user", str(key), "--reason", "asked", "--yes")
            assert done.returncode == 0, done.stderr[-3000:]
        assert files_with(tmp_path / "data", MARKER) == []
        assert tables_with(platform.settings, MARKER) == []

        for path in to_come.glob("*/*"):
            shutil.move(path, landing / path.parent.name / path.name)
        land_again(kept, landing)
        platform.run(FIRST_DAY, days[-1], with_checks=False)
        assert tables_with(platform.settings, MARKER) == []
        wrong = wrong_rows(connection, platform, days[-1])
        assert not wrong, "\n".join(wrong[:20])

        for key in (PERSON, LATER_KEY):
            done = platform.shell(home, "ecommerce-platform", "forget", "user", str(key), "--yes")
            assert done.returncode == 0, done.stderr[-3000:]
        assert files_with(tmp_path / "data", MARKER) == []
        wrong = wrong_rows(connection, platform, days[-1])
        assert not wrong, "\n".join(wrong[:20])


def land_again(kept: Path, landing: Path) -> None:
    """The person's rows of the first days once more, in files of their own, as an old delivery brings them."""
    again = 0
    for path in sorted(kept.rglob("*.parquet")):
        held = pq.read_table(path)
        hers = held.filter(pa.array([MARKER in str(row) for row in held.to_pylist()], pa.bool_()))
        if hers.num_rows:
            pq.write_table(hers, landing / path.relative_to(kept).with_name(f"again-{path.name}"))
            again += hers.num_rows
    assert again > 4


def wrong_rows(connection: Connection, platform: Platform, last: object) -> list[str]:
    """Rows of staging and marts that differ from PostgreSQL's, but for what is personal of the person."""
    lines: list[str] = []
    people = {PERSON, LATER_KEY}
    owned = {1, 3}
    for table, columns in COLUMNS.items():
        held = {row["id"]: {name: row[name] for name in columns} for row in platform.table(f"staging.{table}_enhanced")}
        true = {row["id"]: row for row in rows(connection, f"select {', '.join(columns)} from {table}")}
        for rows_of_one in (held, true):
            for key in (people if table == "users" else owned) & rows_of_one.keys():
                rows_of_one[key] |= dict.fromkeys(PERSONAL.get(table, ()))
        lines += differing(table, held, true)
    for mart, true_rows in marts(connection, last).items():  # type: ignore[arg-type]
        expected: list[Row] = [
            row | {"email": None, "full_name": None} if row.get("customer_id") in people else row for row in true_rows
        ]
        lines += differences(
            platform.table(f"marts.{mart}"), expected, MARTS[mart], what=mart, only_expected_columns=True
        )
    return lines
