"""SparkApplications through a real API server with the custom resource defined from the operator's models.

No operator runs here: the test plays the part of it that a launcher sees, the object's status and the driver pod. What a running
operator does with the object is not covered.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.launchers.handover.identity import StepIdentity
from ecommerce_platform.spark.launchers.kubernetes.application import build_application
from ecommerce_platform.spark.launchers.kubernetes.pods import Submission, pod_template
from ecommerce_platform.spark.options import SparkApplication
from ecommerce_platform_tests.kubernetes.cluster import kubectl, objects, until
from ecommerce_platform_tests.kubernetes.launcher_lab import (
    NAMESPACE,
    Lab,
    lab_in,
    reason_of,
)
from ecommerce_platform_tests.kubernetes.spark_application_crd import spark_application_crd

pytestmark = pytest.mark.kubernetes

KIND = "sparkapplications.sparkoperator.k8s.io"


@pytest.fixture(scope="module", autouse=True)
def defined(launcher_namespace: None) -> Iterator[None]:
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(spark_application_crd()))
    kubectl("wait", "--for=condition=Established", f"crd/{KIND}", "--timeout=60s")
    yield
    kubectl("delete", "crd", KIND)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, monkeypatch, submitter="spark-application") as lab:
        yield lab
    until("the applications are gone", lambda: not applications(), 200)


def applications() -> list[dict[str, Any]]:
    return objects(KIND, "-n", NAMESPACE)


def set_state(application: dict[str, Any], state: str, error: str = "") -> None:
    """What an operator writes into the object's status."""
    status = {"applicationState": {"state": state, "errorMessage": error}, "driverInfo": {}}
    name = application["metadata"]["name"]
    patch = json.dumps({"status": status})
    kubectl("-n", NAMESPACE, "patch", KIND, name, "--subresource=status", "--type=merge", "-p", patch)


def create_driver(application: dict[str, Any]) -> None:
    """The driver pod that an operator makes of the object, but for Spark: the step itself is what counts here."""
    settings, spec, metadata = load_settings(), application["spec"], application["metadata"]
    identity = StepIdentity("", "", 1, "", ())
    pod = pod_template(Submission(identity, *spec["arguments"], "", SparkApplication.of(settings)), "driver")
    driver = spec["driver"]
    pod["metadata"] = {"name": f"{metadata['name']}-driver", "namespace": NAMESPACE, "labels": driver["labels"]}
    pod["spec"]["restartPolicy"] = "Never"
    pod["spec"]["containers"][0] |= {
        "image": spec["image"],
        "command": ["/opt/venv/bin/python", spec["mainApplicationFile"].removeprefix("local://"), *spec["arguments"]],
    }
    kubectl("create", "-f", "-", stdin=json.dumps(pod))


def test_an_application_is_taken_as_it_is_and_a_false_one_is_refused(lab: Lab) -> None:
    identity = StepIdentity("0a1b2c3d", "change_events", 1, "2026-01-01", ("iceberg/orders",))
    body = build_application(
        Submission(identity, "/scratch", "0" * 64, "local:///x.py", SparkApplication.of(load_settings()))
    )
    kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(body))
    body["spec"]["driver"]["cores"] = "many"
    with pytest.raises(AssertionError, match="cores"):
        kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))


def test_an_application_is_created_watched_and_deleted(lab: Lab) -> None:
    run = lab.begin("counts_nothing")
    (application,) = until("the application", lambda: applications() or run.done())
    labels = application["metadata"]["labels"]
    assert labels["ecommerce-platform/step"] == "counts_nothing"
    assert labels["ecommerce-platform/attempt"] == "1"
    set_state(application, "SUBMITTED")
    create_driver(application)
    result = run.result(400)
    assert result.success
    assert not applications()


def test_an_application_that_nobody_takes_up_is_given_up_and_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__KUBERNETES__PENDING_SECONDS", "5")
    assert "no Spark operator has taken up the SparkApplication" in reason_of(lab.run("waits"), "waits")


def test_what_the_operator_says_of_a_failed_submission_is_reported(lab: Lab) -> None:
    run = lab.begin("waits")
    (application,) = until("the application", lambda: applications() or run.done())
    set_state(application, "SUBMISSION_FAILED", "service account spark not found")
    assert "(SUBMISSION_FAILED): service account spark not found" in reason_of(run.result(400), "waits")


def test_an_application_that_is_deleted_from_outside_fails_the_step(lab: Lab) -> None:
    run = lab.begin("waits")
    (application,) = until("the application", lambda: applications() or run.done())
    until("the launcher to watch", lambda: lab.logged("waiting for the driver pod"), 30)
    kubectl("-n", NAMESPACE, "delete", KIND, application["metadata"]["name"])
    assert "was deleted from outside" in reason_of(run.result(400), "waits")
