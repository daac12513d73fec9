"""The dbt project on disk: rendered from the contracts, kept parsed, equal in its defaults to the settings, Snowflake's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.daily_metrics import reconciled_metrics
from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, build_arguments, dbt_run
from ecommerce_platform.transformation.metric_tests import METRIC_TEST_FILE, render_metric_test
from ecommerce_platform.transformation.project.lineage import LineageReader
from ecommerce_platform.transformation.project.manifest import (
    DbtProject,
    DbtProjectError,
    definition_digest,
    load_manifest,
    prepare_manifest,
    project_digest,
)
from ecommerce_platform.transformation.project.personal import model_tables, undeclared
from ecommerce_platform.transformation.sources import (
    BASE_FOLDER,
    CONTRACTS_FILE,
    SOURCES_FILE,
    refresh_sources,
    render_sources,
)
from ecommerce_platform_tests.snowflake_dialect import assert_snowflake

PROJECT = PROJECT_DIR / "dbt_project"


def test_the_test_of_the_daily_mart_is_rendered_from_the_metrics() -> None:
    written = (PROJECT / METRIC_TEST_FILE).read_text(encoding="utf-8")
    assert written == render_metric_test(reconciled_metrics(), load_contracts()["orders"])


def test_the_projects_defaults_are_those_of_the_settings() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["vars"] == DbtProject.of(load_settings()).variables


def test_an_unchanged_project_is_not_parsed_again(transformation_settings: Settings) -> None:
    manifest = prepare_manifest(DbtProject.of(transformation_settings))
    written = manifest.stat().st_mtime_ns
    load_manifest(DbtProject.of(transformation_settings))
    assert manifest.stat().st_mtime_ns == written


def test_a_changed_file_changes_the_digest(tmp_path: Path) -> None:
    for name in ("dbt_project.yml", "profiles.yml", "models/a.sql"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("select 1")
    before = project_digest(tmp_path, "ECOMMERCE_DW")
    assert project_digest(tmp_path, "OTHER_DW") != before
    (tmp_path / "models" / "a.sql").write_text("select 2")
    assert project_digest(tmp_path, "ECOMMERCE_DW") != before


def test_a_changed_threshold_changes_the_definition() -> None:
    other = load_settings(business={"tier_gold": "1999"})
    assert definition_digest(DbtProject.of(other)) != definition_digest(DbtProject.of(load_settings()))


def test_a_missing_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(DbtProjectError, match=r"no dbt project in .*ECOMMERCE_DBT__PROJECT_DIR"):
        prepare_manifest(DbtProject.of(load_settings(dbt={"project_dir": tmp_path})))


def test_arguments_name_only_what_was_asked_for(transformation_settings: Settings, tmp_path: Path) -> None:
    everything = build_arguments(DbtRequest(), DbtProject.of(transformation_settings), tmp_path)
    assert "--select" not in everything
    assert "--full-refresh" not in everything
    one = build_arguments(
        DbtRequest(select=("a", "b"), only_selected=True, full_refresh=True),
        DbtProject.of(transformation_settings),
        tmp_path,
    )
    assert one[one.index("--select") + 1 : one.index("--select") + 3] == ["a", "b"]
    assert one[one.index("--indirect-selection") + 1] == "empty"


def test_all_compiled_sql_is_snowflakes_and_its_columns_are_traced(transformation_settings: Settings) -> None:
    with dbt_run(transformation_settings, DbtRequest(command="compile"), "compile") as run:
        for _ in run.events:
            pass
        compiled = sorted((run.target / "compiled").rglob("*.sql"))
        assert len(compiled) > 50
        for path in compiled:
            assert_snowflake(path.read_text(encoding="utf-8"))
        manifest = load_manifest(DbtProject.of(transformation_settings))
        reader = LineageReader(manifest)
        for node in _parents_first(manifest):
            reader.read(node, run.target / "compiled")
    lineage = reader.lineage["model.ecommerce.stg_users_enhanced"]
    assert ("model.ecommerce.base_orders", "total_amount") in lineage["customer_tier"]
    assert lineage["email"] == [("model.ecommerce.base_users", "email")]
    assert [name for name, columns in reader.lineage.items() if not columns] == [], "a model whose SQL cannot be traced"
    assert list(undeclared(manifest, load_contracts(), reader.lineage)) == []
    assert not (DbtProject.of(transformation_settings).target / "runs" / "compile").exists()


def _parents_first(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Models that have a table; the others are part of their children's SQL."""
    tables = {table.unique_id for table in model_tables(manifest)}
    models = {key: manifest["nodes"][key] for key in tables}
    order = TopologicalSorter({key: set(node["depends_on"]["nodes"]) & models.keys() for key, node in models.items()})
    return (models[key] for key in order.static_order())


def test_a_changed_contract_rewrites_the_sources_and_an_unchanged_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base_changed_keys.sql").write_text("select 1")
    (tmp_path / "models" / "base_orders.sql").write_text("select 1")
    assert refresh_sources(tmp_path)
    assert not refresh_sources(tmp_path)
    for file in (SOURCES_FILE, CONTRACTS_FILE, BASE_FOLDER / "base_users.sql"):
        (tmp_path / file).write_text("stale")
        assert refresh_sources(tmp_path)
    assert (tmp_path / SOURCES_FILE).read_text() == render_sources(load_contracts())
    assert not (tmp_path / BASE_FOLDER / "base_orders.sql").exists(), "the project has a model of its own"
    fewer = {table: contract for table, contract in load_contracts().items() if table != "users"}
    assert refresh_sources(tmp_path, fewer)
    assert not (tmp_path / BASE_FOLDER / "base_users.sql").exists()
