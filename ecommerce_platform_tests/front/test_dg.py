"""The checkout is a project of Dagster's `dg`, and so is the image: definitions are checked, listed and launched, silently."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ecommerce_platform.definitions import defs
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.dagster_home import instance_of

DG = Path(sys.executable).with_name("dg")


def dg(folder: Path, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`dg` in `folder`, with an empty landing zone and a Dagster home of its own."""
    home.mkdir(exist_ok=True)
    shutil.copy2(PROJECT_DIR / "ecommerce_platform" / "operations" / "dagster.yaml", home)
    landing = home / "landing"
    landing.mkdir(exist_ok=True)
    given = {
        "DAGSTER_HOME": str(home), "ECOMMERCE_DATA_DIR": str(home / "data"), "ECOMMERCE_LANDING_URI": str(landing),
        "PYTHONPATH": str(PROJECT_DIR),
    }  # fmt: skip
    return subprocess.run(
        [str(DG), *arguments],
        cwd=folder,
        env={**os.environ, **given, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder as the image's /opt/platform, and the variables by which the Dockerfile leads `dg` there."""
    folder = tmp_path_factory.mktemp("image") / "platform"
    folder.mkdir()
    shutil.copy2(PROJECT_DIR / "pyproject.toml", folder)
    (folder / "ecommerce_platform").symlink_to(PROJECT_DIR / "ecommerce_platform")
    dockerfile = (PROJECT_DIR / "Dockerfile").read_text()
    assert "COPY pyproject.toml /opt/platform/" in dockerfile
    variables = dict(re.findall(r"(DAGSTER_DG_\w+)=(\S+)", dockerfile))
    return folder, {name: value.replace("/opt/platform", str(folder)) for name, value in variables.items()}


def test_the_definitions_are_checked_without_a_warning(tmp_path: Path) -> None:
    done = dg(PROJECT_DIR, tmp_path / "home", "check", "defs", "--no-check-yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).strip() == "All definitions loaded successfully."


def test_every_asset_is_listed(tmp_path: Path) -> None:
    done = dg(PROJECT_DIR, tmp_path / "home", "list", "defs", "--json")
    assert done.returncode == 0, done.stderr
    listed = {asset["asset_key"] for asset in json.loads(done.stdout)["assets"]}
    assert listed == {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    assert done.stderr == ""


@pytest.mark.slow
def test_a_range_is_one_run_in_the_image_whose_trouble_is_the_exit_code(
    tmp_path: Path, image: tuple[Path, dict[str, str]]
) -> None:
    _, variables = image
    home = tmp_path / "home"
    missing = str(tmp_path / "nothing")
    days = ("--partition-range", "2026-01-01...2026-01-02")
    done = dg(tmp_path, home, "launch", "--assets", "iceberg/users", *days, **variables, ECOMMERCE_LANDING_URI=missing)
    assert done.returncode == 1
    assert f"the landing zone {missing} does not exist" in done.stderr + done.stdout
    assert "Warning" not in done.stderr + done.stdout
    with instance_of(home) as instance:
        [run] = instance.get_runs()
    assert not run.is_success
    assert {"2026-01-01", "2026-01-02"} <= set(run.tags.values())


def test_a_selection_of_the_pages_is_read_without_a_warning() -> None:
    pages = [PROJECT_DIR / "README.md", *(PROJECT_DIR / "docs").rglob("*.md")]
    quoted = [text for page in pages for text in re.findall(r"--(?:assets|select) '([^']+)'", page.read_text())]
    selections = {text for several in quoted for text in several.split(",")}
    assert {"*", 'key:"snowflake/raw/*"', "group:marts"} <= selections
    script = (
        "import sys, ecommerce_platform, dagster\nfor text in sys.argv[1:]: dagster.AssetSelection.from_string(text)"
    )
    command = [sys.executable, "-c", script, *sorted(selections)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(PROJECT_DIR)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_dg_and_the_workspace_file_name_the_same_code_location() -> None:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    workspace = (PROJECT_DIR / "workspace.yaml").read_text()
    assert f"module_name: {project['code_location_target_module']}\n" in workspace
    assert f"location_name: {project['code_location_name']}\n" in workspace
