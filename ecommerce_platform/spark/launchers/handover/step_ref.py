"""A step's reference as JSON: what another process needs to run exactly this step of this run.

What belongs here: writing and reading the reference, its digest, and which job it may name. What does not: where it is kept
(scratch.py).

The reference lies where others may be able to write, so nothing in it says which code runs. The launcher hands the digest of
what it wrote to the step's process by another way (its arguments), and that process reads nothing whose digest differs. The job
comes from the code location of the settings, by its name.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
from collections.abc import Iterable
from typing import Any

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster_shared.record import copy


class StepNotPortableError(RuntimeError):
    """The step's job is not one that another process can load: it must come from the code location of the settings."""


class ForeignStepError(RuntimeError):
    """The reference is not the one that was launched."""


def digest(content: bytes) -> str:
    """SHA-256 of a reference, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def encode_step(context: dg.StepExecutionContext, code_location: str) -> bytes:
    """The reference of the step. `code_location` is `module:attribute`.

    Raises StepNotPortableError for a job that does not come from there: the other process would run another one.
    """
    job = context.job
    if not isinstance(job, ReconstructableJob):
        raise StepNotPortableError(
            f"step {context.step.key} cannot run in another process: its job was made in this one; "
            "load it from a code location (dg launch, dg dev), or set ECOMMERCE_SPARK__LAUNCHER=local"
        )
    pointer = job.repository.pointer
    origin = f"{pointer.module}:{pointer.fn_name}" if isinstance(pointer, ModuleCodePointer) else pointer.describe()
    if origin != code_location:
        raise StepNotPortableError(
            f"step {context.step.key} cannot run in another process: its job comes from {origin}, and such a process loads "
            f"{code_location}; set ECOMMERCE_SPARK__CODE_LOCATION=<module>:<attribute> where this runs and where the step "
            "does, or set ECOMMERCE_SPARK__LAUNCHER=local"
        )
    document = {
        # Where the run's code came from is nothing that its reader may follow.
        "run": dg.serialize_value(copy(context.dagster_run, job_code_origin=None, remote_job_origin=None)),
        "job_name": job.job_name,
        "op_selection": sorted(job.op_selection) if job.op_selection else None,
        "asset_selection": _written(job.asset_selection),
        "asset_check_selection": _written(job.asset_check_selection),
        "step_key": context.step.key,
        "retry_mode": dg.serialize_value(context.retry_mode),
        "known_state": dg.serialize_value(context.get_known_state()),
        "run_config": context.run_config,
    }
    return json.dumps(document, sort_keys=True).encode()


def decode_step(content: bytes, expected: str, code_location: str) -> dg.StepRunRef:
    """The step whose reference `encode_step` wrote, as a step of a job of `code_location`.

    Raises ForeignStepError, before anything of it is read, for content whose digest is not `expected`.
    """
    if not hmac.compare_digest(digest(content), expected):
        raise ForeignStepError(
            f"its digest is {digest(content)}, and the step that was launched has {expected}: somebody else has written it"
        )
    document = json.loads(content)
    module, _, attribute = code_location.partition(":")
    # Dagster takes the first entry off sys.path while it imports: a script's own folder, which this process has not
    # (remote_main.py), and therefore the place of the code location. What is imported already is not looked for.
    importlib.import_module(module)
    run = dg.deserialize_value(document["run"], dg.DagsterRun)
    # Of types that Dagster does not export; StepRunRef refuses others.
    retry_mode: Any = dg.deserialize_value(document["retry_mode"])
    known_state: Any = dg.deserialize_value(document["known_state"])
    return dg.StepRunRef(
        run_config=document["run_config"],
        dagster_run=run,
        run_id=run.run_id,
        retry_mode=retry_mode,
        step_key=document["step_key"],
        recon_job=ReconstructableJob(
            repository=ReconstructableRepository.for_module(module, attribute),
            job_name=document["job_name"],
            op_selection=document["op_selection"],
            asset_selection=_read(document["asset_selection"], dg.AssetKey),
            asset_check_selection=_read(document["asset_check_selection"], dg.AssetCheckKey),
        ),
        known_state=known_state,
    )


def _written(keys: Iterable[dg.AssetKey | dg.AssetCheckKey] | None) -> list[str] | None:
    return sorted(dg.serialize_value(key) for key in keys) if keys is not None else None


def _read(keys: list[str] | None, kind: type) -> frozenset | None:
    return frozenset(dg.deserialize_value(key, kind) for key in keys) if keys is not None else None
