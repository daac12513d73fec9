"""dbt as people run it themselves: the platform's connection, variables and folders, dbt's own commands and words.

What belongs here: what dbt is given. What does not: dbt inside a run (runner.py); builds exclude each other by the project's own
hooks (macros/build_lease.sql), whoever starts them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import uuid4

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.project.manifest import DbtProject, rendered_project
from ecommerce_platform.transformation.project.profile import (
    environment,
    lease_environment,
    profile_environment,
    restatement_environment,
)

#: Beside what the platform keeps: a run in progress and dbt by hand never share a file.
FOLDER = "by-hand"
_WITHOUT_VARIABLES = frozenset({"serve", "init", "clean", "debug"})
_FAILED, _UNUSABLE = 1, 2


def run_by_hand(settings: Settings, arguments: Sequence[str], sources_from: str | None = None) -> int:
    """Runs dbt with these arguments of its own command line; dbt's exit code: 1 when a node failed, 2 when dbt could not run.

    `sources_from` names the database whose RAW tables are read, where the models are built in another. Raises WarehouseError
    without credentials.
    """
    from dbt.cli.main import dbtRunner

    project = DbtProject.of(settings)
    target = str(project.target / FOLDER)
    folders = dict.fromkeys(("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"), str(rendered_project(project)))
    run_id = f"by-hand-{uuid4()}"
    variables = {
        **profile_environment(settings, run_id),
        **restatement_environment(settings.marts.month_closes_after_days, run_id, "dbt by hand"),
        **lease_environment(None),
        **folders,
        "DBT_TARGET_PATH": target,
        "DBT_LOG_PATH": target,
    }
    if sources_from:
        variables["ECOMMERCE_DBT_SOURCE_DATABASE"] = sources_from
    with environment(variables):
        outcome = dbtRunner().invoke([*arguments, *_variables(project, arguments)])
    if outcome.success:
        return 0
    return _UNUSABLE if outcome.exception is not None else _FAILED


def _variables(project: DbtProject, arguments: Sequence[str]) -> tuple[str, ...]:
    """What the platform hands to dbt, unless the caller gives variables, or the command takes none."""
    plain = [argument for argument in arguments if not argument.startswith("-")]
    if not plain or "--help" in arguments or "--vars" in arguments or _WITHOUT_VARIABLES & set(plain[:2]):
        return ()
    return ("--vars", json.dumps(project.variables, sort_keys=True))
