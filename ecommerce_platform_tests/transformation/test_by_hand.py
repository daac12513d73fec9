"""dbt by hand: a part of the models, its documentation, only what a change touches, and how late the sources are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.project.by_hand import FOLDER, run_by_hand
from ecommerce_platform.transformation.project.manifest import DbtProject
from ecommerce_platform.transformation.project.profile import profile_environment
from ecommerce_platform.warehouse.schema.lease import MODELS, lease_state
from ecommerce_platform.warehouse.schema.upgrade import initialise_account
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import load_day, order, user
from ecommerce_platform_tests.transformation.tables import count, read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

MART = "MARTS.DAILY_BUSINESS_METRICS"


@pytest.fixture
def built(connection: SnowflakeConnection, transform: Transform) -> SnowflakeConnection:
    """One applied day, and one that is loaded and waits."""
    load_day(connection, "2026-01-01", [user(1, 1, "2026-01-01"), order(1, 2, "2026-01-01")])
    transform()
    load_day(connection, "2026-01-02", [order(2, 3, "2026-01-02")])
    return connection


def artefact(settings: Settings, name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((DbtProject.of(settings).target / FOLDER / name).read_text())
    return loaded


def built_nodes(settings: Settings) -> set[str]:
    """Models of the last command, by name."""
    results = artefact(settings, "run_results.json")["results"]
    assert isinstance(results, list)
    return {item["unique_id"].split(".")[-1] for item in results if item["unique_id"].startswith("model.")}


@pytest.mark.soak
def test_marts_by_hand_are_what_they_were_and_no_day_is_marked(
    transformation_settings: Settings, built: SnowflakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(built, MART)
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(transformation_settings.data_dir))
    monkeypatch.setenv("ECOMMERCE_DBT__TARGET_PATH", str(DbtProject.of(transformation_settings).target))
    command = ["dbt", "build", "-s", "marts", "--exclude", "resource_type:test", "resource_type:unit_test"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert built_nodes(transformation_settings) == {
        *("mart_daily_business_metrics", "mart_customer_tier_analytics"),
        *("mart_product_performance", "mart_customer_analytics"),
    }
    stamp = {"created_at", "last_updated"}
    assert [{k: v for k, v in row.items() if k not in stamp} for row in read(built, MART)] == [
        {k: v for k, v in row.items() if k not in stamp} for row in before
    ]
    applied = fetch_all(built, "select distinct date from STAGING.APPLIED_DAYS")
    assert [str(day) for (day,) in applied] == ["2026-01-01"]
    assert lease_state(built, MODELS).token is None


@pytest.mark.slow
def test_beside_a_build_dbt_by_hand_fails_at_once(
    transformation_settings: Settings, built: SnowflakeConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    opener = partial(connect, transformation_settings)
    with exclusive_build(transformation_settings.dbt, transformation_settings.snowflake, built, opener, "A", print):
        assert run_by_hand(transformation_settings, ["run", "-s", "mart_daily_business_metrics"]) == 2
    assert "it is held by run A on" in capfd.readouterr().out


@pytest.mark.soak
@pytest.mark.parametrize("day", ["late", "in time"])
def test_sources_are_late_when_dagster_calls_the_marts_late(
    transformation_settings: Settings, built: SnowflakeConnection, day: str
) -> None:
    hour = transformation_settings.operations.day_late_hour_utc
    now = datetime.now(UTC).replace(tzinfo=None)
    # The last deadline asked for a load since its midnight.
    midnight = datetime.combine((now - timedelta(hours=hour)).date(), time())
    loaded = midnight - timedelta(seconds=1) if day == "late" else midnight
    execute(built, "update RAW.LOAD_LEDGER set loaded_at = %s", (loaded,))
    code = run_by_hand(transformation_settings, ["source", "freshness"])
    (result,) = artefact(transformation_settings, "sources.json")["results"]  # type: ignore[misc]
    assert (code, result["status"]) == ((1, "error") if day == "late" else (0, "pass"))  # type: ignore[index]


def test_the_age_that_is_late_is_the_hour_of_the_operations_settings(transformation_settings: Settings) -> None:
    hours = {}
    for late in (0, 6, 9):
        operations = transformation_settings.operations.model_copy(update={"day_late_hour_utc": late})
        changed = transformation_settings.model_copy(update={"operations": operations})
        hours[late] = profile_environment(changed, "x")["ECOMMERCE_DBT_LATE_AFTER_HOURS"]
    assert hours == {0: "48", 6: "30", 9: "33"}


@pytest.mark.soak
def test_the_documentation_is_made_from_the_tables_that_are_there(
    transformation_settings: Settings, built: SnowflakeConnection
) -> None:
    assert run_by_hand(transformation_settings, ["docs", "generate"]) == 0
    nodes = artefact(transformation_settings, "catalog.json")["nodes"]
    assert isinstance(nodes, dict)
    assert "model.ecommerce.mart_daily_business_metrics" in nodes


@pytest.fixture
def of_ones_own(transformation_settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A checkout in which one mart is changed, and a database of its own in the same server."""
    project = tmp_path / "dbt_project"
    shutil.copytree(transformation_settings.dbt.project_dir, project, ignore=shutil.ignore_patterns("target", "logs"))
    model = project / "models" / "marts" / "mart_daily_business_metrics.sql"
    model.write_text(model.read_text() + "\n-- a change\n")
    dbt = transformation_settings.dbt.model_copy(update={"project_dir": project, "target_path": tmp_path / "target"})
    snowflake = transformation_settings.snowflake.model_copy(update={"database": "PULL_REQUEST"})
    settings = transformation_settings.model_copy(update={"dbt": dbt, "snowflake": snowflake})
    initialise_account(settings)
    yield settings
    if not settings.snowflake.is_embedded:  # the stand-in drops no database, and goes with its folder
        with connect(settings, role=settings.snowflake.admin_role) as opened:
            execute(opened, "drop database if exists PULL_REQUEST")


@pytest.mark.slow
def test_a_pull_request_builds_what_it_changes_beside_the_warehouse_and_reads_the_rest_from_it(
    transformation_settings: Settings, built: SnowflakeConnection, of_ones_own: Settings
) -> None:
    before, generation = read(built, MART), lease_state(built, MODELS).generation
    assert run_by_hand(transformation_settings, ["parse"]) == 0
    state = str(DbtProject.of(transformation_settings).target / FOLDER)
    arguments = ["build", "-s", "state:modified+", "--defer", "--state", state, "--exclude", "resource_type:unit_test"]
    database = transformation_settings.snowflake.database
    assert run_by_hand(of_ones_own, arguments, sources_from=database) == 0
    assert built_nodes(of_ones_own) == {"mart_daily_business_metrics"}
    with connect(of_ones_own) as own:
        assert count(own, MART) == len(before) > 0
    assert read(built, MART) == before
    assert lease_state(built, MODELS).generation == generation, "the warehouse's builds go on beside it"
