"""Which launcher the settings choose, as the resource that steps with Spark ask for.

What belongs here: the choice. What does not: the launchers.
"""

from __future__ import annotations

from typing import TypeAlias

import dagster as dg

from ecommerce_platform.settings import Settings

#: A step that names this resource runs where the settings say. Nothing is ever called on it.
SparkSteps: TypeAlias = dg.ResourceParam[object]


class InProcess:
    """No launcher: the step runs in the Dagster process."""


def build_step_launcher(settings: Settings) -> object:
    """The launcher that `ECOMMERCE_SPARK__LAUNCHER` names."""
    if settings.spark.launcher == "local-submit":
        from ecommerce_platform.spark.launchers.local_submit import LocalSubmitLauncher

        return LocalSubmitLauncher(settings)
    if settings.spark.launcher == "kubernetes":
        from ecommerce_platform.spark.launchers.kubernetes.on_kubernetes import KubernetesLauncher

        return KubernetesLauncher(settings)
    return InProcess()
