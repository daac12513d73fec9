"""What resources that open systems share: the settings of whoever made them, or of the process that runs the step.

What belongs here: how a resource keeps the settings. What does not: what it opens with them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import dagster as dg

from ecommerce_platform.settings import Settings, load_settings


class SettingsResource(dg.ConfigurableResource[None]):
    """A resource of an installation. Without `of(settings)` the settings are those of the environment of the step's process."""

    # On the class, because Dagster recreates the instance for each run from its public fields, and because the settings hold
    # secrets, which must not become run configuration.
    _settings: ClassVar[Settings | None] = None

    @classmethod
    def of(cls, settings: Settings, **fields: Any) -> Self:
        """The resource for these settings; `fields` are its public ones."""
        bound = type(cls.__name__, (cls,), {"_settings": settings, "__module__": cls.__module__})
        return bound(**fields)

    @property
    def settings(self) -> Settings:
        return type(self)._settings or load_settings()
