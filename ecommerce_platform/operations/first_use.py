"""Dagster's storages of one machine, each made by one process while the others wait.

What belongs here: the lock around the first use. What does not: how they store (Dagster's own; event_log.py).

Dagster makes the tables of a new DAGSTER_HOME when it first opens it, and two processes that do so at once make them both: the
slower one ends with "table snapshots already exists". In dagster.yaml:

    run_storage:
      module: ecommerce_platform.operations.first_use
      class: RunStorage
    schedule_storage:
      module: ecommerce_platform.operations.first_use
      class: ScheduleStorage

Files, tables and rows are Dagster's, so that both sections can be put in and taken out at any time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import Field, StringSource
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage

_LOCK = ".first-use.lock"
_BASE_DIR = {"base_dir": Field(StringSource, is_required=False)}


@contextmanager
def one_at_a_time(folder: str | Path) -> Iterator[None]:
    """Be the only process of this machine that opens what lies in `folder`; made when it is missing. The lock ends with the
    process that holds it, however that ends."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def storage_folder(section: str, config: Mapping[str, str], *below_home: str) -> str:
    """The folder of a storage: `base_dir` of its configuration, else where Dagster itself has it in DAGSTER_HOME."""
    folder, home = config.get("base_dir"), os.environ.get("DAGSTER_HOME")
    if not folder and not home:
        raise ValueError(
            f"dagster.yaml, {section}: nothing says where its files are; set DAGSTER_HOME to the folder of that dagster.yaml, or "
            "name a folder as config, base_dir"
        )
    return folder or str(Path(home or "").joinpath(*below_home))


class RunStorage(SqliteRunStorage):
    """Dagster's runs. Without `base_dir` they are where Dagster itself has them: history in DAGSTER_HOME."""

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        return _BASE_DIR

    @classmethod
    def from_config_value(  # type: ignore[override]  # base_dir may be left out
        cls, inst_data: Any, config_value: Mapping[str, str]
    ) -> SqliteRunStorage:
        folder = storage_folder("run_storage", config_value, "history")
        with one_at_a_time(folder):
            return cls.from_local(folder, inst_data)


class ScheduleStorage(SqliteScheduleStorage):
    """Dagster's ticks. Without `base_dir` they are where Dagster itself has them: schedules in DAGSTER_HOME."""

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        return _BASE_DIR

    @classmethod
    def from_config_value(  # type: ignore[override]  # base_dir may be left out
        cls, inst_data: Any, config_value: Mapping[str, str]
    ) -> SqliteScheduleStorage:
        folder = storage_folder("schedule_storage", config_value, "schedules")
        with one_at_a_time(folder):
            return cls.from_local(folder, inst_data)


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, whatever its dagster.yaml names: opened under a lock, used without.

    A home that cannot be written to, such as a ConfigMap's, takes no lock: nothing is made in it.
    """
    home = os.environ.get("DAGSTER_HOME")
    if not home or (Path(home).is_dir() and not os.access(home, os.W_OK)):
        instance: Any = dg.DagsterInstance.get()  # without a home it raises with Dagster's words on what to set
    else:
        with one_at_a_time(home):
            instance = dg.DagsterInstance.get()
    with instance:
        yield instance
