"""The commands that a message names, as they are called here: by make in a checkout and in a project, by themselves elsewhere.

What belongs here: these few names. What does not: the messages.
"""

from __future__ import annotations

from ecommerce_platform.settings import PROJECT_DIR

_UI = "python -m ecommerce_platform.operations.web.dev -m ecommerce_platform.definitions"


def platform_command() -> str:
    """`ecommerce-platform`, with its folder where it is not on everyone's path."""
    return _program("ecommerce-platform")


def launch_command(selection: str) -> str:
    """Dagster's `dg launch` of the assets that `selection` names; `--partition` comes after it."""
    return f"{_program('dg')} launch -m ecommerce_platform.definitions --assets '{selection}'"


def _program(name: str) -> str:
    return f".venv/bin/{name}" if (PROJECT_DIR / ".venv" / "bin" / name).exists() else name


def demo_command() -> str:
    """Puts the sample shop through the whole layer."""
    return "make demo" if _has_makefile() else f"{platform_command()} demo"


def ui_command() -> str:
    """Opens Dagster's UI."""
    return "make dev" if _has_makefile() else _UI


def down_command() -> str:
    """Stops the embedded servers."""
    return "make down" if _has_makefile() else f"{platform_command()} local down"


def _has_makefile() -> bool:
    """Whether the folder is a checkout or a project of `ecommerce-platform init`, whose targets have the same names."""
    makefile = PROJECT_DIR / "Makefile"
    return makefile.is_file() and "ecommerce" in makefile.read_text(encoding="utf-8", errors="replace")
