"""A real Prometheus that scrapes a real exporter, for tests: started, asked, stopped.

The rules are the deployed ones with their durations shortened and their thresholds as they are: hours are seconds here.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecommerce_platform.settings import PROJECT_DIR

RULES = PROJECT_DIR / "helm" / "ecommerce-platform" / "rules" / "alerts.yaml"
PROMETHEUS = shutil.which("prometheus")
#: What the rules compare a time with, in seconds, and what stands for it in a test. Daemons beat every 30 seconds.
SHORTER = {
    "time() - ecommerce_exporter_read_timestamp_seconds > 300": "time() - ecommerce_exporter_read_timestamp_seconds > 10",
    "time() - ecommerce_daemon_heartbeat_timestamp_seconds > 300": "time() - ecommerce_daemon_heartbeat_timestamp_seconds > 50",
    "> 129600": "> 90",
    "> 21600": "> 5",
}
_WINDOWS = {"[10m]": "[15s]", "[15m]": "[15s]", "[1d]": "[30s]"}


def shortened(rules: str) -> str:
    """The rules with every `for`, window and age shortened. Raises where one of them is no longer there to be shortened."""
    text = re.sub(r"\bfor: \S+", "for: 1s", rules)
    for old, new in {**SHORTER, **_WINDOWS}.items():
        if old not in text:
            raise ValueError(f"the rules have no {old!r} any more: say here what stands for it")
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(seen: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of `seen`; fails after `seconds`, saying what did not come."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while True:
        if result := seen():
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        pause.wait(0.3)


@dataclass
class Prometheus:
    """A running Prometheus."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return list(json.load(answer)["data"]["result"])
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None

    def shows(self, expression: str, seconds: float) -> bool:
        """Whether the query returns something, now or soon: a scrape may just have been too late."""
        try:
            return bool(wait_until(lambda: self.query(expression), seconds, expression))
        except AssertionError:
            return False

    def firing(self, alert: str) -> list[dict[str, str]]:
        return [item["metric"] for item in self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')]

    def fires(self, alert: str, seconds: float = 60, since: float | None = None, **labels: str) -> dict[str, str]:
        """Waits until the alert fires with these labels, and returns all of them.

        With `since` (seconds since 1970) it may have fired at any time from then on: an alert about an event, seen in the
        middle of a run, is over by the run's end when its window is seconds.
        """

        def seen() -> list[dict[str, str]]:
            alerts_seen = self.firing(alert) if since is None else self.fired(alert, since)
            return [item for item in alerts_seen if labels.items() <= item.items()]

        return dict(wait_until(seen, seconds, f"{alert} fires {labels}")[0])

    def fired(self, alert: str, since: float) -> list[dict[str, str]]:
        """Label sets with which the alert has fired since then."""
        window = max(1, int(time.time() - since))
        return [
            item["metric"]
            for item in self.query(f'last_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[{window}s])')
        ]

    def is_silent(self, alert: str, seconds: float = 60, **labels: str) -> None:
        """Waits until the alert does not fire (any more)."""
        wait_until(
            lambda: not [alert_labels for alert_labels in self.firing(alert) if labels.items() <= alert_labels.items()],
            seconds,
            f"{alert} is silent {labels}",
        )


@contextmanager
def prometheus(folder: Path, exporter_port: int) -> Iterator[Prometheus]:
    """Scrapes the exporter every two seconds and evaluates the shortened rules every second."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(shortened(RULES.read_text()))
    (folder / "prometheus.yaml").write_text(
        f"""
global: {{scrape_interval: 2s, evaluation_interval: 1s, scrape_timeout: 2s}}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: ecommerce-platform
    static_configs: [{{targets: ['127.0.0.1:{exporter_port}']}}]
"""
    )
    server = Prometheus(free_port())
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                str(PROMETHEUS),
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{server.port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: answers(server.port, "/-/ready"), 60, "Prometheus is ready")
            yield server
        finally:
            process.terminate()
            process.wait(30)


def answers(port: int, path: str = "/metrics") -> bool:
    """Whether a server of this machine gives the page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
