"""dbt as a Dagster resource.

What belongs here: handing out runs of dbt. What does not: how one runs (runner.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from ecommerce_platform.execution.settings_resource import SettingsResource
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRun, dbt_run
from ecommerce_platform.warehouse.schema.lease import Lease


class DbtResource(SettingsResource):
    """Runs of the project's dbt."""

    def run(self, request: DbtRequest, run_id: str, lease: Lease) -> AbstractContextManager[DbtRun]:
        """A run of dbt in this process under the lease of the models. See `dbt_run`."""
        return dbt_run(self.settings, request, run_id, lease)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource `dbt`."""
    return {"dbt": DbtResource.of(settings)}
