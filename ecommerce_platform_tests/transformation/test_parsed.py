"""Installations that share a checkout: whoever reads a parsed project reads a whole one, and their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.transformation.files import write_whole
from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest, prepare_manifest


def installation(folder: Path, database: str) -> Settings:
    return load_settings(
        dbt={"project_dir": folder / "project", "target_path": folder / "target"}, snowflake={"database": database}
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project of one model."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT_DIR / "dbt_project" / "macros", project / "macros")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT_DIR / "dbt_project" / name, project / name)
    (project / "models").mkdir()
    (project / "models" / "one.sql").write_text("select 1 as one")
    return tmp_path


def test_two_databases_of_one_checkout_keep_their_own_manifests(checkout: Path) -> None:
    first, second = installation(checkout, "FIRST"), installation(checkout, "SECOND")
    held = prepare_manifest(DbtProject.of(first))
    before = held.read_bytes()
    other = prepare_manifest(DbtProject.of(second))
    assert (held.read_bytes(), prepare_manifest(DbtProject.of(first))) == (before, held)
    databases = {node["database"] for node in load_manifest(DbtProject.of(first))["nodes"].values()}
    assert databases == {"FIRST"}
    assert other != held


def test_a_parse_that_is_killed_leaves_nothing_that_is_taken_for_whole(checkout: Path) -> None:
    settings = installation(checkout, "FIRST")
    killed = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from ecommerce_platform.settings import load_settings\n"
        "from ecommerce_platform.transformation.project import manifest\n"
        "def parse(project_dir, target, database):\n"
        "    target.mkdir(parents=True)\n"
        "    (target / 'manifest.json').write_text('{\"nodes\": ')\n"
        "    os._exit(9)\n"
        "manifest._parse = parse\n"
        f"folder = Path({str(checkout)!r})\n"
        "settings = load_settings(dbt={'project_dir': folder / 'project', 'target_path': folder / 'target'},"
        " snowflake={'database': 'FIRST'})\n"
        "manifest.prepare_manifest(manifest.DbtProject.of(settings))\n"
    )
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    assert set(load_manifest(DbtProject.of(settings))["nodes"]) >= {"model.ecommerce.one"}


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "lineage.json"
    path.write_text("old")
    with path.open() as reader:
        write_whole(path, json.dumps({"a": 1}))
        assert reader.read() == "old"
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["lineage.json"]
