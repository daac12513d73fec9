"""Serves `/metrics`: threads read, a scrape shows the last reading, so that a slow source never makes a scrape slow.

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
from dagster import RunsFilter
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ecommerce_platform.operations.exporter.events import EventReader
from ecommerce_platform.operations.exporter.exposition import Snapshot, families
from ecommerce_platform.operations.exporter.facts import Fact, RunEnded
from ecommerce_platform.operations.exporter.state import Known, PlatformState
from ecommerce_platform.operations.exporter.tally import Tally
from ecommerce_platform.operations.notifications.sensor import State
from ecommerce_platform.unfinished_runs import UNFINISHED


@dataclass(frozen=True)
class _Log:
    """What one reading of Dagster's storage says beside the events: it is as of now."""

    runs_by_status: dict[str, int] = field(default_factory=dict)
    heartbeats: dict[str, float] = field(default_factory=dict)
    oldest_unfinished: float | None = None
    notifications_waiting: int = 0


@dataclass(eq=False)
class Exporter(Collector):
    """Reads the event log every `interval` seconds, and by `read_tables` the platform's own tables: after a run has ended, and
    otherwise every `tables_interval` seconds (a question keeps a warehouse awake).
    """

    instance: dg.DagsterInstance
    read_tables: Callable[[], PlatformState]
    known: Known = field(default_factory=Known)
    interval: float = 15.0
    tables_interval: float = 15.0
    say: Callable[[str], None] = print
    _tally: Tally = field(default_factory=Tally)
    _errors: Counter[str] = field(default_factory=Counter)
    _state: PlatformState = field(default_factory=PlatformState)
    _log: _Log = field(default_factory=_Log)
    _read_at: float = 0.0
    _read_seconds: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _tables_due: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._reader = EventReader(self.instance)

    def refresh(self) -> None:
        """One reading of everything. A source that fails is counted and named; what was read before stays on show."""
        self.refresh_log()
        self.refresh_tables()

    def refresh_log(self) -> None:
        """One reading of Dagster's storage."""
        started = time.monotonic()
        facts: list[Fact] = []
        try:
            for fact in self._reader.read():
                facts.append(fact)
            log = self._read_log()
        except Exception as error:  # noqa: BLE001 - an exporter that dies with its source shows nothing at all
            self._failed("dagster", error)
            with self._lock:
                self._tally.apply(facts)
            return
        with self._lock:
            self._tally.apply(facts)
            self._log = log
            self._read_at, self._read_seconds = time.time(), time.monotonic() - started
        if any(isinstance(fact, RunEnded) for fact in facts):
            self._tables_due.set()

    def _read_log(self) -> _Log:
        unfinished = self.instance.get_run_records(RunsFilter(statuses=list(UNFINISHED)))
        counts = Counter(record.dagster_run.status for record in unfinished)
        return _Log(
            runs_by_status={status.value.lower(): counts[status] for status in UNFINISHED},
            heartbeats={name: beat.timestamp for name, beat in self.instance.get_daemon_heartbeats().items()},
            oldest_unfinished=min((record.create_timestamp.timestamp() for record in unfinished), default=None),
            notifications_waiting=State.load(self.instance).outbox.pending,
        )

    def refresh_tables(self) -> None:
        """One reading of the platform's own tables."""
        try:
            state = self.read_tables()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("tables", error)
            return
        for problem in state.problems:
            self.say(f"could not read: {problem}")
        with self._lock:
            self._errors["tables"] += len(state.problems)
            self._state = state.with_gaps_from(self._state)

    def _failed(self, source: str, error: Exception) -> None:
        with self._lock:
            self._errors[source] += 1
        self.say(f"could not read {source}: {type(error).__name__}")

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            shown = list(families(self._snapshot()))
        yield from shown

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            self._tally,
            self._state,
            self._log.runs_by_status,
            self._log.heartbeats,
            self.known,
            self._read_at,
            self._read_seconds,
            dict(self._errors),
            self._log.oldest_unfinished,
            self._log.notifications_waiting,
        )

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Reads once, then serves and goes on reading; `stop()` ends that.

        Nothing is served before the first reading is done: counts that are not yet complete would look like a reset.
        """
        self.refresh()
        registry = CollectorRegistry()
        registry.register(self)
        server, thread = start_http_server(port, addr=host, registry=registry)
        for name, work in (("event-log", self._keep_reading_log), ("tables", self._keep_reading_tables)):
            threading.Thread(target=work, name=name, daemon=True).start()
        return server, thread

    def stop(self) -> None:
        self._stop.set()
        self._tables_due.set()

    def _keep_reading_log(self) -> None:
        while not self._stop.wait(self.interval):
            self.refresh_log()

    def _keep_reading_tables(self) -> None:
        while not self._stop.is_set():
            # A source that did not answer is asked again soon, so that its trouble is seen to last or to be over.
            wait = self.interval if self._state.problems else self.tables_interval
            self._tables_due.wait(max(wait, self.interval))
            self._tables_due.clear()
            if not self._stop.is_set():
                self.refresh_tables()
