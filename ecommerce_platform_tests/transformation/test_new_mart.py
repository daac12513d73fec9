"""The edits of the how-to page on a new mart, word for word: published with its log, by SQL and YAML only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.settings import PROJECT_DIR, Settings
from ecommerce_platform.transformation.builds.applied import full_refresh_reason, mark_applied, read_build_state
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest, load_manifest
from ecommerce_platform.transformation.results.restatements import restatements
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all
from ecommerce_platform_tests.front.walkthrough import apply_edits, edits_of
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.tables import Row, read

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

PAGE = (PROJECT_DIR / "docs" / "how-to" / "new-mart.md").read_text(encoding="utf-8")
MART = "MARTS.CATEGORY_REVENUE"
#: A text as nasty as a key can be.
NASTY = 'Toys "R"\\Us\n2'


@dataclass(frozen=True)
class Shop:
    """An installation whose project has the page's mart."""

    settings: Settings
    connection: SnowflakeConnection

    def build(self, *, full_refresh: bool = False) -> None:
        """The mart, and what it stands on."""
        with exclusive_build(
            self.settings.dbt,
            self.settings.snowflake,
            self.connection,
            partial(connect, self.settings),
            "test",
            lambda _: None,
        ) as lease:
            definition = definition_digest(DbtProject.of(self.settings))
            needed = full_refresh or full_refresh_reason(read_build_state(self.connection), definition) is not None
            request = DbtRequest(command="run", select=("+mart_category_revenue",), full_refresh=needed)
            run_dbt(self.settings, request, "test", lease)
            mark_applied(self.connection, definition, lease)

    def rows(self) -> list[Row]:
        return read(self.connection, MART)


@pytest.fixture
def shop(transformation_settings: Settings, connection: SnowflakeConnection, tmp_path: Path) -> Iterator[Shop]:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT_DIR / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    apply_edits(edits_of(PAGE), tmp_path)
    dbt = transformation_settings.dbt.model_copy(update={"project_dir": project, "target_path": tmp_path / "target"})
    execute(connection, "delete from MARTS.RESTATEMENTS")
    yield Shop(transformation_settings.model_copy(update={"dbt": dbt}), connection)
    execute(connection, f"drop table if exists {MART}")
    execute(connection, "delete from MARTS.RESTATEMENTS")


def test_it_takes_one_new_file_and_two_that_grow_sql_and_yaml_only() -> None:
    edits = edits_of(PAGE)
    assert [(Path(edit.path).suffix, edit.appends) for edit in edits] == [
        (".sql", False),
        (".yml", True),
        (".sql", True),
    ]
    assert all(edit.path.startswith("dbt_project/") for edit in edits)


@pytest.mark.slow
def test_the_mart_is_published_and_what_changes_later_is_in_the_log(shop: Shop) -> None:
    connection = shop.connection
    load_day(
        connection,
        "2026-01-30",
        [
            user(1, 1, "2026-01-01"),
            product(1, 2, "2026-01-01", category=NASTY),
            product(2, 3, "2026-01-01", category="Books"),
            order(1, 4, "2026-01-30"),
            item(1, 5, "2026-01-30", quantity=2, unit_price=Decimal("5.00")),
            item(2, 6, "2026-01-30", product_id=2, quantity=1, unit_price=Decimal("7.50")),
        ],
    )
    shop.build()
    assert [(str(row["date"]), row["category"], row["units_sold"], row["total_revenue"]) for row in shop.rows()] == [
        ("2026-01-30", "Books", 1, Decimal("7.50")),
        ("2026-01-30", NASTY, 2, Decimal("10.00")),
    ]
    assert restatements(connection, model="category_revenue") == []

    load_day(
        connection,
        "2026-02-20",
        [
            item(1, 7, "2026-02-20", "UPDATE", quantity=3, unit_price=Decimal("5.00"), created_at="2026-01-30"),
            item(2, 8, "2026-02-20", "DELETE"),
        ],
    )
    shop.build()
    changed = restatements(connection, model="category_revenue")
    assert {
        (entry.row_key, entry.change, entry.column_name, entry.old_value, entry.new_value) for entry in changed
    } == {
        (key(NASTY), "changed", "units_sold", "2", "3"),
        (key(NASTY), "changed", "total_revenue", "10.00", "15.00"),
        (key("Books"), "withdrawn", "units_sold", "1", None),
        (key("Books"), "withdrawn", "total_revenue", "7.50", None),
    }
    assert all(entry.closed_month and str(entry.date) == "2026-01-30" for entry in changed)
    assert changed[0].key["date"] == "2026-01-30"

    load_day(
        connection,
        "2026-02-21",
        [item(2, 9, "2026-02-21", product_id=2, quantity=1, unit_price=Decimal("8.00"), created_at="2026-01-30")],
    )
    shop.build()
    restored = [entry for entry in restatements(connection, model="category_revenue") if entry.change == "restored"]
    assert {(entry.row_key, entry.column_name, entry.old_value, entry.new_value) for entry in restored} == {
        (key("Books"), "units_sold", None, "1"),
        (key("Books"), "total_revenue", None, "8.00"),
    }
    results = run_dbt(shop.settings, DbtRequest(command="test", select=("mart_category_revenue",)), "test")
    assert {status for status, _ in results.values()} == {"pass"}
    assert len(results) == 2
    held, logged = shop.rows(), len(restatements(connection))
    shop.build(full_refresh=True)
    assert shop.rows() == held
    assert len(restatements(connection)) == logged, "a full refresh over unchanged data restates nothing"


def key(category: str) -> str:
    return json.dumps({"category": category, "date": "2026-01-30"}, separators=(",", ":"), sort_keys=True)


def test_the_mart_is_an_asset_with_its_checks(shop: Shop) -> None:
    nodes = load_manifest(DbtProject.of(shop.settings))["nodes"]
    assert nodes["model.ecommerce.mart_category_revenue"]["config"]["meta"]["published"] is True
    names = {node["name"] for node in nodes.values() if node["resource_type"] == "test"}
    assert {"category_revenue_key_is_unique", "category_revenue_has_units"} <= names
    assert fetch_all(shop.connection, "select count(*) from MARTS.RESTATEMENTS") == [(0,)]
