"""A run launcher for tests of what is launched: the run counts as done the moment it is launched; nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import DagsterEvent, DagsterEventType
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._serdes import ConfigurableClass, ConfigurableClassData


class InstantRunLauncher(RunLauncher, ConfigurableClass):  # type: ignore[type-arg]
    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> InstantRunLauncher:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        done = DagsterEvent(event_type_value=DagsterEventType.RUN_SUCCESS.value, job_name=run.job_name)
        self._instance.report_dagster_event(done, run_id=run.run_id)

    def terminate(self, run_id: str) -> bool:
        return False
