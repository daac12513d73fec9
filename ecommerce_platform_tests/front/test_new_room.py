"""The template of a room gives a room that is clean and whose tests pass."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def new_room(project: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "scripts" / "new_room.py"), name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for room in ("settings", "execution"):
        shutil.copytree(PROJECT / "ecommerce_platform" / room, tmp_path / "ecommerce_platform" / room)
    shutil.copy2(PROJECT / "ecommerce_platform" / "__init__.py", tmp_path / "ecommerce_platform")
    shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    shutil.copy2(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "ecommerce_platform_tests").mkdir()
    return tmp_path


@pytest.mark.slow
def test_a_new_room_is_formatted_and_its_tests_pass(project: Path) -> None:
    made = new_room(project, "returns")
    assert made.returncode == 0, made.stderr
    assert "ecommerce_platform/returns/assets.py" in made.stdout
    ruff = str(Path(sys.executable).parent / "ruff")
    for command in (
        [ruff, "format", "--check", "ecommerce_platform/returns", "ecommerce_platform_tests"],
        [ruff, "check", "ecommerce_platform/returns", "ecommerce_platform_tests"],
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "ecommerce_platform_tests/returns"],
    ):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_name_that_is_none_and_a_room_that_exists_are_refused(project: Path) -> None:
    assert "not a name for a room" in new_room(project, "New-Room").stderr
    assert new_room(project, "returns").returncode == 0
    assert "there is a room returns already" in new_room(project, "returns").stderr
