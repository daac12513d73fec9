"""A folder for those who use the platform as a package: settings, contracts, models, workspace and CI of their own.

What belongs here: which files it has and where they come from. What does not: the command line (commands/init.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ecommerce_platform import __version__
from ecommerce_platform.contracts.reader import CONTRACTS_DIR
from ecommerce_platform.settings import SHIPPED_DBT_PROJECT

_PACKAGE = Path(__file__).resolve().parent
_TEMPLATE = _PACKAGE / "project_template"
_DAGSTER_YAML = _PACKAGE / "operations" / "dagster.yaml"
#: Where a template's file goes, if not beside the others: hidden files would be left out of a package.
_PLACES = {"gitignore": ".gitignore", "ci.yaml": ".github/workflows/ci.yaml"}


class NewProjectError(RuntimeError):
    """The folder cannot be made; the message says why."""


def create_project(folder: Path) -> list[Path]:
    """Writes a project into a new or empty folder; its files, relative to it. Raises NewProjectError where something is there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NewProjectError(f"{folder} is there already, and is no empty folder; name another, nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(_TEMPLATE.iterdir()):
        text = source.read_text(encoding="utf-8")
        text = text.replace("PROJECT_NAME", folder.resolve().name).replace("VERSION", __version__)
        _write(folder / _PLACES.get(source.name, source.name), text)
    for source in sorted(CONTRACTS_DIR.glob("*.odcs.yaml")):
        _write(folder / "contracts" / source.name, source.read_text(encoding="utf-8"))
    _write(folder / "dagster_home" / "dagster.yaml", _DAGSTER_YAML.read_text(encoding="utf-8"))
    shutil.copytree(
        SHIPPED_DBT_PROJECT, folder / "dbt_project", ignore=shutil.ignore_patterns("target", "logs", "__pycache__")
    )
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
