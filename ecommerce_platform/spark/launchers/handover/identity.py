"""What a launched step is called: the same name and labels whoever computes them, so that it is found again.

What belongs here: names, labels, annotations. What does not: what is created under them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from dagster import StepExecutionContext

from ecommerce_platform.execution.unfinished_runs import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG

PREFIX = "ecommerce-platform"
RUN_LABEL = f"{PREFIX}/run-id"
STEP_LABEL = f"{PREFIX}/step"
ATTEMPT_LABEL = f"{PREFIX}/attempt"
PARTITIONS_LABEL = f"{PREFIX}/partitions"
ASSET_LABEL = f"{PREFIX}/asset"
INSTANCE_LABEL = f"{PREFIX}/instance"
ROLE_LABEL = f"{PREFIX}/role"
ASSETS_ANNOTATION = f"{PREFIX}/assets"
SCRATCH_ANNOTATION = f"{PREFIX}/scratch"

_LABEL_LENGTH = 63
#: Leaves room for what Spark appends: `-driver-svc`, `-exec-100`.
_NAME_LENGTH = 45


@dataclass(frozen=True)
class StepIdentity:
    """A step of a run, at one attempt."""

    run_id: str
    step: str
    attempt: int
    partitions: str
    assets: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its application: letters, digits and dashes, at most 45."""
        whole = "|".join((self.run_id, self.step, str(self.attempt), self.partitions))
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        head = f"spark-{self.run_id[:8]}-{_slug(self.step)}"
        tail = f"-{self.attempt}-{digest}"
        return head[: _NAME_LENGTH - len(tail)].rstrip("-") + tail

    @property
    def folder(self) -> str:
        """Its folder in the scratch location, relative to it; each submission has one of its own in there."""
        return f"steps/{self.run_id}/{_slug(self.step)}-{self.attempt}"

    def owns(self, scratch_uri: str, base_uri: str) -> bool:
        """Whether a folder is one of a submission of this step, in this scratch location."""
        name = scratch_uri.removeprefix(f"{base_uri}/{self.folder}-")
        return name != scratch_uri and re.fullmatch(r"[0-9a-f]{8}", name) is not None

    def labels(self, instance: str) -> dict[str, str]:
        """Labels of everything that is created for it, in the alphabet of label values."""
        return {
            "app.kubernetes.io/managed-by": PREFIX,
            INSTANCE_LABEL: _label(instance),
            RUN_LABEL: _label(self.run_id),
            STEP_LABEL: _label(self.step),
            ATTEMPT_LABEL: str(self.attempt),
            PARTITIONS_LABEL: _label(self.partitions),
            ASSET_LABEL: _label(self.assets[0] if self.assets else self.step),
        }

    def annotations(self, scratch_uri: str) -> dict[str, str]:
        """What does not fit a label."""
        return {ASSETS_ANNOTATION: ",".join(self.assets), SCRATCH_ANNOTATION: scratch_uri}


def identify(context: StepExecutionContext) -> StepIdentity:
    """The identity of the step that is about to run."""
    tags = context.dagster_run.tags
    first, last = tags.get(RANGE_START_TAG), tags.get(RANGE_END_TAG)
    partitions = f"{first}_{last}" if first and last else tags.get(PARTITION_TAG, "")
    definition = context.job_def.asset_layer.get_assets_def_for_node(context.node_handle)
    keys = {*definition.keys, *(check.asset_key for check in definition.check_keys)} if definition else set()
    assets = sorted(key.to_user_string() for key in keys)
    return StepIdentity(
        run_id=context.run_id,
        step=context.step.key,
        attempt=context.previous_attempt_count + 1,
        partitions=partitions,
        assets=tuple(assets),
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:_LABEL_LENGTH].strip("_.-")
