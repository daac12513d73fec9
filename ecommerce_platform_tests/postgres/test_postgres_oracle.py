"""PostgreSQL says what is true: random histories run there, its replication stream goes through the platform, and staging must
equal its tables, the marts SQL over them.

All histories share one database and one run of the platform, each under a range of keys of its own. A wrong row names its
history; `hypothesis.find` then looks for the smallest one that goes wrong alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import hypothesis
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from ecommerce_platform_tests.end_to_end.compare import differences
from ecommerce_platform_tests.end_to_end.platform import Platform, Row
from ecommerce_platform_tests.postgres.cluster import postgres_cluster, server_programs
from ecommerce_platform_tests.postgres.stream import read_stream, with_snapshots, write_landing
from ecommerce_platform_tests.postgres.workload import COLUMNS, KEYS_PER_HISTORY, History, SnapshotRow, histories, play

HISTORIES = int(os.environ.get("POSTGRES_HISTORIES", "1000"))
SEED = int(os.environ.get("POSTGRES_SEED", "20260101"))

MARTS_SQL = Path(__file__).with_name("marts.sql")
MARTS = {
    "daily_business_metrics": ("date",),
    "customer_analytics": ("customer_id",),
    "product_performance": ("date", "product_id"),
    "customer_tier_analytics": ("date", "customer_tier"),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        server_programs() is None and "CI" not in os.environ,
        reason="PostgreSQL is not installed: apt-get install postgresql postgresql-15-wal2json",
    ),
]


def draw(count: int, seed: int) -> list[History]:
    """`count` random histories, the same for the same seed."""
    drawn: list[History] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(histories)
    def collect(history: History) -> None:
        drawn.append(history)

    collect()
    return drawn


def rows(connection: Connection, statement: str, parameters: dict[str, object] | None = None) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def marts(connection: Connection, as_of: date) -> dict[str, list[Row]]:
    """The marts' rows by SQL over PostgreSQL's tables."""
    sections = re.split(r"^-- name: (\w+)$", MARTS_SQL.read_text(encoding="utf-8"), flags=re.MULTILINE)
    statements = dict(zip(sections[1::2], sections[2::2], strict=True))
    with connection.cursor() as cursor:
        cursor.execute("discard temp")
        cursor.execute("select set_config('shop.as_of', %s, false)", [as_of.isoformat()])
        cursor.execute(statements["parts"])
    return {mart: rows(connection, statements[mart], {"as_of": as_of}) for mart in MARTS}


@dataclass
class Compared:
    """How much was compared, for whoever reads the result."""

    transactions: int = 0
    events: int = 0
    rows: int = 0


def through_the_platform(
    connection: Connection, played: Iterable[tuple[int, History]], work: Path, compared: Compared | None = None
) -> list[str]:
    """Plays histories, runs the platform on their stream, and reports every row that differs from PostgreSQL's."""
    with connection.cursor() as cursor:
        cursor.execute(f"truncate {', '.join(COLUMNS)}")
    read_stream(connection)
    days: dict[int, int] = {}
    snapshot: list[SnapshotRow] = []
    for number, history in played:
        days_of_history, read = play(connection, history, number)
        days |= days_of_history
        snapshot += read
    stream = with_snapshots(read_stream(connection), snapshot, SEED)
    partitions = write_landing(work / "landing", stream, days, SEED)
    compared = compared or Compared()
    compared.transactions, compared.events = len(days), len(stream)
    with Platform.installed(work / "data", work / "landing") as platform:
        # The later half first: the order in which days are applied must not matter.
        for first, last in applied_in_halves(partitions):
            platform.run(first, last, with_checks=False)
        problems = []
        for table, columns in COLUMNS.items():
            held = {
                row["id"]: {name: row[name] for name in columns} for row in platform.table(f"staging.{table}_enhanced")
            }
            true = {row["id"]: row for row in rows(connection, f"select {', '.join(columns)} from {table}")}
            problems += differing(table, held, true)
            compared.rows += len(true)
        for mart, true_rows in marts(connection, partitions[-1]).items():
            held_rows = platform.table(f"marts.{mart}")
            compared.rows += len(true_rows)
            problems += differences(held_rows, true_rows, MARTS[mart], what=mart, only_expected_columns=True)
    return problems


def applied_in_halves(days: Sequence[date]) -> list[tuple[date, date]]:
    middle = len(days) // 2
    return [(days[middle], days[-1]), *([(days[0], days[middle - 1])] if middle else [])]


def differing(table: str, held: dict[object, Row], true: dict[object, Row]) -> list[str]:
    return [
        f"{table} {key}: the platform has {held.get(key)}, PostgreSQL has {true.get(key)}"
        for key in sorted(held.keys() | true.keys(), key=str)
        if held.get(key) != true.get(key)
    ]


def test_staging_and_marts_equal_postgres_after_random_histories(tmp_path: Path) -> None:
    drawn = draw(HISTORIES, SEED)
    assert len(drawn) >= HISTORIES * 0.9
    compared = Compared()
    with postgres_cluster() as connection:
        wrong = through_the_platform(connection, enumerate(drawn), tmp_path / "all", compared)
        print(f"{len(drawn)} histories, seed {SEED}, {compared}, wrong rows: {len(wrong)}")
        if not wrong:
            return
        keys = [int(line.split()[1].rstrip(":")) for line in wrong if line.split()[1].rstrip(":").isdigit()]
        message = [f"{len(wrong)} rows are wrong after {len(drawn)} histories (seed {SEED}):", *wrong[:20]]
        if keys:
            suspect = drawn[keys[0] // KEYS_PER_HISTORY]
            attempts = iter(range(10_000))

            def goes_wrong(history: History) -> bool:
                return bool(through_the_platform(connection, [(0, history)], tmp_path / f"shrink{next(attempts)}"))

            message.append(f"history: {suspect}")
            if os.environ.get("POSTGRES_SHRINK") and goes_wrong(suspect):
                smallest = hypothesis.find(
                    histories, goes_wrong, settings=hypothesis.settings(max_examples=60, deadline=None)
                )
                message.append(f"smallest: {smallest}")
        pytest.fail("\n".join(message))
