"""The wheel in an empty folder: it holds all that the platform reads, makes a project, and that project's definitions load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ecommerce_platform import __version__, new_project
from ecommerce_platform.new_project import NewProjectError, create_project
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform.spark.session import SPARK_SUBMIT

_BUILD = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
_LOADS = """
import ecommerce_platform
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import load_settings
from ecommerce_platform.transformation.project.manifest import DbtProject, prepare_manifest
import ecommerce_platform.definitions as d
settings = load_settings()
print(ecommerce_platform.__file__)
print(settings.data_dir)
print(settings.dbt.project_dir)
print(prepare_manifest(DbtProject.of(settings)))
print(load_contracts()["users"].description)
print(len(list(d.defs.resolve_all_asset_specs())))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the files of the repository alone, and unpacked as an installer does."""
    folder = tmp_path_factory.mktemp("wheel")
    checkout = folder / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_DIR, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (PROJECT_DIR / name).is_file() and not name.startswith(("docs/", "helm/", "benchmarks/")):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_DIR / name, checkout / name)
    command = [sys.executable, "-c", _BUILD, str(folder)]
    built = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *command: str, **more: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
    done = subprocess.run(
        command, cwd=folder, env={**kept, "PYTHONPATH": str(installed), **more}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_makes_a_project_in_an_empty_folder_whose_definitions_load(installed: Path, tmp_path: Path) -> None:
    run(installed, tmp_path, sys.executable, "-m", "ecommerce_platform.cli", "init", "my-platform")
    project = tmp_path / "my-platform"
    contract = project / "contracts" / "users.odcs.yaml"
    contract.write_text(contract.read_text().replace("People who registered in the shop", "Our own customers"))
    script = f". ./settings.sh && {sys.executable} -c '{_LOADS}'"
    loaded = run(installed, project, "bash", "-euc", script).splitlines()
    package, data, models, manifest, description, assets = loaded[-6:]
    assert Path(package).is_relative_to(installed)
    assert Path(data) == project / "data"
    assert Path(models) == project / "dbt_project"
    assert Path(manifest).is_relative_to(project)
    assert description.startswith("Our own customers")
    assert int(assets) > 25


@pytest.mark.soak
def test_without_a_project_the_package_works_in_the_folder_one_is_in_and_writes_nothing_into_itself(
    installed: Path, tmp_path: Path
) -> None:
    before = {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    package, data, models, manifest, *_ = run(installed, tmp_path, sys.executable, "-c", _LOADS).splitlines()[-6:]
    assert Path(data) == tmp_path / "data"
    assert Path(models).is_relative_to(Path(package).parent)
    assert Path(manifest).is_relative_to(tmp_path)
    assert {path for path in installed.rglob("*") if "__pycache__" not in path.parts} == before


def test_the_wheels_own_spark_submit_can_be_run(installed: Path) -> None:
    (wheel,) = installed.parent.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        script = archive.getinfo(str(SPARK_SUBMIT.relative_to(PROJECT_DIR)))
    assert script.external_attr >> 16 & 0o111 == 0o111


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NewProjectError, match="is there already, and is not an empty folder"):
        create_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_projects_workspace_and_dagster_home_are_those_of_the_checkout(tmp_path: Path) -> None:
    files = create_project(tmp_path / "shop")
    assert {Path(".gitignore"), Path(".github/workflows/ci.yaml"), Path("settings.sh")} <= set(files)
    assert (tmp_path / "shop" / "workspace.yaml").read_text() == (PROJECT_DIR / "workspace.yaml").read_text()
    assert not [path for path in files if "target" in path.parts]
    assert "PROJECT_NAME" not in (tmp_path / "shop" / "README.md").read_text()
    assert subprocess.run(["bash", "-n", str(tmp_path / "shop" / "settings.sh")], check=False).returncode == 0


_OWN_WHEEL = f"./wheels/ecommerce_platform-{__version__}-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "requirement", "copied"),
    [
        ('{"url": "file://FOLDER/platform-9.9-py3-none-any.whl"}', "./wheels/platform-9.9-py3-none-any.whl", True),
        ('{"url": "file://FOLDER/checkout", "dir_info": {"editable": true}}', _OWN_WHEEL, False),
        (None, f"ecommerce-platform=={__version__}", False),
    ],
)
def test_a_project_installs_the_platform_from_where_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str | None, requirement: str, copied: bool
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return origin and origin.replace("FOLDER", str(tmp_path))

    wheel = tmp_path / "platform-9.9-py3-none-any.whl"
    wheel.write_text("a wheel")
    monkeypatch.setattr(new_project.metadata, "distribution", lambda name: Installed())
    create_project(tmp_path / "shop")
    assert (tmp_path / "shop" / "requirements.txt").read_text().splitlines()[-1] == requirement
    assert (tmp_path / "shop" / "wheels" / wheel.name).exists() == copied
