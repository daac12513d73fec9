"""What is past its retention goes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.operations.retention import apply_retention, remove_old_runs
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.transformation.builds.applied import DEFINITION_TABLE, full_refresh_reason, read_build_state
from ecommerce_platform.warehouse.schema.lease import MODELS, leased
from ecommerce_platform.warehouse.schema.upgrade import initialise_account
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all
from ecommerce_platform_tests.transformation.raw_events import load_day, user

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    loaded = load_settings(data_dir=tmp_path_factory.mktemp("retention"))
    initialise_account(loaded)
    yield loaded
    down(loaded.data_dir)


@pytest.fixture
def connection(settings: Settings) -> Iterator[SnowflakeConnection]:
    with connect(settings) as opened:
        read_build_state(opened)
        for table in ("RAW.USERS", "RAW.SUPERSEDED_USERS", "RAW.LOAD_LEDGER", DEFINITION_TABLE):
            execute(opened, f"delete from {table}")
        execute(opened, f"insert into {DEFINITION_TABLE} (definition, applied_at) select 'known', sysdate()")
        yield opened


def apply(settings: Settings, dry_run: bool = False) -> list[str]:
    lake, zone = Lake.of(settings), LandingZone.of(settings)
    return apply_retention(settings, lake, zone, partial(connect, settings, "test"), None, "test", NOW, dry_run)


def replaced(connection: SnowflakeConnection, day: str, days_ago: int) -> None:
    """A day of users that a later load replaced so many days ago."""
    for email in ("first@example.com", "second@example.com"):
        load_day(connection, day, [user(1, 1, day, email=email)])
    at = (NOW - timedelta(days=days_ago)).replace(tzinfo=None)
    execute(connection, "update RAW.LOAD_LEDGER set loaded_at = %s where date = %s", (at, day))


def kept(connection: SnowflakeConnection) -> list[str]:
    return [str(day) for (day,) in fetch_all(connection, "select date from RAW.SUPERSEDED_USERS order by 1")]


def test_rows_that_no_build_took_note_of_go_and_everything_is_computed_again(
    settings: Settings, connection: SnowflakeConnection
) -> None:
    replaced(connection, "2026-01-01", days_ago=31)
    replaced(connection, "2026-01-02", days_ago=29)

    would = apply(settings, dry_run=True)
    assert [line.partition(" rows of users")[0] for line in would] == ["would remove 1"]
    assert kept(connection) == ["2026-01-01", "2026-01-02"]

    (line,) = apply(settings)
    assert "removed 1 rows of users" in line
    assert kept(connection) == ["2026-01-02"]
    assert read_build_state(connection).definition is None
    assert full_refresh_reason(read_build_state(connection), "known") is not None
    assert apply(settings) == []


def test_nothing_that_a_build_reads_goes_under_its_hands(settings: Settings, connection: SnowflakeConnection) -> None:
    replaced(connection, "2026-01-01", days_ago=31)
    with leased(
        connection, partial(connect, settings), MODELS, "a build", wait_seconds=0, lease_seconds=60, say=lambda _: None
    ):
        (line,) = apply(settings)
    assert "left to a build that is at work" in line
    assert kept(connection) == ["2026-01-01"]
    assert read_build_state(connection).definition == "known"


def test_reports_of_old_dates_go_and_the_overview_names_them_no_more(
    settings: Settings, connection: SnowflakeConnection
) -> None:
    folder = Path(settings.reconciliation.reports_uri)
    folder.mkdir(parents=True, exist_ok=True)
    today = NOW.date()
    old, young = today - timedelta(days=366), today - timedelta(days=365)
    for name in (f"{old}.html", f"{young}.html", "of-somebody-else.html"):
        (folder / name).write_text("a page")

    (line,) = apply(settings)

    assert line == f"removed 1 reports of dates before {young}"
    assert sorted(path.name for path in folder.iterdir()) == [f"{young}.html", "index.html", "of-somebody-else.html"]
    assert str(old) not in (folder / "index.html").read_text()


def test_old_runs_go_with_their_events_and_those_at_work_stay(tmp_path: Path) -> None:
    @dg.job
    def nothing() -> None:
        pass

    later = datetime.now(UTC) + timedelta(hours=1)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        done = nothing.execute_in_process(instance=instance).run_id
        working = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED).run_id

        assert remove_old_runs(instance, later - timedelta(days=1)) == []
        assert remove_old_runs(instance, later, dry_run=True) == [
            f"would remove 1 runs that ended before {later:%Y-%m-%d}"
        ]
        assert {run.run_id for run in instance.get_runs()} == {done, working}
        assert remove_old_runs(instance, later) == [f"removed 1 runs that ended before {later:%Y-%m-%d}"]
        assert [run.run_id for run in instance.get_runs()] == [working]
        assert instance.all_logs(done) == []
