"""Follows a page as a reader would: its commands in their order, in an installation of its own, and what they must print."""

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 600
#: Blocks that serve until they are stopped.
SERVERS = ("make dev", ".venv/bin/dg dev --no-check-yaml")
#: Blocks that cannot run as they are written, by their page and the beginning of the block, with the reason.
NOT_RUN = {
    (
        "own-data.md",
        "export ECOMMERCE_SNOWFLAKE__ACCOUNT=… ",
    ): "asks for an account of Snowflake's; make test-snowflake uses one",
    ("new-source-table.md", ".venv/bin/ecommerce-platform contract init payments --postgres "): (
        "asks a PostgreSQL of the reader's; contracts/test_init_from_postgres.py asks one that it starts"
    ),
}
_FENCE = re.compile(r"^```(bash|text|diff)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LEFT_OUT = "…"


@dataclass(frozen=True)
class Step:
    """A block of commands and the lines that they must print, or a change of the checkout's files."""

    commands: str
    expected: tuple[str, ...] = ()
    is_diff: bool = False


def steps_of(page: str) -> list[Step]:
    """The blocks of commands of a Markdown page; a text block after one is what it prints."""
    steps: list[Step] = []
    for kind, body in _FENCE.findall(page):
        if kind == "bash":
            steps.append(Step(body.strip()))
        elif kind == "diff":
            steps.append(Step(body, is_diff=True))
        else:
            steps[-1] = Step(steps[-1].commands, tuple(line for line in body.strip().splitlines()))
    return steps


@dataclass(frozen=True)
class Edit:
    """What a page says to do with a file of the checkout."""

    path: str
    appends: bool
    text: str


def edits_of(page: str) -> list[Edit]:
    """`Create PATH:` or `Append to PATH:`, each with the block below it."""
    edits = re.findall(r"(Create|Append to)\s+`(\S+)`:\n\n    ```\w+\n(.*?)\n    ```$", page, re.DOTALL | re.MULTILINE)
    return [
        Edit(path, verb != "Create", re.sub(r"^    ", "", f"{text}\n", flags=re.MULTILINE))
        for verb, path, text in edits
    ]


def apply_edits(edits: list[Edit], checkout: Path) -> None:
    """Does as the page says; a file that is to be created must not be there, and one that grows must."""
    for edit in edits:
        file = checkout / edit.path
        assert file.exists() is edit.appends
        file.write_text((file.read_text(encoding="utf-8") if edit.appends else "") + edit.text, encoding="utf-8")


def is_left_out(page: str, commands: str) -> bool:
    """Whether a block of the page is listed as one that cannot run."""
    return any(page == of and commands.startswith(start) for of, start in NOT_RUN)


def first_line_missing(printed: str, expected: tuple[str, ...]) -> str | None:
    """The first expected line that is not found after the ones before it; spaces count as one, `…` for anything."""
    text, position = " ".join(printed.split()), 0
    for line in expected:
        for part in filter(None, (" ".join(part.split()) for part in line.split(LEFT_OUT))):
            at = text.lower().find(part.lower(), position)
            if at < 0:
                return line
            position = at + len(part)
    return None


@contextmanager
def installation(folder: Path) -> Iterator[dict[str, str]]:
    """The checkout's files in `folder`, with the virtual environment that is there already; its environment."""
    checkout = folder / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, checkout / name)
    (checkout / ".venv").symlink_to(PROJECT / ".venv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
    environment = kept | {"PYTHONPATH": str(checkout), "CHECKOUT": str(checkout), "PWD": str(checkout)}
    yield environment
    subprocess.run(["make", "down"], cwd=checkout, env=environment, check=False)


def follow(step: Step, environment: dict[str, str]) -> None:
    """Runs a step and fails unless it prints what it must; the next one finds its folder and what it exported."""
    if step.is_diff:
        subprocess.run(["patch", "-p1"], input=step.commands, text=True, cwd=environment["CHECKOUT"], check=True)
        return
    kept = Path(environment["CHECKOUT"]).with_name("kept-by-the-shell")
    done = run(f"{step.commands}\nenv -0 > '{kept}'", environment)
    assert done.returncode == 0, f"{step.commands}\n{done.stdout[-12000:]}"
    missing = first_line_missing(done.stdout, step.expected)
    assert missing is None, f"{step.commands}\nshould print {missing!r}; it printed\n{done.stdout[-12000:]}"
    environment.update(line.split("=", 1) for line in kept.read_text().split("\0") if line)


@contextmanager
def served(command: str, environment: dict[str, str]) -> Iterator[None]:
    """A command of `SERVERS` from the moment at which it answers; it ends as by ctrl-c."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=environment["PWD"],
        env=environment | {"DAGSTER_WEBSERVER_PORT": port, "DAGSTER_DG_DEV_PORT": port, "PORT": port},
        start_new_session=True,
        preexec_fn=_hear_ctrl_c,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_answers(process, f"http://127.0.0.1:{port}/server_info")
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _hear_ctrl_c() -> None:
    """Where the tests run in the background, SIGINT is ignored, and a process inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_it_answers(process: subprocess.Popen[bytes], page: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline, f"{process.args!r} did not answer in time"
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            assert process.poll() is None, f"{process.args!r} ended by itself"


def run(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A block of commands in a shell of its own; both outputs come back as one."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=environment["PWD"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
