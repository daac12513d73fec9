"""Every command of the README runs as it is written, in its order, in an installation of its own.

`make dev` serves until it is stopped: it is started, its page is fetched, and it is stopped.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SERVES_UNTIL_STOPPED = "make dev"
DEADLINE_SECONDS = 600


def bash_blocks(text: str) -> list[str]:
    return [block.strip() for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The checkout's files in a folder of their own, with the virtual environment that is there already."""
    checkout = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, checkout / name)
    (checkout / ".venv").symlink_to(PROJECT / ".venv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
    environment = kept | {"PYTHONPATH": str(checkout), "CHECKOUT": str(checkout)}
    yield environment
    subprocess.run(["make", "down"], cwd=checkout, env=environment, check=False)


def run(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=environment["CHECKOUT"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def serve_and_look(environment: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["make", "dev"],
        cwd=environment["CHECKOUT"],
        env=environment | {"DAGSTER_WEBSERVER_PORT": str(port), "PORT": str(port)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert process.poll() is None, "make dev ended by itself"
                assert time.monotonic() < deadline, "make dev did not answer in time"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


@pytest.mark.slow
def test_every_command_of_the_readme_runs_as_written(installation: dict[str, str]) -> None:
    blocks = bash_blocks((PROJECT / "README.md").read_text())
    assert "make demo" in blocks
    for block in blocks:
        if block == SERVES_UNTIL_STOPPED:
            serve_and_look(installation)
            continue
        done = run(block, installation)
        assert done.returncode == 0, f"{block}\n--- stdout\n{done.stdout[-4000:]}\n--- stderr\n{done.stderr[-8000:]}"


def test_the_readme_names_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z][a-z-]+)", (PROJECT / "README.md").read_text()))
    assert named <= targets, f"README names {sorted(named - targets)}, which the Makefile lacks"


def test_the_readmes_links_lead_somewhere() -> None:
    text = (PROJECT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (PROJECT / target).exists(), f"README links to {target}, which is not there"
