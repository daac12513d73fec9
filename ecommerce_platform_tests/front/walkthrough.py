"""Follows a page as a reader would: its commands in their order, in an installation of its own, and what they must print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 600
_FENCE = re.compile(r"^```(bash|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LEFT_OUT = "…"


@dataclass(frozen=True)
class Step:
    """A block of commands, and the lines that they must print."""

    commands: str
    expected: tuple[str, ...] = ()


def steps_of(page: str) -> list[Step]:
    """The blocks of commands of a Markdown page; a text block after one is what it prints."""
    steps: list[Step] = []
    for kind, body in _FENCE.findall(page):
        if kind == "bash":
            steps.append(Step(body.strip()))
        else:
            steps[-1] = Step(steps[-1].commands, tuple(line for line in body.strip().splitlines()))
    return steps


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
    environment = kept | {"PYTHONPATH": str(checkout), "CHECKOUT": str(checkout)}
    yield environment
    subprocess.run(["make", "down"], cwd=checkout, env=environment, check=False)


def run(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A block of commands in a shell of its own; both outputs come back as one."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=environment["CHECKOUT"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
