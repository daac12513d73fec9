"""Functions take a catalog, a connection, a table or a section: which ones of a room take the whole settings, and why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "ecommerce_platform"
ROOMS = ("iceberg", "lakehouse", "erasure")
DECLARED = "assets and checks are declared by them; what a step reaches comes as a resource"
MADE = "a value or a resource is made of them"
EVERY_PLACE = "an erasure reaches every place that they name, the warehouse and dbt among them"

#: By module, the functions and classes that take the whole settings, and the reason.
TAKE_SETTINGS = {
    "iceberg.catalog": ("needs_s3", "landing zone, scratch and lake may each lie in a store"),
    "iceberg.lake": ("Lake.of", MADE),
    "iceberg.resource": ("build_resources", MADE),
    "lakehouse.arrived.arrivals": ("Intake.of", MADE),
    "lakehouse.assets": ("build_assets", DECLARED),
    "lakehouse.checks": ("build_checks _audit_checks _closing_check", DECLARED),
    "erasure.erase": ("Request plan", EVERY_PLACE),
    "erasure.landing_files": (
        "rewrite_files",
        "the landing zone, the installation's own folder, and a promise of privacy",
    ),
    "erasure.plan": ("make_plan _served", EVERY_PLACE),
    "erasure.speed": ("speed_table", "the speed layer's connection is made of them"),
    "erasure.warehouse": ("erase", EVERY_PLACE),
}


def is_settings(annotation: ast.expr | None) -> bool:
    """Whether an annotation names the whole settings: `Settings`, `Settings | None`, a callable that takes them."""
    return annotation is not None and any(
        isinstance(node, ast.Name) and node.id == "Settings" for node in ast.walk(annotation)
    )


def takers(tree: ast.AST, within: str = "") -> Iterator[str]:
    """The functions that have a parameter with the whole settings, and the classes that have such a field."""
    for node in ast.iter_child_nodes(tree):
        name = within
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}.{node.name}".lstrip(".")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if any(is_settings(parameter.annotation) for parameter in parameters):
                yield name
        elif isinstance(node, ast.ClassDef) and any(
            isinstance(line, ast.AnnAssign) and is_settings(line.annotation) for line in node.body
        ):
            yield name
        yield from takers(node, name)


def takers_of_rooms() -> dict[str, set[str]]:
    by_module = {}
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            if names := set(takers(ast.parse(path.read_text()))):
                by_module[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = names
    return by_module


def test_what_takes_the_whole_settings_is_listed_with_the_reason() -> None:
    listed = {module: set(names.split()) for module, (names, _) in TAKE_SETTINGS.items()}
    assert takers_of_rooms() == listed, (
        "hand in the Lake, the LandingZone, a connection, a table, or the section of the settings that is used"
    )


def test_parameters_fields_and_inner_functions_are_seen() -> None:
    code = """
class Job:
    settings: Settings
    def of(self, other: Settings | None): ...
class Other:
    section: LakehouseSettings
def outer(lake: Lake):
    def inner(*, settings: Settings): ...
def section(limit: S3Settings): ...
"""
    assert list(takers(ast.parse(code))) == ["Job", "Job.of", "outer.inner"]
