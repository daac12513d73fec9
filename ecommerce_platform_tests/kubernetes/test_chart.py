"""The chart as text: every profile renders and fits the schemas of Kubernetes; what must be refused is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from ecommerce_platform.operations.event_log import BATCH_SIZE
from ecommerce_platform_tests.kubernetes.cluster import CHART, PROJECT, command

pytestmark = pytest.mark.kubernetes

PROFILES = {"kind": ("kind",), "ci": ("kind", "ci"), "production": ("production",)}
ON_ONE_MACHINE = PROJECT / "ecommerce_platform/operations/dagster.yaml"
MARK = "Mb7XqPLANTED"
GIVEN = ("--set", "image.tag=0123456789ab", "--set", "image.repository=registry.example/ecommerce-platform")


def _render(profile: str, *words: str) -> str:
    values = [word for name in PROFILES[profile] for word in ("--values", str(CHART / f"values-{name}.yaml"))]
    return command("helm", "template", "shop", CHART, "--namespace", "ecommerce", *values, *GIVEN, *words)


def _objects(text: str) -> list[dict]:
    return [item for item in yaml.safe_load_all(text) if item]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_accepted_by_lint_and_by_the_schemas_of_kubernetes(profile: str, tmp_path: Path) -> None:
    values = [word for name in PROFILES[profile] for word in ("--values", str(CHART / f"values-{name}.yaml"))]
    command("helm", "lint", "--strict", CHART, *values, *GIVEN)
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(_render(profile))
    schemas = os.environ["ECOMMERCE_TEST_SCHEMAS"]
    command(
        *("kubeconform", "-strict", "-skip", "ServiceMonitor,PrometheusRule"),
        *("-schema-location", schemas + "/{{.ResourceKind}}{{.KindSuffix}}.json", rendered),
    )


def _instance(profile: str) -> dict:
    """dagster.yaml of the services and of the runs: one text in both."""
    texts = {
        item["data"]["dagster.yaml"]
        for item in _objects(_render(profile))
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].endswith("-instance")
    }
    (text,) = texts
    return yaml.safe_load(text)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_instance_is_in_step_with_the_one_of_one_machine(profile: str) -> None:
    here, on_cluster = yaml.safe_load(ON_ONE_MACHINE.read_text()), _instance(profile)
    for name in ("telemetry", "nux", "retention"):
        assert on_cluster[name] == here[name], name
    assert on_cluster["concurrency"]["pools"] == here["concurrency"]["pools"]
    settings = [
        item["data"]
        for item in _objects(_render(profile))
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].endswith("-settings")
    ]
    assert settings, "no settings for the pods"
    assert {data.get("DAGSTER_EVENT_BATCH_SIZE") for data in settings} == {str(BATCH_SIZE)}
    # What a cluster adds, and the one thing that takes longer there.
    more = {"max_resume_run_attempts", "poll_interval_seconds"}
    monitoring = {name: value for name, value in on_cluster["run_monitoring"].items() if name not in more}
    assert monitoring.pop("start_timeout_seconds") > here["run_monitoring"].pop("start_timeout_seconds")
    assert monitoring == here["run_monitoring"]
    assert on_cluster["run_monitoring"]["max_resume_run_attempts"] == 3
    assert "run_retries" not in here | on_cluster


def test_the_rule_is_the_file_that_promtool_tests() -> None:
    rule = next(item for item in _objects(_render("production")) if item["kind"] == "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "rules/alerts.yaml").read_text())


@pytest.mark.parametrize("profile", PROFILES)
def test_every_container_is_held_small(profile: str) -> None:
    for item in _objects(_render(profile)):
        template = item["spec"].get("template", item).get("spec", {}) if "spec" in item else {}
        for container in template.get("containers", []):
            where = f"{item['kind']} {item['metadata']['name']}"
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, where
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, where
            assert template["securityContext"]["runAsNonRoot"] is True, where
            assert container["resources"]["limits"]["memory"], where
            assert not container["image"].endswith(":latest"), where


@pytest.mark.parametrize("profile", PROFILES)
def test_every_pod_fits_the_restricted_profile_and_has_bounded_scratch(profile: str) -> None:
    for item in _objects(_render(profile)):
        template = item["spec"].get("template", item).get("spec", {}) if "spec" in item else {}
        where = f"{item['kind']} {item['metadata']['name']}"
        for container in [*template.get("containers", []), *template.get("initContainers", [])]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, where
            assert template["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        for volume in template.get("volumes", []):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], where
            assert "hostPath" not in volume, where
    (tmp,) = [
        volume
        for volume in _instance(profile)["run_launcher"]["config"]["run_k8s_config"]["pod_spec_config"]["volumes"]
        if volume["name"] == "tmp"
    ]
    assert tmp["empty_dir"]["size_limit"]


def test_in_production_the_database_is_verified() -> None:
    database = _instance("production")["storage"]["postgres"]["postgres_db"]
    assert database["params"] == {"sslmode": "verify-full", "sslrootcert": "system"}
    assert "params" not in _instance("kind")["storage"]["postgres"]["postgres_db"]


def test_an_image_may_be_named_by_its_digest() -> None:
    digest = f"sha256:{'0a' * 32}"
    others = ("docker.io/library/postgres", "quay.io/oauth2-proxy/oauth2-proxy")
    text = _render(
        "production",
        *("--set", f"image.digest={digest}"),
        *(
            "--set",
            f"postgresql.image={others[0]}@{digest}",
            "--set",
            "postgresql.enabled=true",
            "--set",
            "postgresql.tls=false",
        ),
        *("--set", f"oidcProxy.image={others[1]}@{digest}"),
    )
    images = {
        c["image"]
        for o in _objects(text)
        if o["kind"] in ("Deployment", "StatefulSet")
        for c in o["spec"]["template"]["spec"]["containers"]
    }
    assert f"registry.example/ecommerce-platform:0123456789ab@{digest}" in images
    assert {f"{other}@{digest}" for other in others} <= images


@pytest.mark.parametrize("profile", PROFILES)
def test_of_daemon_and_code_server_there_are_never_two(profile: str) -> None:
    """Two daemons launch a run twice; beside two code servers a webserver that starts keeps the definitions of the old one."""
    strategies = {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: item["spec"].get("strategy", {}).get("type")
        for item in _objects(_render(profile))
        if item["kind"] == "Deployment"
    }
    assert (strategies["daemon"], strategies["code"]) == ("Recreate", "Recreate")


def test_the_web_server_answers_its_own_names_alone() -> None:
    webserver = next(
        item
        for item in _objects(_render("production"))
        if item["kind"] == "Deployment" and "webserver" in item["metadata"]["name"]
    )
    (container,) = webserver["spec"]["template"]["spec"]["containers"]
    env = {item["name"]: item.get("value", "") for item in container["env"]}
    hosts = json.loads(env["ECOMMERCE_OPERATIONS__UI_HOSTS"])
    assert {"shop-webserver", "shop-webserver.ecommerce.svc", "dagster.example"} <= set(hosts)
    assert "ecommerce_platform.operations.web.server" in container["args"]
    assert container["livenessProbe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_secret_is_made_by_the_chart(profile: str) -> None:
    assert not [item for item in _objects(_render(profile)) if item["kind"] == "Secret"]


def test_the_quota_of_the_kind_profile_is_the_designs() -> None:
    quota = next(item for item in _objects(_render("kind")) if item["kind"] == "ResourceQuota")
    assert quota["metadata"]["namespace"] == "ecommerce-workloads"
    assert quota["spec"]["hard"]["limits.memory"] == "12Gi"
    assert quota["spec"]["hard"]["limits.cpu"] == "6"


@pytest.mark.parametrize(
    ("profile", "words", "message"),
    [
        ("kind", ("--set", "image.tag=latest"), "image/tag"),
        ("kind", ("--set", "image.tag="), "image.tag is empty"),
        ("kind", ("--set", "settings.ECOMMERCE_SNOWFLAKE__PASSWORD=x"), "ECOMMERCE_SNOWFLAKE__PASSWORD"),
        (
            "kind",
            ("--set", f"settings.ECOMMERCE_NOTIFICATIONS__SLACK_URL={MARK}"),
            "ECOMMERCE_NOTIFICATIONS__SLACK_URL",
        ),
        ("kind", ("--set", f"settings.ECOMMERCE_S3__ACCESS_KEY_ID={MARK}"), "ECOMMERCE_S3__ACCESS_KEY_ID"),
        ("kind", ("--set", f"settings.ECOMMERCE_LAKEHOUSE__CATALOG_URI=postgresql://a:{MARK}@b/c"), "CATALOG_URI"),
        (
            "kind",
            ("--set", f"settings.ECOMMERCE_LAKEHOUSE__CATALOG_URI=postgresql://b/c?password={MARK}"),
            "CATALOG_URI",
        ),
        ("kind", ("--set", f"settings.HTTPS_PROXY=http://a:{MARK}@proxy:3128"), "HTTPS_PROXY"),
        (
            "kind",
            (
                "--set-json",
                f'settings.ECOMMERCE_SPARK__KUBERNETES__ENV="{{\\"AWS_SECRET_ACCESS_KEY\\": \\"{MARK}\\"}}"',
            ),
            "ENV",
        ),
        (
            "kind",
            ("--set-json", f'settings.ECOMMERCE_SPARK__EXTRA="{{\\"spark.sql.catalog.i.credential\\": \\"{MARK}\\"}}"'),
            "EXTRA",
        ),
        ("kind", ("--set", f"workloads.annotations.proxy=http://a:{MARK}@proxy:3128"), "workloads"),
        ("kind", ("--set", "webservr.replicas=2"), "webservr"),
        ("kind", ("--set", "postgresql.existingSecret="), "postgresql.existingSecret"),
        ("kind", ("--set", "dagster.computeLogs.enabled=true"), "dagster.computeLogs"),
        ("production", ("--set", "oidcProxy.enabled=false"), "no authentication"),
        ("production", ("--set", "standIns.enabled=true"), "standIns.enabled"),
        ("production", ("--set", "postgresql.host="), "postgresql.host"),
        ("production", ("--set", "postgresql.enabled=true"), "postgresql.tls=false"),
        ("production", ("--set", "webserver.service.type=NodePort"), "webserver.service.type"),
        (
            "production",
            ("--set", "ingress.enabled=false,oidcProxy.enabled=false,webserver.service.type=NodePort"),
            "service.type",
        ),
        ("production", ("--set", "ingress.tlsSecret="), "ingress.tlsSecret"),
    ],
)
def test_what_cannot_work_is_refused_in_words(profile: str, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)) as refused:
        _render(profile, *words)
    assert MARK not in re.sub(r"helm template.*", "", str(refused.value)), "the message repeats the secret"


def test_the_image_is_smaller_than_two_gigabytes(node: None) -> None:
    assert int(os.environ["ECOMMERCE_TEST_IMAGE_BYTES"]) < 2_000_000_000


def test_the_scripts_pass_shellcheck() -> None:
    scripts = [*(PROJECT / "scripts").rglob("*.sh"), *(PROJECT / "docker").glob("*.sh")]
    scripts += [PROJECT / "scripts/kubernetes/node-exec", PROJECT / "scripts/kubernetes/node-net"]
    command("shellcheck", "-S", "warning", "-x", "-P", "SCRIPTDIR", *scripts)
