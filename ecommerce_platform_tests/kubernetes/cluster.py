"""How the tests ask the cluster: kubectl, helm, GraphQL. What does not belong here: fixtures, and what the answers should be."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
CHART = PROJECT / "helm/ecommerce-platform"
SCRIPTS = PROJECT / "scripts/kubernetes"
sys.path.insert(0, str(SCRIPTS))


def command(*words: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Standard output of a command. Raises AssertionError with everything that it said.

    A connection to the API server that a busy node did not take in ten seconds has asked nothing yet: the command is run again.
    """
    for _ in range(4):
        done = subprocess.run(
            [str(word) for word in words], input=stdin, capture_output=True, text=True, check=False, timeout=900
        )
        if not (done.returncode and "Unable to connect to the server: net/http: TLS handshake timeout" in done.stderr):
            break
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(map(str, words))} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout


def kubectl(*words: str, stdin: str | None = None, check: bool = True) -> str:
    return command("kubectl", *words, stdin=stdin, check=check)


def objects(kinds: str, *words: str) -> list[dict[str, Any]]:
    """Objects of the cluster."""
    return list(json.loads(kubectl("get", kinds, "-o", "json", *words))["items"])


def until(what: str, probe: Callable[[], Any], seconds: float = 180, pause: float = 1) -> Any:
    """The first truthy answer of `probe`. Raises AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(pause)
    return value


@contextmanager
def port_forward(namespace: str, target: str, port: int) -> Iterator[str]:
    """Address on this machine of a port in the cluster."""
    process = subprocess.Popen(
        ["kubectl", "-n", namespace, "port-forward", target, f":{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"Forwarding from (127\.0\.0\.1:\d+)", line)
        assert match, f"port-forward of {target} said: {line}"
        yield f"http://{match[1]}"
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Platform:
    """An installation: where it is, and what scripts/kubernetes/demo.sh left in `out`."""

    tag: str
    out: Path
    release: str = "shop"
    namespace: str = "ecommerce"
    workloads: str = "ecommerce-workloads"

    def webserver(self) -> AbstractContextManager[str]:
        """Address on this machine of the webserver."""
        return port_forward(self.namespace, f"service/{self.release}-webserver", 80)

    def run(self, *words: str) -> str:
        """What the platform's own command prints inside the cluster."""
        code = f"deploy/{self.release}-code"
        return kubectl("-n", self.namespace, "exec", code, "-c", "code", "--", "ecommerce-platform", *words)

    def sql(self, statement: str) -> str:
        """The warehouse's answer as CSV."""
        return self.run("sql", statement, "--format", "csv")

    def rows(self, statement: str) -> list[dict[str, str]]:
        """The rows of the warehouse's answer."""
        return list(csv.DictReader(io.StringIO(self.sql(statement))))

    def helm(self, *words: str) -> str:
        return command("helm", *words, "--namespace", self.namespace)

    def state(self) -> str:
        """What a person looks at first when something is wrong."""
        parts = [kubectl("get", "pods,jobs", "-A", "-o", "wide", check=False)]
        for namespace in (self.namespace, self.workloads):
            events = kubectl("-n", namespace, "get", "events", "--sort-by=.lastTimestamp", check=False)
            parts.append("\n".join(events.splitlines()[-20:]))
            names = kubectl("-n", namespace, "get", "pods", "-o", "name", check=False).split()
            for name in names:
                log = kubectl("-n", namespace, "logs", name, "--all-containers", "--tail=40", check=False)
                parts.append(f"--- {namespace} {name}\n{log}")
        return "\n".join(parts)
