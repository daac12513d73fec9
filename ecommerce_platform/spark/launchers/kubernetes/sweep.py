"""Orphans: what launched steps left on the cluster or in the scratch location although their run is over.

What belongs here: finding and removing them. What does not: the clean-up after a step, which every launcher does itself.

Only what belongs to a run that this Dagster instance knows to be over is removed: an unknown run may be another instance's.
"""

from __future__ import annotations

from dagster import DagsterInstance

from ecommerce_platform.settings import SparkSettings
from ecommerce_platform.spark.launchers.handover.identity import RUN_LABEL
from ecommerce_platform.spark.launchers.handover.scratch import Scratch
from ecommerce_platform.spark.launchers.kubernetes.cluster import Cluster
from ecommerce_platform.spark.launchers.kubernetes.submit import driver_name
from ecommerce_platform.spark.launchers.kubernetes.submitters import Submitter, build_submitter


def sweep_applications(submitter: Submitter, instance: DagsterInstance) -> list[str]:
    """Deletes the steps of runs that are over; their names. Raises what the cluster raises."""
    removed = []
    for application in submitter.all():
        if _is_over(instance, application.labels.get(RUN_LABEL, "")):
            name = application.name.removesuffix(driver_name(""))
            submitter.delete(name)
            removed.append(name)
    return removed


def sweep_scratch(scratch: Scratch, instance: DagsterInstance) -> list[str]:
    """Removes the scratch folders of runs that are over; their runs. Raises ScratchError."""
    steps = scratch.child("steps")
    over = [run for run in steps.names() if _is_over(instance, run)]
    for run in over:
        steps.child(run).remove()
    return over


def sweep(spark: SparkSettings, scratch: Scratch, instance: DagsterInstance) -> list[str]:
    """Removes all orphans; one line each."""
    lines = []
    if spark.launcher == "kubernetes":
        submitter = build_submitter(spark.kubernetes, Cluster(spark.kubernetes))
        lines += [f"removed {name} from the cluster" for name in sweep_applications(submitter, instance)]
    return lines + [f"removed the scratch files of run {run}" for run in sweep_scratch(scratch, instance)]


def _is_over(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id) if run_id else None
    return run is not None and run.is_finished
