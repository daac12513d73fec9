"""The cluster under test: the node of `make test-kubernetes` with the platform installed by the script of `make kind-demo`.

What belongs here: fixtures. What does not: how kubectl and GraphQL are asked (cluster.py).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform_tests.kubernetes.cluster import PROJECT, Platform
from ecommerce_platform_tests.kubernetes.launcher_lab import lab_namespace

#: Days that run at the installation, and days that landed: the last one is for what comes after.
DAYS, LANDED = 2, 3
# Fewer orders, and the few rows that the sample spoils would be a share that refuses a day.
ORDERS = 300


@pytest.fixture(scope="session")
def node() -> None:
    """Fails, and does not skip, where the tests were started without a cluster."""
    if not os.environ.get("ECOMMERCE_TEST_NODE"):
        pytest.fail("no test node: these tests are run by `make test-kubernetes`, which starts one", pytrace=False)


@pytest.fixture(scope="session")
def launcher_namespace(node: None) -> Iterator[None]:
    """One for all modules: a name that is being deleted cannot be used again for a while."""
    with lab_namespace():
        yield


@pytest.fixture(scope="session")
def installed(
    node: None, begun_locally: tuple[Path, subprocess.Popen[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> Platform:
    """The platform installed, with DAYS days of the sample shop run through the webserver by the launcher of run pods."""
    tag = os.environ["ECOMMERCE_TEST_IMAGE_TAG"]
    folder = tmp_path_factory.mktemp("platform")
    environment = os.environ | {"DAYS": str(DAYS), "LANDED": str(LANDED), "ORDERS": str(ORDERS), "OUT": str(folder)}
    done = subprocess.run(
        [PROJECT / "scripts/kubernetes/demo.sh", tag, "ci"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    platform = Platform(tag=tag, out=folder)
    if done.returncode:
        pytest.fail(f"demo.sh failed:\n{done.stdout}\n{done.stderr}\n{platform.state()}", pytrace=False)
    (folder / "demo.log").write_text(done.stderr)
    return platform


@pytest.fixture(scope="session")
def webserver(installed: Platform) -> Iterator[str]:
    """Address of the webserver."""
    with installed.webserver() as address:
        yield address


@pytest.fixture(scope="session")
def local_run(begun_locally: tuple[Path, subprocess.Popen[bytes]]) -> Path:
    """A data directory of this machine in which all days of the same shop ran in one process."""
    data, process = begun_locally
    process.wait(timeout=900)
    assert (data / "snowflake").exists(), f"the local run left nothing:\n{data.with_name('demo.log').read_text()}"
    return data


@pytest.fixture(scope="session")
def begun_locally(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """That run at its work, while the installation waits for the cluster."""
    data = tmp_path_factory.mktemp("local") / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ECOMMERCE_")}
    environment |= {"ECOMMERCE_DATA_DIR": str(data), "DAGSTER_HOME": str(data / "dagster_home")}
    (data / "dagster_home").mkdir(parents=True)
    (data / "dagster_home/dagster.yaml").write_text("telemetry: {enabled: false}\n")
    command = [
        str(PROJECT / ".venv/bin/ecommerce-platform"),
        "demo",
        "--days",
        str(LANDED),
        "--orders-per-day",
        str(ORDERS),
    ]
    with data.with_name("demo.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    yield data, process
    process.kill()
    process.wait()
    down(data)
