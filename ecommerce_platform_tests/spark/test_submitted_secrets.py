"""What a cluster is sent for a step holds no secret, and its pods have those that they need and no others."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ecommerce_platform.settings.spark import KubernetesSettings
from ecommerce_platform.spark.launchers.kubernetes.application import build_application
from ecommerce_platform.spark.launchers.kubernetes.pods import pod_template
from ecommerce_platform.spark.launchers.kubernetes.submit import submit_options, write_templates
from ecommerce_platform_tests.spark.submitted import SECRET, settings, submission


def test_no_secret_is_in_what_is_sent(tmp_path: Path) -> None:
    chosen = submission()
    templates = write_templates(chosen, tmp_path)
    sent = json.dumps([build_application(chosen), submit_options(chosen, templates)])
    sent += "".join(path.read_text() for path in tmp_path.iterdir())
    assert SECRET not in sent
    reference = {"secretKeyRef": {"name": "s3", "key": "key"}}
    template = json.loads((tmp_path / "driver.yaml").read_text())
    env = {item["name"]: item for item in template["spec"]["containers"][0]["env"]}
    assert env["ECOMMERCE_S3__SECRET_ACCESS_KEY"]["valueFrom"] == reference


def test_a_secret_in_the_place_of_its_reference_is_refused_without_showing_it() -> None:
    with pytest.raises(ValidationError) as refused:
        KubernetesSettings(secret_env={"PASSWORD": SECRET})
    assert "expected <secret>:<key>" in refused.value.errors()[0]["msg"]
    assert SECRET not in refused.value.errors()[0]["msg"]


def test_pods_are_as_closed_as_they_can_be() -> None:
    spec = pod_template(submission(), "executor")["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    security = spec["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False


SECRET_FILE = {"name": "key", "secret": {"secretName": "snowflake-key"}}
PROJECTED = {"name": "both", "projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}}
TRUST = {"name": "trust", "configMap": {"name": "certificates"}}


def _pods(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What driver and executor are given: environment, mounts, account; by one way to submit."""
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("key", "both", "trust")]
    chosen = submission(
        settings(
            driver_service_account="driver",
            executor_service_account="executor",
            env_from_secrets=["ecommerce-settings"],
            env_from_config_maps=["settings"],
            volumes=[SECRET_FILE, PROJECTED, TRUST],
            volume_mounts=mounts,
        )
    )
    if kind == "spark-submit":
        driver, executor = ({**pod_template(chosen, role)["spec"]} for role in ("driver", "executor"))
        return ({**driver, **driver["containers"][0]}, {**executor, **executor["containers"][0]})
    spec = build_application(chosen)["spec"]
    template = spec["executor"]["template"]["spec"]
    driver = spec["driver"] | {"serviceAccountName": spec["driver"]["serviceAccount"]}
    return driver, template | template["containers"][0]


@pytest.mark.parametrize("kind", ["spark-submit", "spark-application"])
def test_an_executor_has_no_secret_and_no_token_and_the_driver_has_what_it_needs(kind: str) -> None:
    driver, executor = _pods(kind)
    assert "secretKeyRef" in json.dumps(driver["env"])
    assert {"secretRef": {"name": "ecommerce-settings"}} in driver["envFrom"]
    assert {"key", "both", "trust"} <= {mount["name"] for mount in driver["volumeMounts"]}
    assert driver["serviceAccountName"] == "driver"
    assert "secret" not in json.dumps([executor["env"], executor["envFrom"]]).lower()
    assert executor["envFrom"] == [{"configMapRef": {"name": "settings"}}]
    mounted = {mount["name"] for mount in executor["volumeMounts"]}
    assert "trust" in mounted
    assert mounted.isdisjoint({"key", "both"})
    assert "secretName" not in json.dumps(executor.get("volumes", []))
    assert executor["automountServiceAccountToken"] is False
    assert executor["serviceAccountName"] == "executor"


def test_a_secret_for_executors_is_named_on_purpose() -> None:
    chosen = submission(settings(executor_secret_env={"STORE_KEY": "store:key"}))
    env = pod_template(chosen, "executor")["spec"]["containers"][0]["env"]
    assert {"name": "STORE_KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "key"}}} in env


def test_driver_and_executors_authenticate_and_encrypt_with_a_secret_that_nobody_sends() -> None:
    for options in (submit_options(submission(), {}), build_application(submission())["spec"]["sparkConf"]):
        assert options["spark.authenticate"] == "true"
        assert options["spark.network.crypto.enabled"] == "true"
        assert options["spark.network.crypto.saslFallback"] == "false"
        assert "spark.authenticate.secret" not in options
