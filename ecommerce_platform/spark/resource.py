"""Spark as a Dagster resource.

What belongs here: handing out the session. What does not: how it is built (session.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from dagster import InitResourceContext
from dagster_pyspark import LazyPySparkResource
from pydantic import Field
from pyspark.sql import SparkSession

from ecommerce_platform.execution.settings_resource import SettingsResource
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.engine import begin
from ecommerce_platform.spark.launchers.choose import build_step_launcher
from ecommerce_platform.spark.options import SparkApplication
from ecommerce_platform.spark.session import build_session


class SparkResource(SettingsResource, LazyPySparkResource):
    """Hands out the process's Spark session on first use, so that a step without Spark starts no JVM.

    `spark_config` adds Spark options to those of the settings.
    """

    spark_config: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, **spark_config: Any) -> Self:
        """The resource for these settings."""
        return super().of(settings, spark_config=spark_config)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Before the first step of a run: a server warms up while the steps before Spark's do their work."""
        begin(SparkApplication.of(self._all_settings()))

    @property
    def spark_session(self) -> SparkSession:
        """The session. Raises what `build_session` raises."""
        return self.session_for(lambda: None)

    def session_for(self, input_bytes: Callable[[], int | None]) -> SparkSession:
        """The session; `input_bytes` is asked how much the run reads when this is what starts it."""
        return build_session(self._all_settings(), input_bytes=input_bytes)

    def _all_settings(self) -> Settings:
        settings = self.settings
        if self.spark_config:
            spark = settings.spark.model_copy(update={"extra": settings.spark.extra | self.spark_config})
            settings = settings.model_copy(update={"spark": spark})
        return settings


def build_resources(settings: Settings) -> dict[str, object]:
    """Spark, and where its steps run, under the names that steps ask for."""
    return {"spark": SparkResource.of(settings), "spark_steps": build_step_launcher(settings)}
