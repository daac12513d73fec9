"""A step's reference as JSON: what another process needs to run exactly this step of this run.

What belongs here: writing and reading the reference. What does not: where it is kept (scratch.py).
"""

from __future__ import annotations

import json

from dagster import DagsterRun
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.definitions.step_launcher import StepRunRef
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._serdes import deserialize_value, serialize_value


class StepNotPortableError(RuntimeError):
    """The step's job exists only in this process, so no other process can load it."""


def encode_step(context: StepExecutionContext) -> bytes:
    """The reference of the step. Raises StepNotPortableError for a job that was not loaded from a module or file."""
    job = context.job
    if not isinstance(job, ReconstructableJob):
        raise StepNotPortableError(
            f"step {context.step.key} cannot run in another process: its job was made in this one; "
            "load it from a code location (dagster asset materialize -m …), or set ECOMMERCE_SPARK__LAUNCHER=local"
        )
    document = {
        "run": serialize_value(context.dagster_run),
        "job": serialize_value(job),
        "step_key": context.step.key,
        "retry_mode": context.retry_mode.value,
        "known_state": serialize_value(context.get_known_state()),
        "run_config": context.run_config,
    }
    return json.dumps(document).encode()


def decode_step(content: bytes) -> StepRunRef:
    """The reference that `encode_step` wrote."""
    document = json.loads(content)
    run = deserialize_value(document["run"], DagsterRun)
    return StepRunRef(
        run_config=document["run_config"],
        dagster_run=run,
        run_id=run.run_id,
        retry_mode=RetryMode(document["retry_mode"]),
        step_key=document["step_key"],
        recon_job=deserialize_value(document["job"], ReconstructableJob),
        known_state=deserialize_value(document["known_state"], KnownExecutionState),
    )
