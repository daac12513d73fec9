"""Serves `/metrics`: threads read, a scrape shows the last reading, so that neither a slow source nor a long log makes it wait.

What does not belong here: what the metrics mean (exposition.py, tally.py).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import dagster as dg
from dagster import RunsFilter
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ecommerce_platform.execution.unfinished_runs import UNFINISHED
from ecommerce_platform.operations.exporter.events import EventReader
from ecommerce_platform.operations.exporter.exposition import Snapshot, families
from ecommerce_platform.operations.exporter.facts import RunEnded
from ecommerce_platform.operations.exporter.progress import progress_of, save_progress
from ecommerce_platform.operations.exporter.state import Known, PlatformState
from ecommerce_platform.operations.exporter.tally import Tally
from ecommerce_platform.operations.notifications.sensor import State

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: How often a long reading keeps where it stands.
SAVE_SECONDS = 10.0


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
    #: None until they have been read: what is not known is not shown, as a 0 would end or reset an alert.
    _state: PlatformState | None = None
    _log: _Log | None = None
    _catching_up: bool = True
    _restored: bool = False
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
        """One reading of Dagster's storage, to its end: a page of events is added up as it comes, and where the reading stands is
        kept in Dagster's storage with the sums, so that a restart reads on from there."""
        started = time.monotonic()
        try:
            self._restore()
            self._show(self._read_log())
            ended = self._read_events()
            log = self._read_log()
        except Exception as error:  # noqa: BLE001 - an exporter that dies with its source shows nothing at all
            self._failed("dagster", error)
            return
        self._show(log)
        with self._lock:
            self._catching_up, self._read_seconds = False, time.monotonic() - started
        if ended:
            self._tables_due.set()

    def _restore(self) -> None:
        """Takes up what an exporter before this one has read; once."""
        if self._restored:
            return
        progress = progress_of(self.instance)
        with self._lock:
            if progress is not None:
                self._tally, self._reader = progress
            self._restored = True

    def _read_events(self) -> bool:
        """Whether a run has ended among what is new."""
        ended, unsaved, saved_at = False, False, time.monotonic()
        try:
            for facts in self._reader.read():
                with self._lock:
                    self._tally.apply(facts)
                    self._read_at = time.time()
                ended = ended or any(isinstance(fact, RunEnded) for fact in facts)
                unsaved = unsaved or bool(facts)
                if unsaved and time.monotonic() - saved_at > SAVE_SECONDS:
                    save_progress(self.instance, self._tally, self._reader)
                    unsaved, saved_at = False, time.monotonic()
                if self._stop.is_set():
                    break
        finally:
            if unsaved:
                save_progress(self.instance, self._tally, self._reader)
        return ended

    def _show(self, log: _Log) -> None:
        with self._lock:
            self._log, self._read_at = log, time.time()

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
            self._state = state.with_gaps_from(self._state) if self._state else state

    def _failed(self, source: str, error: Exception) -> None:
        with self._lock:
            self._errors[source] += 1
        self.say(f"could not read {source}: {type(error).__name__}")

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            shown = list(families(self._snapshot()))
        yield from shown

    def _snapshot(self) -> Snapshot:
        log = self._log
        return Snapshot(
            # Sums of a part of the log would look like a reset of the counters.
            tally=None if self._catching_up else self._tally,
            state=self._state,
            runs_by_status=log.runs_by_status if log else {},
            daemon_heartbeats=log.heartbeats if log else {},
            known=self.known,
            read_at=self._read_at,
            read_seconds=self._read_seconds,
            errors=dict(self._errors),
            oldest_unfinished_run=log.oldest_unfinished if log else None,
            notifications_waiting=log.notifications_waiting if log else None,
            catching_up=self._catching_up,
        )

    def is_ready(self) -> bool:
        """Whether the whole log is read, and all series are shown."""
        return not self._catching_up

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Answers at once, and reads beside that, however long the log is; `stop()` ends it."""
        self._read_at = self._read_at or time.time()
        registry = CollectorRegistry()
        registry.register(self)
        server = make_server(host, port, application(make_wsgi_app(registry), self.is_ready), _Server, _SilentHandler)
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        for name, work in (("event-log", self._keep_reading_log), ("tables", self._keep_reading_tables)):
            threading.Thread(target=work, name=name, daemon=True).start()
        return server, thread

    def stop(self) -> None:
        self._stop.set()
        self._tables_due.set()

    def _keep_reading_log(self) -> None:
        while not self._stop.is_set():
            self.refresh_log()
            self._stop.wait(self.interval)

    def _keep_reading_tables(self) -> None:
        while not self._stop.is_set():
            self.refresh_tables()
            # A source that did not answer is asked again soon, so that a lasting failure and its end are noticed.
            state = self._state
            wait = self.interval if state is None or state.problems else self.tables_interval
            self._tables_due.wait(max(wait, self.interval))
            self._tables_due.clear()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: a scrape every few seconds is not worth a line."""


def application(metrics: WSGIApplication, is_ready: Callable[[], bool]) -> WSGIApplication:
    """`/healthz` answers as long as the process lives; `/ready` says 503 until the whole log is read; all else is `/metrics`."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path not in ("/healthz", "/ready"):
            return metrics(environ, start_response)
        ready = path == "/healthz" or is_ready()
        start_response("200 OK" if ready else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if ready else b"catching up with the event log; what is not known yet is not shown\n"]

    return answer
