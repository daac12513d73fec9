"""dbt as a Dagster resource.

What belongs here: handing out runs of dbt. What does not: how one runs (runner.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from dagster import InitResourceContext

from ecommerce_platform.execution.beforehand import import_beforehand
from ecommerce_platform.execution.settings_resource import SettingsResource
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRun, dbt_run
from ecommerce_platform.warehouse.schema.lease import Lease


class DbtResource(SettingsResource):
    """Runs of the project's dbt."""

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """dbt is imported while earlier steps run."""
        import_beforehand("dbt.cli.main", "dbt.adapters.snowflake", "google.protobuf.json_format")

    def run(self, request: DbtRequest, run_id: str, lease: Lease) -> AbstractContextManager[DbtRun]:
        """A run of dbt in this process under the lease of the models. See `dbt_run`."""
        return dbt_run(self.settings, request, run_id, lease)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource `dbt`."""
    return {"dbt": DbtResource.of(settings)}
