"""What somebody who can write the scratch location cannot do: choose what runs, or speak for another run, step or asset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.execution.plan.objects import StepSuccessData
from dagster._serdes import serialize_value

from ecommerce_platform.settings import PROJECT_DIR, S3Settings
from ecommerce_platform.spark.launchers.handover import remote_main
from ecommerce_platform.spark.launchers.handover.identity import StepIdentity
from ecommerce_platform.spark.launchers.handover.relay import Relay
from ecommerce_platform.spark.launchers.handover.scratch import (
    STEP_FILE,
    EventReader,
    EventWriter,
    ForeignEventError,
    Scratch,
)
from ecommerce_platform.spark.launchers.handover.step_ref import ForeignStepError, decode_step, digest

RUN, OTHER_RUN = "50dad2d5-4ccc-45ef-974a-0fdb405d7604", "b7e7c5ae-7d92-404a-88f5-7acc28a33f8a"
STEP = StepIdentity(RUN, "change_events", 1, "2026-01-01", ("iceberg/orders",))


def entry(
    kind: DagsterEventType | None = None, run: str = RUN, step: str | None = STEP.step, data: object = None
) -> dg.EventLogEntry:
    """An event as the step's process writes it."""
    event = None
    if kind:
        event = DagsterEvent(kind.value, "job", step_key=step, event_specific_data=data, message="")  # type: ignore[arg-type]
    return dg.EventLogEntry(
        error_info=None,
        level=20,
        user_message="a message",
        run_id=run,
        timestamp=1.0,
        step_key=step,
        job_name="job",
        dagster_event=event,
    )


def materialization(asset: str) -> object:
    from dagster._core.events import StepMaterializationData

    return StepMaterializationData(dg.AssetMaterialization(asset.split("/")))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as created:
        yield created


def forward(instance: dg.DagsterInstance, folder: Path, *entries: dg.EventLogEntry) -> list[DagsterEvent]:
    scratch = Scratch(str(folder), S3Settings())
    writer = EventWriter(scratch)
    for each in entries:
        writer.put(each)
    writer.close()
    return list(Relay(instance, EventReader(scratch), STEP).forward())


def test_events_of_the_launched_step_are_taken(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    own = materialization("iceberg/orders")
    taken = forward(instance, tmp_path / "s", entry(), entry(DagsterEventType.ASSET_MATERIALIZATION, data=own))
    assert [event.event_type for event in taken] == [DagsterEventType.ASSET_MATERIALIZATION]
    assert len(instance.all_logs(RUN)) == 2


@pytest.mark.parametrize(
    ("foreign", "words"),
    [
        (entry(run=OTHER_RUN), f"of run {OTHER_RUN}"),
        (entry(DagsterEventType.STEP_START, run=OTHER_RUN), f"of run {OTHER_RUN}"),
        (entry(step="dbt_models"), "of step dbt_models"),
        (entry(step=None), "of step None"),
        (entry(DagsterEventType.STEP_SUCCESS, step="dbt_models", data=StepSuccessData(1.0)), "of step dbt_models"),
        (entry(DagsterEventType.RUN_SUCCESS), "of the kind PIPELINE_SUCCESS"),
        (entry(DagsterEventType.RUN_FAILURE), "of the kind PIPELINE_FAILURE"),
        (entry(DagsterEventType.RUN_CANCELED), "of the kind PIPELINE_CANCELED"),
        (
            entry(DagsterEventType.ASSET_MATERIALIZATION, data=materialization("marts/daily_business_metrics")),
            "of asset marts/daily_business_metrics",
        ),
    ],
)
def test_events_of_others_are_not(
    instance: dg.DagsterInstance, tmp_path: Path, foreign: dg.EventLogEntry, words: str
) -> None:
    with pytest.raises(ForeignEventError, match=words):
        forward(instance, tmp_path / "s", foreign)
    assert not instance.all_logs(RUN)
    assert not instance.all_logs(OTHER_RUN)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no json", b'{"__class__": "DagsterRun"}', b"[1]"])
def test_what_is_no_event_is_named_by_its_file(tmp_path: Path, content: bytes) -> None:
    scratch = Scratch(str(tmp_path), S3Settings())
    scratch.write("events/00000001.jsonl", content)
    with pytest.raises(ForeignEventError, match=r"events/00000001\.jsonl holds something else"):
        EventReader(scratch).read_new()


def test_a_reference_with_another_digest_is_not_even_parsed() -> None:
    launched = json.dumps({"run": serialize_value(1)}).encode()
    with pytest.raises(ForeignStepError, match=digest(launched)):
        decode_step(b"neither JSON nor anything else", digest(launched), "ecommerce_platform.definitions:defs")


@pytest.mark.parametrize(
    ("uri", "owned"),
    [
        (f"s3://own/{STEP.folder}-0123abcd", True),
        (f"s3://own/{STEP.folder}-0123abcd/../../other", False),
        (f"s3://elsewhere/{STEP.folder}-0123abcd", False),
        (f"s3://own/steps/{OTHER_RUN}/change-events-1-0123abcd", False),
        ("s3://own", False),
    ],
)
def test_a_step_that_is_watched_again_has_its_events_where_it_was_launched(uri: str, owned: bool) -> None:
    assert STEP.owns(uri, "s3://own") is owned


OWN_LOCATION = """
from pathlib import Path
import dagster as dg

@dg.op
def leaves_a_mark():
    Path(__file__).with_name("mark").touch()

@dg.job
def own_job():
    leaves_a_mark()
"""
WRITES_THE_REFERENCE = """
import json, sys
import dagster as dg
from dagster._serdes import serialize_value
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
import own_location

with dg.DagsterInstance.ephemeral() as instance:
    run = instance.create_run_for_job(own_location.own_job)
document = {
    "run": serialize_value(run), "job_name": "own_job", "op_selection": None, "asset_selection": None,
    "asset_check_selection": None, "step_key": "leaves_a_mark", "retry_mode": serialize_value(RetryMode.DISABLED),
    "known_state": serialize_value(KnownExecutionState()), "run_config": {},
}
sys.stdout.write(json.dumps(document))
"""


def test_the_step_of_a_code_location_that_only_the_path_names_runs_in_a_plain_process(tmp_path: Path) -> None:
    location, scratch = tmp_path / "location", tmp_path / "scratch"
    location.mkdir()
    scratch.mkdir()
    (location / "own_location.py").write_text(OWN_LOCATION)
    environment = os.environ | {
        "PYTHONPATH": f"{location}{os.pathsep}{PROJECT_DIR}",
        "ECOMMERCE_SPARK__CODE_LOCATION": "own_location:own_job",
        "ECOMMERCE_DATA_DIR": str(tmp_path / "data"),
    }
    reference = subprocess.run(
        [sys.executable, "-c", WRITES_THE_REFERENCE], env=environment, capture_output=True, check=True
    ).stdout
    (scratch / STEP_FILE).write_bytes(reference)
    command = [sys.executable, remote_main.__file__, str(scratch), digest(reference)]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, (location / "mark").exists()) == (0, True), ended.stderr
