"""Makes a new asset room with its tests: `.venv/bin/python scripts/new_room.py NAME`. What is left to do is printed.

A room is a folder of `ecommerce_platform/` with a thin view of Dagster (assets and checks) and the domain beside it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from string import Template

PROJECT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).resolve().parent / "room_template"
LEFT_TO_DO = """\
Left to do:
  pyproject.toml                     its place among the layers of [tool.importlinter]
  ecommerce_platform/definitions.py  build_assets, build_checks, and its page in DOCUMENTATION
  docs/architecture.md               its line in the table of rooms
"""


def make_room(name: str, project: Path) -> list[Path]:
    """Writes the room's files below `project` and returns them; raises ValueError for a name or a place that is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is not a name for a room; expected lower-case letters, digits and _")
    package, tests = project / "ecommerce_platform" / name, project / "ecommerce_platform_tests" / name
    if package.exists() or tests.exists():
        raise ValueError(f"there is a room {name} already: {package if package.exists() else tests}")
    written = []
    for source in sorted(TEMPLATE.glob("*.txt")):
        target = (tests if source.name.startswith("test_") else package) / source.name.removesuffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text()).substitute(room=name))
        written.append(target)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        for path in make_room(sys.argv[1], PROJECT):
            print(path.relative_to(PROJECT))
    except ValueError as error:
        sys.exit(f"new_room: {error}")
    print(LEFT_TO_DO, end="")
