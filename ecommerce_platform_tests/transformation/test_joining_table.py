"""A fifth source table joins an installation that has run for ten days: nothing that is published changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.contracts import ContractError, load_contract, load_contracts, source_tables, tables_of_day
from ecommerce_platform.contracts.reader import CONTRACTS_DIR
from ecommerce_platform.lakehouse.days.ledger import DayRecord, complete
from ecommerce_platform.settings import PROJECT_DIR, Settings
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import load_day
from ecommerce_platform_tests.transformation.tables import read_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

_PLATFORM = PROJECT_DIR / "ecommerce_platform"
_DBT = PROJECT_DIR / "dbt_project"
#: What the installation does after the table has joined; `ecommerce_platform` is the copy with five tables.
_AFTER = """
import json, sys
from functools import partial
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.settings import load_settings
from ecommerce_platform.transformation.builds.applied import full_refresh_reason, mark_applied, read_build_state
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform_tests.transformation.raw_events import load_table_day, order

settings = load_settings()
opener = partial(connect, settings)
assert len(source_tables()) == 5
new_day = sys.argv[1]
reasons = []

def build(connection):
    definition = definition_digest(DbtProject.of(settings))
    with exclusive_build(settings.dbt, settings.snowflake, connection, opener, "after", print) as lease:
        reason = full_refresh_reason(read_build_state(connection), definition)
        reasons.append(reason)
        run_dbt(settings, DbtRequest(command="run", full_refresh=reason is not None), "after", lease)
        mark_applied(connection, definition, lease)

with opener() as connection:
    ensure_current(connection)
    build(connection)
    if new_day != "none":
        for table in sorted({*source_tables()} - {"reviews"}):
            events = [order(4711, 999_999, new_day)] if table == "orders" else []
            load_table_day(connection, table, new_day, events)
        build(connection)
        applied = "select count(*) from STAGING.APPLIED_DAYS where date = %s"
        assert connection.cursor().execute(applied, (new_day,)).fetchone() == (0,), "a day of its time waits for the table"
        load_table_day(connection, "reviews", new_day, [])
        build(connection)
        assert connection.cursor().execute(applied, (new_day,)).fetchone() == (5,)
    print(json.dumps(reasons))
"""


def with_a_fifth_table(folder: Path, first_day: str) -> Path:
    """The platform and its dbt project as docs/how-to/new-source-table.md changes them."""
    platform = folder / "ecommerce_platform"
    shutil.copytree(_PLATFORM, platform, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(_DBT, folder / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    (platform / CONTRACTS_DIR.relative_to(_PLATFORM) / "reviews.odcs.yaml").write_text(
        contract_text(first_day), encoding="utf-8"
    )
    return folder


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} has no {old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def contract_text(first_day: str) -> str:
    """A contract of reviews, which have the columns of orders."""
    text = (CONTRACTS_DIR / "orders.odcs.yaml").read_text(encoding="utf-8").replace("orders", "reviews")
    return text.replace(
        "    customProperties:\n", f"    customProperties:\n      - property: firstDay\n        value: {first_day}\n", 1
    )


def run_after(settings: Settings, folder: Path, new_day: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PYTHONPATH": os.pathsep.join((str(folder), str(PROJECT_DIR))),
        "ECOMMERCE_DATA_DIR": str(settings.data_dir),
        "ECOMMERCE_DBT__PROJECT_DIR": str(folder / "dbt_project"),
        "ECOMMERCE_DBT__TARGET_PATH": str(folder / "target"),
    }
    return subprocess.run(
        [sys.executable, "-c", _AFTER, new_day],
        env=os.environ | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.mark.slow
def test_marts_are_as_before_and_no_figure_is_restated(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform, tmp_path: Path
) -> None:
    if not transformation_settings.snowflake.is_embedded:
        pytest.skip("shown on the embedded server only: the account's tables are of four tables")
    shop = RandomShop(seed=31, days=10)
    for day in shop.days:
        load_day(connection, day, shop.events(day))
    transform()
    before = read_all(connection)
    restated = fetch_all(connection, "select count(*) from MARTS.RESTATEMENTS")
    last = date.fromisoformat(shop.days[-1])
    first_day = date.fromordinal(last.toordinal() + 1).isoformat()
    folder = with_a_fifth_table(tmp_path / "release", first_day)

    joined = run_after(transformation_settings, folder, "none")

    assert joined.returncode == 0, joined.stdout[-2000:] + joined.stderr[-3000:]
    assert "no longer loaded" not in joined.stdout
    assert read_all(connection) == before
    assert fetch_all(connection, "select count(*) from MARTS.RESTATEMENTS") == restated
    days = fetch_all(connection, "select count(distinct date), count(*) from STAGING.APPLIED_DAYS")
    assert days == [(10, 40)]

    next_day = run_after(transformation_settings, folder, first_day)
    assert next_day.returncode == 0, next_day.stdout[-2000:] + next_day.stderr[-3000:]
    assert fetch_all(connection, "select count(*) from STAGING.ORDERS_ENHANCED where id = 4711") == [(1,)]


def test_a_day_needs_the_tables_that_had_joined_by_then(tmp_path: Path) -> None:
    path = tmp_path / "reviews.odcs.yaml"
    path.write_text(contract_text("2026-03-01"), encoding="utf-8")
    contracts = {**load_contracts(), "reviews": load_contract(path)}
    assert tables_of_day(date(2026, 2, 28), contracts) == source_tables()
    assert tables_of_day(date(2026, 3, 1), contracts) == (*source_tables(), "reviews")


def test_a_first_day_that_is_not_a_date_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reviews.odcs.yaml"
    path.write_text(contract_text("March"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"reviews.odcs.yaml: .* firstDay 'March'; expected .* YYYY-MM-DD"):
        load_contract(path)


def test_the_lakehouses_complete_days_are_those_that_have_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [date(2026, 1, 1), date(2026, 1, 2)]
    records = {day: DayRecord("any", day, 1, "c", 0, 0, 0, 0, 0, 0, "run") for day in days}
    published = dict.fromkeys(source_tables(), records)
    assert complete(published) == tuple(days)
    assert complete({**published, "users": {days[1]: records[days[1]]}}) == (days[1],)
    own = tmp_path / "contracts"
    shutil.copytree(CONTRACTS_DIR, own, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    replaced(
        own / "users.odcs.yaml",
        "    customProperties:\n",
        "    customProperties:\n      - property: firstDay\n        value: 2026-01-02\n",
    )
    monkeypatch.setenv("ECOMMERCE_CONTRACTS_DIR", str(own))
    assert complete({**published, "users": {days[1]: records[days[1]]}}) == tuple(days)
    assert complete({**published, "users": {}}) == (days[0],)
