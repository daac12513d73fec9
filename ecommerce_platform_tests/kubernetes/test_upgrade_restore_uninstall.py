"""A release's life after its installation: an upgrade with a run on its way, a rollback, the database lost and restored, an
uninstall and an installation after it.

The last module of the installation's lane, its tests in this order: it takes the platform away.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import launch  # scripts/kubernetes/launch.py, on the path by cluster.py
import pytest

from ecommerce_platform_tests.front.walkthrough import steps_of
from ecommerce_platform_tests.kubernetes.cluster import CHART, PROJECT, Platform, kubectl, objects, until
from ecommerce_platform_tests.kubernetes.conftest import LANDED
from ecommerce_platform_tests.kubernetes.marts import MARTS, both

pytestmark = pytest.mark.kubernetes

LAST_DAY = f"2026-01-{LANDED:02}"
DESCRIPTION = """{ repositoryOrError(
  repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "ecommerce_platform"}
) { ... on Repository { jobs { name description } } } }"""
HISTORY = """{ runsOrError { ... on Runs { results { runId status } } }
  assetNodes { assetKey { path } assetMaterializations { runId partition timestamp } } }"""
#: What is loaded, how often each key has a row, and what the marts say: equal before and after when nothing is doubled.
FIGURES = (
    "select table_name, date, row_count, checksum from raw.load_ledger order by 1, 2",
    "select 'orders' as name, count(*) as n from raw.orders union all select 'users', count(*) from raw.users"
    " union all select 'order_items', count(*) from raw.order_items union all select 'products', count(*) from raw.products"
    " order by 1",
    "select * exclude (created_at) from marts.daily_business_metrics order by date",
    "select * exclude (created_at) from marts.product_performance order by 1, 2, 3",
)


@dataclass(frozen=True)
class UpgradedDay:
    """A day's run, in the middle of which the release was upgraded and its databases were copied."""

    run_id: str
    status: str
    run_images: frozenset[str]
    spark_images: frozenset[str]
    copies: Path
    history: dict[str, str]


def _commands(heading: str) -> str:
    """The commands that the page on the cluster has under a heading."""
    page = (PROJECT / "docs/deploy.md").read_text()
    section = page.split(f"\n### {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return "\n".join(step.commands for step in steps_of(section))


def _follow(heading: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _commands(heading)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{heading}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _ask(platform: Platform, query: str) -> dict:
    with platform.webserver() as address:
        return launch.graphql(address, query)


def _history(platform: Platform) -> tuple[dict[str, str], list[tuple[str, str, str, str]]]:
    """Status by run, and all materializations."""
    answer = _ask(platform, HISTORY)
    runs = {run["runId"]: run["status"] for run in answer["runsOrError"]["results"]}
    materializations = [
        ("/".join(node["assetKey"]["path"]), event["runId"], event["partition"], event["timestamp"])
        for node in answer["assetNodes"]
        for event in node["assetMaterializations"]
    ]
    return runs, sorted(materializations, key=str)


def _status(platform: Platform, run_id: str) -> str:
    with platform.webserver() as address:
        return launch.status(address, run_id)


def _spark_images(platform: Platform, run_id: str) -> set[str]:
    pods = objects("pods", "-n", platform.workloads, "-l", f"ecommerce-platform/run-id={run_id}")
    return {container["image"] for pod in pods for container in pod["spec"]["containers"]}


def _claim(platform: Platform) -> str:
    return f"data-{platform.release}-postgresql-0"


def _volume(platform: Platform) -> str:
    """The volume behind the database's claim."""
    field = "--field-selector", f"metadata.name={_claim(platform)}"
    (claim,) = objects("persistentvolumeclaims", "-n", platform.namespace, *field)
    return str(claim["spec"]["volumeName"])


@pytest.fixture(scope="module")
def upgraded_day(installed: Platform, tmp_path_factory: pytest.TempPathFactory) -> UpgradedDay:
    copies = tmp_path_factory.mktemp("copies")
    with installed.webserver() as address:
        run_id = launch.launch(address, LAST_DAY, LAST_DAY)
    until("the run's first Spark pod", lambda: _spark_images(installed, run_id), seconds=240)
    _follow("Copy the databases", copies)
    history, _ = _history(installed)
    images = _spark_images(installed, run_id)
    installed.helm(
        *("upgrade", installed.release, str(CHART), "--reuse-values", "--set", f"image.tag={installed.tag}-next"),
        *("--wait", "--timeout", "8m"),
    )

    def ended() -> str | None:
        images.update(_spark_images(installed, run_id))
        state = _status(installed, run_id)
        return state if state in launch.FINAL else None

    status = until("the run's end", ended, seconds=900)
    jobs = objects("jobs", "-n", installed.workloads, "-l", f"dagster/run-id={run_id}")
    run_images = {item["spec"]["template"]["spec"]["containers"][0]["image"] for item in jobs}
    return UpgradedDay(run_id, status, frozenset(run_images), frozenset(images), copies, history)


def _description(platform: Platform) -> str:
    descriptions: list[str] = []

    def ask() -> bool:
        answer = _ask(platform, DESCRIPTION)["repositoryOrError"]
        descriptions[:] = [job["description"] for job in answer.get("jobs", []) if job["name"] == "daily_batch"]
        return bool(descriptions)

    until("the job shows in the webserver", ask)
    return descriptions[0]


def _images(platform: Platform) -> set[str]:
    """Images that services, and the runs and Spark pods to come, use: all of the platform's own."""
    services = objects("deployments", "-n", platform.namespace)
    images = {
        item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in services
        if item["metadata"]["labels"]["app.kubernetes.io/component"] != "stand-in"
    }
    for config in objects("configmaps", "-n", platform.workloads, "-l", "app.kubernetes.io/managed-by=Helm"):
        if config["metadata"]["name"].endswith("-settings"):
            images.add(config["data"]["ECOMMERCE_SPARK__KUBERNETES__IMAGE"])
        if config["metadata"]["name"].endswith("-instance"):
            yaml = config["data"]["dagster.yaml"]
            images.add(next(line.split()[-1] for line in yaml.splitlines() if "job_image:" in line))
    return images


def test_a_run_goes_on_through_an_upgrade_on_the_image_that_it_started_with(
    installed: Platform, upgraded_day: UpgradedDay
) -> None:
    assert upgraded_day.history[upgraded_day.run_id] not in launch.FINAL, "it was on its way when the upgrade came"
    assert upgraded_day.status == "SUCCESS", installed.state()
    started_with = f"localhost/ecommerce-platform:{installed.tag}"
    assert upgraded_day.run_images == {started_with}
    assert upgraded_day.spark_images == {started_with}


def test_an_upgrade_moves_the_code_location_and_every_image_together_and_a_rollback_back(
    installed: Platform, upgraded_day: UpgradedDay
) -> None:
    # The webserver looks at the code server's identity every few seconds and loads the location when it is another.
    until("the webserver shows the next revision", lambda: "Next revision" in _description(installed), seconds=120)
    assert _images(installed) == {f"localhost/ecommerce-platform:{installed.tag}-next"}

    installed.helm("rollback", installed.release, "--wait", "--timeout", "8m")
    until(
        "the webserver shows the revision before", lambda: "Next revision" not in _description(installed), seconds=120
    )
    assert _images(installed) == {f"localhost/ecommerce-platform:{installed.tag}"}


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_equals_that_of_a_run_on_one_machine_row_for_row(
    installed: Platform, upgraded_day: UpgradedDay, local_run: Path, mart: str
) -> None:
    on_cluster, here = both(installed, local_run, mart)
    assert here, f"the local run left marts.{mart} empty"
    assert on_cluster == here


def test_a_database_lost_with_its_volume_comes_back_by_the_commands_of_the_page(
    installed: Platform, upgraded_day: UpgradedDay
) -> None:
    """The copy is older than the loss: it shows a run on its way that has ended, a catalog without what that run published."""
    figures = [installed.sql(statement) for statement in FIGURES]
    claim, volume = _claim(installed), _volume(installed)
    kubectl("-n", installed.namespace, "delete", "persistentvolumeclaim", claim, "--wait=false")
    kubectl("-n", installed.namespace, "delete", "pod", f"{installed.release}-postgresql-0", "--wait=true")

    printed = _follow("Put the copies back", upgraded_day.copies)
    assert _volume(installed) != volume, "the volume was not lost"
    assert "put forward" in printed, f"the copy of the catalog was not older than its tables:\n{printed}"
    runs, materializations = _history(installed)
    assert runs.keys() == upgraded_day.history.keys()
    assert {run for _, run, _, _ in materializations} >= runs.keys() - {upgraded_day.run_id}

    # The daemon sees that nobody works on the run any more, and resumes it: the day materializes.
    until("the run's end", lambda: _status(installed, upgraded_day.run_id) in launch.FINAL, seconds=600)
    runs, materializations = _history(installed)
    assert set(runs.values()) == {"SUCCESS"}, installed.state()
    assert any(run == upgraded_day.run_id and day == LAST_DAY for _, run, day, _ in materializations)
    assert [installed.sql(statement) for statement in FIGURES] == figures


def _left(platform: Platform) -> list[str]:
    """What is in the namespaces, but for what the installation was given."""
    given = {"kube-root-ca.crt", "default", "ecommerce-database", "ecommerce-settings"}
    kinds = kubectl("api-resources", "--verbs=list,delete", "--namespaced", "-o", "name").split()
    kinds = sorted(set(kinds) - {"events", "events.events.k8s.io", "leases.coordination.k8s.io"})
    return [
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for namespace in (platform.namespace, platform.workloads)
        for item in objects(",".join(kinds), "-n", namespace)
        if item["metadata"]["name"] not in given
        and item["metadata"].get("labels", {}).get("app.kubernetes.io/component") != "stand-in"
    ]


def _uninstall(platform: Platform) -> None:
    """Fails unless nothing but the database's volume is left."""
    platform.helm("uninstall", platform.release, "--wait", "--timeout", "5m")
    kept = [f"PersistentVolumeClaim {platform.namespace}/{_claim(platform)}"]
    until("everything else is gone", lambda: _left(platform) == kept, seconds=120)


def test_an_installation_after_an_uninstall_finds_everything(installed: Platform) -> None:
    history, figures = _history(installed), [installed.sql(statement) for statement in FIGURES]
    # S3, Snowflake and ClickHouse outlive a release. Their stand-ins do when nobody owns their pods; the next installation takes
    # them over.
    stand_ins = [f"deployment/{installed.release}-{server}" for server in ("s3", "snowflake", "clickhouse")]
    kubectl("-n", installed.namespace, "delete", *stand_ins, "--cascade=orphan")
    _uninstall(installed)

    subprocess.run([PROJECT / "scripts/kubernetes/install.sh", installed.tag, "ci"], check=True)
    assert "MEND" not in installed.run("doctor")
    installed.run("rebuild", "raw", "--verify")
    assert _history(installed) == history
    assert [installed.sql(statement) for statement in FIGURES] == figures


def test_an_uninstall_leaves_nothing_but_the_databases_volume(installed: Platform) -> None:
    _uninstall(installed)
    stand_ins = ("-l", "app.kubernetes.io/component=stand-in")
    until("the stand-ins are gone", lambda: not objects("pods", "-n", installed.namespace, *stand_ins))
