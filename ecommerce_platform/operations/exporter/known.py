"""What the code location declares, for series that exist before anything has happened to them: models, jobs, checks."""

from __future__ import annotations

import dagster as dg

from ecommerce_platform.operations.exporter.state import Known, Model

#: The job of what people materialize in the UI, and of backfills.
BY_HAND = "__ASSET_JOB"


def known(models: tuple[Model, ...], definitions: dg.Definitions) -> Known:
    """The names in these definitions, and the models."""
    repository = definitions.get_repository_def()
    checks = repository.asset_graph.asset_check_keys
    return Known(
        models=models,
        jobs=tuple(sorted({*(job for job in repository.job_names if not job.startswith("__")), BY_HAND})),
        checks=tuple(sorted((check.asset_key.to_user_string(), check.name) for check in checks)),
    )
