"""The landing zone as a Dagster resource.

What belongs here: its name and type for steps. What does not: listing it (files.py).
"""

from __future__ import annotations

from typing import TypeAlias

import dagster as dg

from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.settings import Settings

RESOURCE = "landing_zone"
#: The type of a step's parameter `landing_zone`.
StepLandingZone: TypeAlias = dg.ResourceParam[LandingZone]


def build_resources(settings: Settings) -> dict[str, object]:
    """The landing zone, under the name that steps and sensors ask for."""
    return {RESOURCE: LandingZone.of(settings)}
