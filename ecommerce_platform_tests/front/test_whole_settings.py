"""Functions take a catalog, a connection, a table or a section: which ones of a room take the whole settings, and why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "ecommerce_platform"
ROOMS = ("erasure", "reconciliation", "transformation", "spark", "operations")
EVERY_PLACE = "an erasure reaches every place that the settings name"
DECLARES = "declares what the settings say for Dagster"
BINDS = "binds the settings to a resource of Dagster"
EVERY_SYSTEM = "looks at every system of the installation"
OPENS = "an account where the settings name one, else the stand-in of the data folder"
HANDS_ON = "hands the installation to another process, which reads all of it"
RUNS_DBT = "dbt's environment says connection, names, thresholds and months"

#: By module, the functions and classes that take the whole settings, and the reason.
TAKE_SETTINGS = {
    "erasure.erase": ("Request _parts plan", EVERY_PLACE),
    "erasure.landing_files": ("rewrite_files renamed_contents _with_contents", EVERY_PLACE),
    "erasure.plan": ("subject_of make_plan plan_files _served lake_changes", EVERY_PLACE),
    "erasure.warehouse": ("erase", "it loads and runs dbt"),
    "operations.automation": ("build_automation", DECLARES),
    "operations.backfill.days": ("read_stage_records", EVERY_SYSTEM),
    "operations.backfill.launch": ("Backfills", EVERY_SYSTEM),
    "operations.doctor": (
        "examine _run _secrets _java _jars _landing _catalog _snowflake _clickhouse _dbt",
        EVERY_SYSTEM,
    ),
    "operations.exporter.tables": ("read_platform _tables _load", EVERY_SYSTEM),
    "operations.jobs": ("daily_batch_job", DECLARES),
    "operations.maintenance": ("maintenance_job", DECLARES),
    "operations.notifications.sensor": ("build_sensor LateDay.of", DECLARES),
    "operations.reconverge": ("recheck_job build_sensor", DECLARES),
    "operations.retention": ("apply_retention", "every place has a retention of its own"),
    "operations.schedules": ("daily_batch_schedule", DECLARES),
    "reconciliation.assets": ("build_assets", DECLARES),
    "reconciliation.command": (
        "opened reconcile_days explain_order plan write_reports compare_tables",
        "a command opens both layers",
    ),
    "reconciliation.layers.clickhouse": ("connect speed_table", OPENS),
    "reconciliation.record.storage": ("open_store", OPENS),
    "reconciliation.resource": ("ReconciliationResource ReconciliationResource.of build_resources", BINDS),
    "spark.launchers.choose": ("build_step_launcher", HANDS_ON),
    "spark.launchers.kubernetes.on_kubernetes": ("KubernetesLauncher.__init__ _Launched.__init__", HANDS_ON),
    "spark.launchers.local_submit": ("LocalSubmitLauncher.__init__", HANDS_ON),
    "spark.options": ("SparkApplication.of", "makes the value that the room hands on"),
    "spark.resource": ("SparkResource SparkResource.of build_resources", BINDS),
    "spark.session": ("build_session", "a session reaches the lake, the landing zone and the scratch folder"),
    "transformation.assets": ("build_assets", DECLARES),
    "transformation.builds.rebuild": ("rebuild_models", RUNS_DBT),
    "transformation.builds.runner": ("dbt_run run_dbt", RUNS_DBT),
    "transformation.checks": ("build_checks", DECLARES),
    "transformation.project.by_hand": ("run_by_hand", RUNS_DBT),
    "transformation.project.manifest": ("DbtProject.of", "makes the value that the room hands on"),
    "transformation.project.profile": ("profile_environment", RUNS_DBT),
    "transformation.resource": ("DbtResource DbtResource.of build_resources", BINDS),
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
