"""PostgreSQL says what is true: random histories run there, its replication stream goes through the platform, and staging must
equal its tables, the daily mart SQL over them.

All histories share one database and one run of the platform, each under a range of keys of its own. A wrong row names its
history; `hypothesis.find` then looks for the smallest one that goes wrong alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import hypothesis
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from ecommerce_platform_tests.end_to_end.platform import Platform, Row
from ecommerce_platform_tests.postgres.cluster import postgres_cluster, server_programs
from ecommerce_platform_tests.postgres.stream import read_stream, write_landing
from ecommerce_platform_tests.postgres.workload import COLUMNS, KEYS_PER_HISTORY, History, histories, play

HISTORIES = int(os.environ.get("POSTGRES_HISTORIES", "1000"))
SEED = int(os.environ.get("POSTGRES_SEED", "20260101"))

DAILY = """
select
    created_at::date as date,
    count(*) as total_orders,
    count(*) filter (where status in ('shipped', 'delivered')) as completed_orders,
    count(*) filter (where status = 'cancelled') as cancelled_orders,
    count(distinct user_id) as total_active_customers,
    coalesce(sum(total_amount) filter (where status in ('processing', 'shipped', 'delivered')), 0) as total_revenue
from orders
group by 1
order by 1
"""

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


def rows(connection: Connection, statement: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def through_the_platform(connection: Connection, played: Iterable[tuple[int, History]], work: Path) -> list[str]:
    """Plays histories, runs the platform on their stream, and tells every row that differs from PostgreSQL's."""
    with connection.cursor() as cursor:
        cursor.execute(f"truncate {', '.join(COLUMNS)}")
    read_stream(connection)
    days: dict[int, int] = {}
    for number, history in played:
        days |= play(connection, history, number)
    partitions = write_landing(work / "landing", read_stream(connection), days, SEED)
    with Platform.installed(work / "data", work / "landing") as platform:
        # The later half first: the order in which days are applied must not matter.
        for first, last in applied_in_halves(partitions):
            platform.run(first, last, with_checks=False)
        found = []
        for table, columns in COLUMNS.items():
            held = {
                row["id"]: {name: row[name] for name in columns} for row in platform.table(f"staging.{table}_enhanced")
            }
            true = {row["id"]: row for row in rows(connection, f"select {', '.join(columns)} from {table}")}
            found += differing(table, held, true)
        daily = platform.query("select * from marts.daily_business_metrics where total_orders > 0 order by date")
        true_days = {row["date"]: row for row in rows(connection, DAILY)}
        held_days = {row["date"]: {name: row[name] for name in next(iter(true_days.values()))} for row in daily}
        found += differing("daily_business_metrics", held_days, true_days)
    return found


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
    with postgres_cluster() as connection:
        wrong = through_the_platform(connection, enumerate(drawn), tmp_path / "all")
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
