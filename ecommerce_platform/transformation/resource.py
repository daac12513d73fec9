"""dbt as a Dagster resource.

What belongs here: handing out runs of dbt. What does not: how one runs (runner.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

import dagster as dg

from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRun, dbt_run
from ecommerce_platform.warehouse.schema.lease import Lease


class DbtResource(dg.ConfigurableResource[None]):
    """Runs of the project's dbt. Without `of(settings)` the settings are those of the environment of the step's process."""

    # On the class, because Dagster recreates the instance for each run from its public fields, and because the settings hold
    # secrets, which must not become run configuration.
    _settings: ClassVar[Settings | None] = None

    @classmethod
    def of(cls, settings: Settings) -> DbtResource:
        """The resource for these settings."""
        bound = type("DbtResource", (cls,), {"_settings": settings, "__module__": cls.__module__})
        return bound()

    @property
    def settings(self) -> Settings:
        return type(self)._settings or load_settings()

    def run(self, request: DbtRequest, run_id: str, lease: Lease) -> AbstractContextManager[DbtRun]:
        """A run of dbt in this process under the lease of the models. See `dbt_run`."""
        return dbt_run(self.settings, request, run_id, lease)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource `dbt`."""
    return {"dbt": DbtResource.of(settings)}
