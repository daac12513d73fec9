"""Rooms and files stay small enough to be read: decision 0033."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "ecommerce_platform"
MOST_LINES, MOST_MODULES = 300, 15


def test_no_file_of_the_platform_is_long() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > MOST_LINES}


def test_a_room_of_many_modules_has_inner_rooms() -> None:
    modules = {folder: [*folder.glob("[!_]*.py")] for folder in PACKAGE.rglob("*") if folder.is_dir()}
    assert not {folder.name: len(files) for folder, files in modules.items() if len(files) > MOST_MODULES}
