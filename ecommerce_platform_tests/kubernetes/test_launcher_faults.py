"""Whatever goes wrong on a cluster: no step that failed is called a success, none leaves anything behind, each says why.

By spark-submit, on the test node. What a running Spark operator does to a SparkApplication is not covered: none runs there
(test_launcher_application.py shows that the API server takes, shows and deletes one).
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform_tests.kubernetes.cluster import PROJECT, command, kubectl, until
from ecommerce_platform_tests.kubernetes.launcher_lab import (
    NAMESPACE,
    Lab,
    kubeconfig_of,
    lab_in,
    pods,
    reason_of,
    waits_for_us,
)
from ecommerce_platform_tests.resumable_launcher import RESUMABLE

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("launcher_namespace")]

PREFIX = "ECOMMERCE_SPARK__KUBERNETES__"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, monkeypatch, overrides=RESUMABLE) as lab:
        yield lab


def test_a_driver_that_is_deleted_from_outside_fails_the_step(lab: Lab) -> None:
    run = lab.begin("waits")
    waits_for_us(lab, run)
    (driver,) = pods("driver")
    kubectl("-n", NAMESPACE, "delete", "pod", driver["metadata"]["name"], "--grace-period=1")
    assert "was deleted from outside" in reason_of(run.result(400), "waits")


def test_a_run_whose_worker_was_killed_finds_its_driver_again(lab: Lab) -> None:
    worker, run_id = lab.worker("waits")
    waits_for_us(lab, worker)
    before = [pod["metadata"]["uid"] for pod in pods("driver")]
    worker.send_signal(signal.SIGKILL)
    worker.wait(30)
    lab.allow()
    lab.resume(run_id)
    run = lab.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert lab.logged("is on the cluster already: watching it again")
    assert len(before) == 1
    assert len(lab.logged("submitted spark-")) == 1, "one driver, found again"
    stored = [entry for entry in lab.instance.all_logs(run_id) if entry.user_message == "waiting"]
    assert len(stored) == 1, "what the first worker had stored is not stored again"


def test_a_run_that_is_terminated_takes_its_driver_along(lab: Lab) -> None:
    worker, run_id = lab.worker("waits")
    waits_for_us(lab, worker)
    run = lab.instance.get_run_by_id(run_id)
    assert run is not None
    # What the UI's button does: the run is marked, then its worker is asked to go.
    lab.instance.report_run_canceling(run)
    worker.send_signal(signal.SIGTERM)
    worker.wait(200)
    until("the driver is gone", lambda: not pods("driver"), 200)
    ended = lab.instance.get_run_by_id(run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.CANCELED


def test_a_worker_that_is_asked_to_go_leaves_its_driver_to_the_next_one(lab: Lab) -> None:
    worker, run_id = lab.worker("waits")
    waits_for_us(lab, worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(200) == 143
    assert pods("driver", "Running")
    lab.allow()
    lab.resume(run_id)
    run = lab.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert len(lab.logged("submitted spark-")) == 1


def test_a_worker_in_the_middle_of_a_spark_job_ends_in_time_with_its_pods_and_files(lab: Lab) -> None:
    worker, run_id = lab.worker("counts_on_executors")
    until("the executors are at work", lambda: pods("executor", "Running"), 400)
    run = lab.instance.get_run_by_id(run_id)
    assert run is not None
    lab.instance.report_run_canceling(run)
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert time.monotonic() - began < 25, "Kubernetes kills a pod after 30"
    until("driver and executors are gone", lambda: not pods("driver") and not pods("executor"), 60)
    assert not [path for path in (lab.folder / "data" / "scratch").rglob("*") if path.is_file()]
    lab.allow()
    assert lab.run("counts_on_executors").success


def test_a_driver_pod_that_is_asked_to_go_in_the_middle_of_a_job_is_gone_in_time(lab: Lab) -> None:
    run = lab.begin("counts_on_executors")
    until("the executors are at work", lambda: pods("executor", "Running"), 400)
    (driver,) = pods("driver")
    began = time.monotonic()
    kubectl("-n", NAMESPACE, "delete", "pod", driver["metadata"]["name"], "--grace-period=30", "--wait=true")
    assert time.monotonic() - began < 25
    assert "was deleted from outside" in reason_of(run.result(400), "counts_on_executors")


def test_a_driver_that_no_node_can_hold_is_given_up_with_what_is_lacking(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__RESOURCES__DRIVER_CPU_REQUEST", "64")
    monkeypatch.setenv("ECOMMERCE_SPARK__RESOURCES__DRIVER_CPU_LIMIT", "64")
    monkeypatch.setenv(f"{PREFIX}PENDING_SECONDS", "15")
    reason = reason_of(lab.run("waits"), "waits")
    assert "did not start within 15 s: unschedulable, not enough cpu" in reason


def test_an_image_that_is_not_there_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}IMAGE", "localhost/no-such-image:1")
    monkeypatch.setenv(f"{PREFIX}IMAGE_PULL_POLICY", "Never")
    reason = reason_of(lab.run("waits"), "waits")
    assert "its image cannot be pulled (ErrImageNeverPull)" in reason
    assert "no-such-image" in reason


def test_a_driver_without_enough_memory_says_so(lab: Lab) -> None:
    reason = reason_of(lab.run("eats_memory"), "eats_memory")
    assert "OOMKilled" in reason or "SIGKILL" in reason


def test_a_step_over_its_time_limit_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}RUNNING_SECONDS", "20")
    assert "it ran longer than 20 s" in reason_of(lab.run("waits"), "waits")


def test_a_scratch_location_that_the_driver_cannot_write_to_fails_the_step(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = os.environ[f"{PREFIX}VOLUME_MOUNTS"].replace(
        f'"mountPath": "{lab.folder}"', f'"mountPath": "{lab.folder}", "readOnly": true'
    )
    monkeypatch.setenv(f"{PREFIX}VOLUME_MOUNTS", mounts)
    reason = reason_of(lab.run("raises"), "raises")
    assert "cannot write" in reason
    assert "Read-only file system" in reason


def test_a_scratch_location_that_the_launcher_cannot_write_to_fails_the_step(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.folder / "a file").touch()
    monkeypatch.setenv("ECOMMERCE_SCRATCH_URI", str(lab.folder / "a file"))
    reason = reason_of(lab.run("waits"), "waits")
    assert "could not be submitted: cannot write" in reason


def test_a_launcher_without_rights_says_who_refused_what(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"{PREFIX}KUBECONFIG", str(kubeconfig_of("nobody", tmp_path)))
    reason = reason_of(lab.run("waits"), "waits")
    assert "refused by the cluster's access rules (RBAC)" in reason
    assert "system:serviceaccount:launcher-tests:nobody" in reason


def test_a_missing_operator_is_named_with_the_way_round_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}SUBMITTER", "spark-application")
    reason = reason_of(lab.run("waits"), "waits")
    assert "the Spark operator is not installed" in reason
    assert "SUBMITTER=spark-submit" in reason


def test_orphans_of_finished_runs_are_swept(lab: Lab) -> None:
    worker, run_id = lab.worker("waits")
    waits_for_us(lab, worker)
    worker.send_signal(signal.SIGKILL)
    worker.wait(30)
    run = lab.instance.get_run_by_id(run_id)
    assert run is not None
    home = [f"DAGSTER_HOME={lab.folder}", f"PYTHONPATH={PROJECT}"]
    sweep = ["env", *home, str(PROJECT / ".venv/bin/ecommerce-platform"), "spark", "sweep"]
    assert pods("driver", "Running"), "an orphan"
    command(*sweep)
    assert pods("driver", "Running"), "its run is not over: it may be resumed"
    lab.instance.report_run_failed(run)
    command(*sweep)
    until("the orphan is gone", lambda: not pods("driver"), 200)
    assert not list((lab.folder / "data" / "scratch" / "steps").iterdir())
