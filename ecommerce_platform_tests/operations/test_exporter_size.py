"""The exporter under a log of 100,000 events: what it costs to read, and to scrape."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.operations.exporter.server import Exporter
from ecommerce_platform.operations.exporter.state import PlatformState
from ecommerce_platform_tests.operations.event_log import grow, one_run

pytestmark = pytest.mark.soak
EVENTS = 100_000


def test_a_scrape_stays_under_a_second_with_100_000_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        runs = grow(instance, one_run(instance, 90), EVENTS)
        exporter = Exporter(instance, PlatformState, say=lambda _: None)
        started = time.monotonic()
        server, _ = exporter.serve("127.0.0.1", 0)
        answered = time.monotonic() - started
        while not exporter.is_ready():
            scrape(server.server_port)
        first_reading = time.monotonic() - started
        try:
            scrapes = [scrape(server.server_port) for _ in range(5)]
        finally:
            exporter.stop()
            server.shutdown()
            server.server_close()
        started = time.monotonic()
        exporter.refresh_log()
        next_reading = time.monotonic() - started
    with capsys.disabled():
        print(
            f"\n{EVENTS} events, {runs} runs: an answer after {answered:.2f} s, "
            f"first reading {first_reading:.1f} s, next {next_reading:.2f} s, "
            f"scrape {max(seconds for seconds, _ in scrapes):.3f} s, {len(scrapes[0][1])} bytes"
        )
    assert f'ecommerce_runs_total{{job_name="daily_batch",outcome="success"}} {float(runs)}' in scrapes[0][1]
    assert max(seconds for seconds, _ in scrapes) < 1
    assert answered < 2


def scrape(port: int) -> tuple[float, str]:
    started = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return time.monotonic() - started, text
