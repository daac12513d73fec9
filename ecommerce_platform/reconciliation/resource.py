"""The two layers as a Dagster resource.

What belongs here: handing out connections. What does not: how they are made (clickhouse.py, warehouse/sql/connection.py) and what
is asked over them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from ecommerce_platform.execution.settings_resource import SettingsResource
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable, speed_table
from ecommerce_platform.reconciliation.record.storage import Store, open_store
from ecommerce_platform.settings import Settings

RESOURCE = "reconciliation"


class ReconciliationResource(SettingsResource):
    """Opens the speed layer and the room's tables for a step; both are closed when the step is done with them."""

    def store(self, run_id: str) -> AbstractContextManager[Store]:
        """The room's tables, created where they are missing."""
        return open_store(self.settings, run_id)

    def speed_table(self, run_id: str) -> AbstractContextManager[SpeedTable]:
        """The speed layer's order versions."""
        return speed_table(self.settings, run_id)


def build_resources(settings: Settings) -> dict[str, object]:
    """The room's resources by name."""
    return {RESOURCE: ReconciliationResource.of(settings)}
