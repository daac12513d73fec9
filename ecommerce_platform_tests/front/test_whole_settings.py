"""Functions take a catalog, a connection, a table or a section: which ones of a room take the whole settings, and why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "ecommerce_platform"
ROOMS = (
    *("iceberg", "lakehouse", "analytics", "erasure", "warehouse", "reconciliation", "transformation", "spark"),
    "operations",
)
DECLARED = "assets and checks are declared by them; what a step reaches comes as a resource"
MADE = "a value or a resource is made of them"
EVERY_PLACE = "an erasure reaches every place that they name, the warehouse and dbt among them"
BINDS = "binds the settings to a resource of Dagster"
EVERY_SYSTEM = "looks at every system of the installation"
OPENS = "an account where the settings name one, else the stand-in of the data folder"
HANDS_ON = "hands the installation to another process, which reads all of it"
RUNS_DBT = "dbt's environment says connection, names, thresholds and months"

#: By module, the functions and classes that take the whole settings, and the reason.
TAKE_SETTINGS = {
    "iceberg.catalog": ("needs_s3", "landing zone, scratch and lake may each lie in a store"),
    "iceberg.lake": ("Lake.of", MADE),
    "iceberg.resource": ("build_resources", MADE),
    "lakehouse.arrived.arrivals": ("Intake.of", MADE),
    "lakehouse.assets": ("build_assets", DECLARED),
    "lakehouse.checks": ("build_checks", DECLARED),
    "analytics.assets": ("build_assets", DECLARED),
    "erasure.erase": ("Request plan", EVERY_PLACE),
    "erasure.landing_files": (
        "rewrite_files",
        "the landing zone, the installation's own folder, and a promise of privacy",
    ),
    "erasure.plan": ("make_plan _served", EVERY_PLACE),
    "erasure.warehouse": ("erase", EVERY_PLACE),
    "operations.automation": ("build_automation", DECLARED),
    "operations.backfill.days": ("read_stage_records", EVERY_SYSTEM),
    "operations.backfill.launch": ("Backfills", EVERY_SYSTEM),
    "operations.doctor": (
        "examine _secrets _jars _landing _snowflake _clickhouse _dbt",
        EVERY_SYSTEM,
    ),
    "operations.exporter.tables": ("read_platform", EVERY_SYSTEM),
    "operations.jobs": ("daily_batch_job", DECLARED),
    "operations.maintenance": ("maintenance_job", DECLARED),
    "operations.notifications.sensor": (
        "build_sensor LateDay.of",
        "declared by them; a late day is asked of the warehouse",
    ),
    "operations.reconverge": ("build_sensor", DECLARED),
    "operations.retention": ("apply_retention", "every place has a retention of its own"),
    "operations.schedules": ("daily_batch_schedule", DECLARED),
    "reconciliation.command": (
        "opened reconcile_days compare_tables",
        "both layers are opened, each an account or the stand-in of the data folder",
    ),
    "reconciliation.layers.clickhouse": ("connect speed_table", OPENS),
    "reconciliation.record.storage": ("open_store", OPENS),
    "reconciliation.resource": ("build_resources", MADE),
    "spark.launchers.choose": ("build_step_launcher", HANDS_ON),
    "spark.launchers.kubernetes.on_kubernetes": ("KubernetesLauncher.__init__ _Launched.__init__", HANDS_ON),
    "spark.launchers.local_submit": ("LocalSubmitLauncher.__init__", HANDS_ON),
    "spark.options": ("SparkApplication.of", MADE),
    "spark.resource": ("SparkResource.of build_resources", MADE),
    "spark.session": ("build_session", "a session reaches the lake, the landing zone and the scratch folder"),
    "transformation.assets": ("build_assets", DECLARED),
    "transformation.builds.rebuild": ("rebuild_models", RUNS_DBT),
    "transformation.builds.runner": ("dbt_run run_dbt", RUNS_DBT),
    "transformation.project.by_hand": ("run_by_hand", RUNS_DBT),
    "transformation.project.manifest": ("DbtProject.of", MADE),
    "transformation.project.profile": ("profile_environment", RUNS_DBT),
    "warehouse.assets": ("build_assets _raw_tables _spark_tables", DECLARED),
    "warehouse.load.lake_files": ("LoadSource.of", MADE),
    "warehouse.resource": ("build_resources", MADE),
    "warehouse.schema.upgrade": ("initialise_account", OPENS),
    "warehouse.sql.connection": ("connection_arguments connect", OPENS),
    "transformation.resource": ("build_resources", MADE),
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
