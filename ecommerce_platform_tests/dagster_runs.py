"""Runs that are in a status and execute nothing, as a daemon leaves them in Dagster's storage."""

from __future__ import annotations

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin


def a_job(name: str = "daily_batch") -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name=name, partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_offset=1))
    def job() -> None:
        nothing()

    return job


def a_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, job: str = "daily_batch", **tags: str
) -> dg.DagsterRun:
    """A run of the job in this status. A tag's name has `__` for a slash."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="somewhere"), location_name="shop")
    return instance.create_run_for_job(
        a_job(job),
        status=status,
        tags={name.replace("__", "/"): value for name, value in tags.items()},
        # What is queued has to say where its job is.
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "shop"), job),
        job_code_origin=None,
    )
