"""Loading the definitions, the lineage page and idle memory, beside an empty Dagster project.

What belongs here: starting both, asking both the same. What does not: how they are measured (harness.py).

    python -m benchmarks.definitions_load platform|empty     loads one of them and prints its memory (used by the benchmark)
"""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, race, run_child

PROJECT = Path(__file__).resolve().parent.parent
MODULES = {"platform": "ecommerce_platform.definitions", "empty": "benchmarks.empty_project"}
ROUNDS = {Size.QUICK: 3, Size.FULL: 9}
QUESTIONS = {Size.QUICK: 10, Size.FULL: 30}
_START_SECONDS = 180
#: What the lineage page asks for each asset before it draws.
_LINEAGE = """{ assetNodes { id groupName opNames isPartitioned isObservable hasMaterializePermission computeKind
  assetKey { path } dependencyKeys { path } dependedByKeys { path } kinds tags { key value } owners { __typename }
  partitionDefinition { name type } repository { id name location { id name } }
  assetMaterializations(limit: 1) { timestamp runId } hasAssetChecks } }"""


def run(size: Size) -> Report:
    """Seconds and memory of both, and their differences."""
    with tempfile.TemporaryDirectory(prefix="benchmark-definitions-") as folder:
        env = environment(Path(folder))
        loads = race([_loading(name, env) for name in MODULES], ROUNDS[size], warm_up=1)
        answers, idle = _served(size, env, Path(folder))
    more = loads["platform"].median - loads["empty"].median
    slower = answers["platform"].median - answers["empty"].median
    rows = (
        Row("definitions load: more than an empty project", more, " s", Goal(3)),
        Row("lineage page's question: more than an empty project", slower, " s", Goal(1)),
        Row(
            "idle memory of web server and code server: more than an empty project",
            idle["platform"] - idle["empty"],
            " MB",
            Goal(150),
        ),
    )
    assets = {"GraphQL questions": QUESTIONS[size], "web servers": "one for each project, at the same time"}
    timings = {"definitions in a new process": loads, "lineage page's question": answers}
    return Report("definitions_load", "Definitions, lineage page and idle memory", size, assets, rows, timings)


def environment(folder: Path) -> dict[str, str]:
    """A Dagster home and data folder of its own."""
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "ECOMMERCE_DATA_DIR": str(folder / "data"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def _loading(name: str, env: Mapping[str, str]) -> Contender:
    command = [sys.executable, "-m", "benchmarks.definitions_load", name]

    def load() -> Outcome:
        return Outcome(figures={"memory_mb": run_child(command, PROJECT, env).answer})

    return Contender(name, load)


def _served(size: Size, env: Mapping[str, str], folder: Path) -> tuple[dict[str, Timing], dict[str, float]]:
    """The lineage question to both web servers in turn, and the memory of their processes afterwards."""
    with serving(MODULES["platform"], env, folder) as ours, serving(MODULES["empty"], env, folder) as empty:
        servers = {"platform": ours, "empty": empty}
        timings = race(
            [Contender(name, _asking(port)) for name, (port, _) in servers.items()], QUESTIONS[size], warm_up=1
        )
        return timings, {name: proportional_memory(pid) / 1e6 for name, (_, pid) in servers.items()}


def _asking(port: int) -> Callable[[], Outcome]:
    def ask() -> Outcome:
        question(port, _LINEAGE)
        return Outcome()

    return ask


@contextmanager
def serving(module: str, env: Mapping[str, str], folder: Path) -> Iterator[tuple[int, int]]:
    """A web server for a module's definitions; yields its port and process id once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("dagster-webserver")
    command = [str(program), "-m", module, "-h", "127.0.0.1", "-p", str(port)]
    with (folder / f"{module}.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=PROJECT, env={**os.environ, **env}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(port, server, folder / f"{module}.log")
            yield port, server.pid
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            question(port, "{ version }")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError(f"dagster-webserver did not start in {_START_SECONDS} s: {log.read_text()[-2000:]}")


def question(port: int, query: str) -> object:
    """A GraphQL question's answer. Raises RuntimeError when the server names errors."""
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            response = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"GraphQL: {error.read()[:1000]!r}") from error
    if response.get("errors"):
        raise RuntimeError(f"GraphQL: {response['errors'][:2]}")
    return response["data"]


def proportional_memory(pid: int) -> float:
    """Bytes of a process and its descendants; pages that several share are divided among them."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    todo, total = [pid], 0.0
    while todo:
        process = todo.pop()
        todo += children.get(process, [])
        pages = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
        total += int(pages[1]) * 1024 if pages else 0
    return total


if __name__ == "__main__":
    importlib.import_module(MODULES[sys.argv[1]])
    print(json.dumps(round(proportional_memory(os.getpid()) / 1e6, 1)))
