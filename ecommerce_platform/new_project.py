"""A folder for those who use the platform as a package: settings, contracts, models, workspace and CI of their own.

What belongs here: which files it has and where they come from. What does not: the command line (commands/init.py).
"""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ecommerce_platform import __version__
from ecommerce_platform.contracts.reader import CONTRACTS_DIR
from ecommerce_platform.settings import SHIPPED_DBT_PROJECT

_PACKAGE = Path(__file__).resolve().parent
_TEMPLATE = _PACKAGE / "project_template"
_DAGSTER_YAML = _PACKAGE / "operations" / "dagster.yaml"
_WHEELS = "wheels"
#: Where a template's file goes, if not beside the others: hidden files would be left out of a package.
_PLACES = {"gitignore": ".gitignore", "ci.yaml": ".github/workflows/ci.yaml"}


class NewProjectError(RuntimeError):
    """The folder cannot be made; the message says why."""


def create_project(folder: Path) -> list[Path]:
    """Writes a project into a new or empty folder; its files, relative to it. Raises NewProjectError where something is there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NewProjectError(
            f"{folder} is there already, and is not an empty folder; name another, nothing was written"
        )
    folder.mkdir(parents=True, exist_ok=True)
    wheel = installed_wheel()
    words = {"PROJECT_NAME": folder.resolve().name, "REQUIREMENT": _requirement(wheel), "VERSION": __version__}
    for source in sorted(_TEMPLATE.iterdir()):
        text = source.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        _write(folder / _PLACES.get(source.name, source.name), text)
    if wheel is not None and wheel.is_file():
        (folder / _WHEELS).mkdir()
        shutil.copy2(wheel, folder / _WHEELS)
    for source in sorted(CONTRACTS_DIR.glob("*.odcs.yaml")):
        _write(folder / "contracts" / source.name, source.read_text(encoding="utf-8"))
    _write(folder / "dagster_home" / "dagster.yaml", _DAGSTER_YAML.read_text(encoding="utf-8"))
    shutil.copytree(
        SHIPPED_DBT_PROJECT, folder / "dbt_project", ignore=shutil.ignore_patterns("target", "logs", "__pycache__")
    )
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def installed_wheel() -> Path | None:
    """The wheel from which this platform was installed; None where an index had it. A checkout is none either, and makes one."""
    made = Path(f"ecommerce_platform-{__version__}-py3-none-any.whl")
    try:
        origin = metadata.distribution("ecommerce-platform").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return made
    if origin is None:
        return None
    url = urlsplit(json.loads(origin)["url"])
    path = Path(unquote(url.path))
    return path if url.scheme == "file" and path.suffix == ".whl" else made


def _requirement(wheel: Path | None) -> str:
    """The line of requirements.txt. By name only from an index: on a public one the name may belong to somebody else."""
    return f"ecommerce-platform=={__version__}" if wheel is None else f"./{_WHEELS}/{wheel.name}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
