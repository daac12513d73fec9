"""Every command of the README, the tutorial and the page on restoring runs as it is written, in its order, and prints what the
page says.

`make dev` serves until it is stopped: it is started, its page is fetched, and it is stopped.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform_tests.front.walkthrough import PROJECT, Step, first_line_missing, installation, run, steps_of

SERVES_UNTIL_STOPPED = "make dev"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[dict[str, str]]:
    with installation(tmp_path) as environment:
        yield environment


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


def follow(step: Step, environment: dict[str, str]) -> None:
    if step.commands == SERVES_UNTIL_STOPPED:
        serve_and_look(environment)
        return
    done = run(step.commands, environment)
    assert done.returncode == 0, f"{step.commands}\n{done.stdout[-12000:]}"
    missing = first_line_missing(done.stdout, step.expected)
    assert missing is None, f"{step.commands}\nshould print {missing!r}; it printed\n{done.stdout[-12000:]}"
    # A reader's shell keeps what it exports.
    for name, value in re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^export (.*)$", step.commands, re.MULTILINE))):
        environment[name] = value.replace("$PWD", environment["CHECKOUT"])


@pytest.mark.slow
def test_every_command_of_the_readme_runs_as_written(fresh: dict[str, str]) -> None:
    steps = steps_of((PROJECT / "README.md").read_text())
    assert any(step.commands == "make demo" for step in steps)
    for step in steps:
        follow(step, fresh)


@pytest.mark.soak
def test_who_follows_the_tutorial_word_by_word_gets_what_it_says(fresh: dict[str, str]) -> None:
    steps = steps_of((PROJECT / "docs" / "tutorial.md").read_text())
    assert sum(bool(step.expected) for step in steps) > 8
    for step in steps:
        follow(step, fresh)


@pytest.mark.soak
def test_what_was_lost_comes_back_by_the_commands_of_the_page(fresh: dict[str, str]) -> None:
    steps = steps_of((PROJECT / "docs" / "how-to" / "restore.md").read_text())
    assert sum(bool(step.expected) for step in steps) > 6
    for step in steps:
        follow(step, fresh)


def test_a_pages_expected_output_is_found_in_its_order_only() -> None:
    page = "```bash\nls\n```\n\ntext\n\n```text\na  1\n…\nb … c\n```\n"
    (step,) = steps_of(page)
    assert first_line_missing("x\na 1\nno\nB and c", step.expected) is None
    assert first_line_missing("b c\na 1", step.expected) == "b … c"


def test_the_readme_names_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z][a-z-]+)", (PROJECT / "README.md").read_text()))
    assert named <= targets, f"README names {sorted(named - targets)}, which the Makefile lacks"


def test_the_readmes_links_lead_somewhere() -> None:
    text = (PROJECT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (PROJECT / target).exists(), f"README links to {target}, which is not there"
