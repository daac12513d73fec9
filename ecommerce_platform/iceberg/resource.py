"""The lake as a Dagster resource.

What belongs here: its name and type for steps. What does not: what it is (lake.py).
"""

from __future__ import annotations

from typing import TypeAlias

import dagster as dg

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import Settings

RESOURCE = "lake"
#: The type of a step's parameter `lake`.
StepLake: TypeAlias = dg.ResourceParam[Lake]


def build_resources(settings: Settings) -> dict[str, object]:
    """The lake, under the name that steps and checks ask for."""
    return {RESOURCE: Lake.of(settings)}
