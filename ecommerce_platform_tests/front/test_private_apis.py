"""What the package uses of other packages beyond their public APIs: docs/private-apis.md lists all of it, with the reasons."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster
import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "ecommerce_platform"
PAGE = PROJECT / "docs" / "private-apis.md"
#: Documented, in spite of the underscore.
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def has_private_part(path: str) -> bool:
    return any(is_private(part) for part in path.split("."))


def own_names(tree: ast.AST) -> set[str]:
    """The private names that a module itself defines: functions, variables, attributes of `self`, fields."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def uses(tree: ast.AST, names_of_package: set[str]) -> Iterator[tuple[int, str]]:
    """Line and name of what a module uses of another package's private parts, puts into one, or does with `sys.modules`."""
    own, imported, dagster_as = own_names(tree), set(), set()
    renamed: dict[str, ast.expr] = {}
    of_itself: list[ast.AST] = []
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Attribute() as value, slice=ast.Name(id="__name__")):
                of_itself.append(value)
            case ast.Import(names=names):
                imported |= {(alias.asname or alias.name).partition(".")[0] for alias in names}
                dagster_as |= {alias.asname or alias.name for alias in names if alias.name == "dagster"}
                yield from ((node.lineno, alias.name) for alias in names if has_private_part(alias.name))
            case ast.ImportFrom(module=str(module), names=names):
                imported |= {alias.asname or alias.name for alias in names}
                if not module.startswith("ecommerce_platform"):
                    paths = (f"{module}.{alias.name}" for alias in names)
                    yield from ((node.lineno, path) for path in paths if has_private_part(path))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute() as value):
                renamed[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Name() | ast.Attribute() as value):
                renamed[name] = value
    imported |= {name for name, value in renamed.items() if root_of(value) in imported}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr="modules") if node not in of_itself:
                yield node.lineno, "sys.modules"
            case ast.Attribute(value=ast.Name(id=root), attr=name) if root in dagster_as and not hasattr(dagster, name):
                yield node.lineno, f"dg.{name}"
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if is_private(name):
                if name not in names_of_package:
                    yield node.lineno, name
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                yield node.lineno, name
            case ast.Attribute(ctx=ast.Store()) if root_of(node) in imported:
                yield node.lineno, ast.unparse(node)
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                if is_private(name) and name not in own:
                    yield node.lineno, name


def uses_of_package() -> dict[tuple[str, str], int]:
    """File (from the package's folder) and name, and the first line of each."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
    names = set().union(*(own_names(tree) for tree in trees.values()))
    lines: dict[tuple[str, str], int] = {}
    for path, tree in trees.items():
        for line, name in uses(tree, names):
            key = (path.relative_to(PACKAGE).as_posix(), name)
            lines[key] = min(line, lines.get(key, line))
    return lines


def rows(page: str) -> Iterator[tuple[str, list[str]]]:
    """The first cell and the names of the second, of each row that begins with a name."""
    for first, others in re.findall(r"^\| `([^`]+)` \| (.+?) \|$", page, re.M):
        yield first, re.findall(r"`([^`]+)`", others)


def listed() -> set[tuple[str, str]]:
    """What the page lists: a file is named by as much of the end of its path as tells it from others."""
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    pairs = set()
    for where, names in rows(PAGE.read_text()):
        if where.endswith(".py"):
            (file,) = [file for file in files if f"/{file}".endswith(f"/{where}")]
            pairs |= {(file, name) for name in names}
    return pairs


def test_the_page_lists_what_the_package_uses_and_nothing_else() -> None:
    used, on_page = uses_of_package(), listed()
    unlisted = [f"ecommerce_platform/{file}:{used[file, name]}: {name}" for file, name in sorted(used.keys() - on_page)]
    gone = [f"{file}: {name}" for file, name in sorted(on_page - used.keys())]
    assert not unlisted, f"use a public name, or list it in {PAGE.name} with the reason: {unlisted}"
    assert not gone, f"{PAGE.name} lists what is no longer used: take it out: {gone}"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from dagster._core.events import EngineEventData", "dagster._core.events.EngineEventData"),
        ("import dagster._core", "dagster._core"),
        ("def f(context):\n    return context._jvm", "_jvm"),
        ("def f(context):\n    return getattr(context, '_jvm')", "_jvm"),
        ("class Storage:\n    def f(self):\n        self._event_to_row()", "_event_to_row"),
        ("import fakesnow.macros\nfakesnow.macros.creation_sql = None", "fakesnow.macros.creation_sql"),
        ("from fakesnow.cursor import Cursor\npatched = Cursor\npatched.execute = None", "patched.execute"),
        ("import sys\nsys.modules['dbt'] = None", "sys.modules"),
        ("import dagster as dg\ndef f(job: dg.NoSuchName): ...", "dg.NoSuchName"),
        ("import os\nos._exit(1)", None),
        ("import sys\nmodule = sys.modules[__name__]", None),
        ("import dagster as dg\ndg.AssetKey", None),
        ("class Own:\n    def f(self):\n        self._own = 1\n\ndef g(own):\n    return own._own", None),
    ],
)
def test_each_kind_of_use_is_found(source: str, name: str | None) -> None:
    tree = ast.parse(source)
    assert [used for _, used in uses(tree, own_names(tree))] == ([name] if name else [])


@pytest.mark.parametrize(
    "path", sorted({name for _, name in uses_of_package() if name.count(".") > 1 and "._" in name})
)
def test_a_private_name_has_no_public_place_yet(path: str) -> None:
    module, _, name = path.rpartition(".")
    package = importlib.import_module(path.partition(".")[0])
    private = getattr(importlib.import_module(module), name)
    public = [key for key in dir(package) if not key.startswith("_") and getattr(package, key) is private]
    assert not public, f"{path} can go: use {package.__name__}.{public[0]}"


@pytest.mark.parametrize(("name", "release"), [row for row in rows(PAGE.read_text()) if not row[0].endswith(".py")])
def test_the_page_was_read_against_what_is_installed(name: str, release: list[str]) -> None:
    assert f"{version(name)}.".startswith(f"{release[0]}."), (
        f"{name} is {version(name)}, {PAGE.name} was read against {release[0]}: see which rows can go, then set the release"
    )


def source_of(module: str) -> ast.Module:
    """A module's source, not imported: that would import what this is about."""
    package, _, name = module.partition(".")
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return ast.parse((Path(spec.submodule_search_locations[0]) / f"{name}.py").read_text())


@pytest.mark.parametrize(
    ("module", "imported", "light"),
    [
        ("dagster_dbt.compat", "dbt", "dagster_dbt_light.py"),
        ("dagster_snowflake.resources", "snowflake", "dagster_snowflake_light.py"),
    ],
)
def test_the_libraries_still_import_what_we_keep_out(module: str, imported: str, light: str) -> None:
    statements = [
        inner
        for node in source_of(module).body
        for inner in (node.body if isinstance(node, ast.Try) else [node])
        if isinstance(inner, ast.ImportFrom)
    ]
    assert any(str(node.module).partition(".")[0] == imported for node in statements), f"{light} can go"


def _resumes() -> bool:
    from dagster._core.executor import in_process

    return "resume_from_failure" in inspect.getsource(in_process)


def _sqlite_batches() -> bool:
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.event_log.base import EventLogStorage

    return SqliteEventLogStorage.store_event_batch is not EventLogStorage.store_event_batch


def _first_use_is_safe() -> bool:
    from dagster._core.storage.runs import SqliteRunStorage

    return "already exists" in inspect.getsource(SqliteRunStorage)


def _metadata_of_many_days() -> bool:
    method = inspect.signature(dagster.AssetExecutionContext.add_asset_metadata)
    return list(method.parameters) != ["self", "metadata", "asset_key", "partition_key"]


def _context_is_public() -> bool:
    from pyspark import SparkContext

    return any(hasattr(SparkContext, name) for name in ("getActive", "gateway", "jvm"))


def _py4j_closes() -> bool:
    from py4j.clientserver import ClientServerConnection

    source = inspect.getsource(inspect.getmodule(ClientServerConnection).ClientServerConnection)  # type: ignore[union-attr]
    return "BaseException" in source or "KeyboardInterrupt" in source


def _closes_without_logout() -> bool:
    from snowflake.connector import SnowflakeConnection

    return list(inspect.signature(SnowflakeConnection.close).parameters) != ["self", "retry"]


@pytest.mark.parametrize(
    ("what", "has_come"),
    [
        ("resuming.py", _resumes),
        ("event_log.py", _sqlite_batches),
        ("first_use.py", _first_use_is_safe),
        ("add_days_metadata of partitions.py", _metadata_of_many_days),
        ("the private names of session.py, interrupts.py and archive_classes.py", _context_is_public),
        ("drop_interrupted_connections of interrupts.py", _py4j_closes),
        ("_give_up of answers.py", _closes_without_logout),
    ],
)
def test_what_we_wait_for_has_not_come(what: str, has_come: Any) -> None:
    assert not has_come(), f"{what} may go: see docs/{PAGE.name}"
