"""Serves `/metrics`: a thread reads, a scrape shows the last reading, so that a slow source never makes a scrape slow.

What does not belong here: what the metrics mean (exposition.py, tally.py).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from wsgiref.simple_server import WSGIServer

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ecommerce_platform.operations.exporter.events import EventReader
from ecommerce_platform.operations.exporter.exposition import Snapshot, families
from ecommerce_platform.operations.exporter.state import PlatformState
from ecommerce_platform.operations.exporter.tally import Tally

UNFINISHED = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


@dataclass(eq=False)
class Exporter(Collector):
    """Reads every `interval` seconds and shows the last reading. `read_tables` asks the platform's own tables."""

    instance: dg.DagsterInstance
    read_tables: Callable[[], PlatformState]
    models: tuple[str, ...]
    interval: float = 15.0
    say: Callable[[str], None] = print
    _tally: Tally = field(default_factory=Tally)
    _errors: Counter[str] = field(default_factory=Counter)
    _state: PlatformState = field(default_factory=PlatformState)
    _snapshot: Snapshot | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _adding_up: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._reader = EventReader(self.instance)

    def refresh(self) -> None:
        """One reading. A source that fails is counted and named; what was read before stays on show."""
        started = time.monotonic()
        runs: dict[str, int] = {}
        heartbeats: dict[str, float] = {}
        try:
            facts = list(self._reader.read())
            with self._adding_up:
                self._tally.apply(facts)
            runs = {
                status.value.lower(): self.instance.get_runs_count(RunsFilter(statuses=[status]))
                for status in UNFINISHED
            }
            heartbeats = {name: beat.timestamp for name, beat in self.instance.get_daemon_heartbeats().items()}
        except Exception as error:  # noqa: BLE001 - an exporter that dies with its source shows nothing at all
            self._failed("dagster", error)
        try:
            self._state = self.read_tables()
            for problem in self._state.problems:
                self._errors["tables"] += 1
                self.say(f"could not read: {problem}")
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("tables", error)
        self._snapshot = Snapshot(
            self._tally,
            self._state,
            runs,
            heartbeats,
            self.models,
            time.time(),
            time.monotonic() - started,
            dict(self._errors),
        )

    def _failed(self, source: str, error: Exception) -> None:
        self._errors[source] += 1
        self.say(f"could not read {source}: {type(error).__name__}")

    def collect(self) -> Iterator[Metric]:
        if self._snapshot is not None:
            with self._adding_up:
                shown = list(families(self._snapshot))
            yield from shown

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Starts reading and serving; `stop()` ends both."""
        self.refresh()
        registry = CollectorRegistry()
        registry.register(self)
        server, _ = start_http_server(port, addr=host, registry=registry)
        thread = threading.Thread(target=self._keep_reading, name="exporter", daemon=True)
        thread.start()
        return server, thread

    def stop(self) -> None:
        self._stop.set()

    def _keep_reading(self) -> None:
        while not self._stop.wait(self.interval):
            self.refresh()
