"""Brings a launched step's events into the run, while it runs and once each.

What belongs here: which events are stored, which are held back, which of them end the step. What does not: where they come
from (scratch.py) and whether the process that wrote them ended well (the launchers).

The event that ends a step (success, failure, to be tried again) is held back until the launcher knows how the step's process
ended: a success that is followed by a crash is none.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster import DagsterEvent, DagsterInstance

from ecommerce_platform.spark.launchers.ending import StepReport
from ecommerce_platform.spark.launchers.scratch import EventReader

_Key = tuple[float, str | None, str | None, str]


class StepLaunchError(RuntimeError):
    """A launched step did not end well for a reason outside of its code; the message is that reason."""


class Relay:
    """The events of one launched step on their way into its run."""

    def __init__(self, instance: DagsterInstance, reader: EventReader, run_id: str, found_again: bool = False) -> None:
        self._instance = instance
        self._reader = reader
        # A launcher that found a running step again reads its events from the start; those that the one before it has
        # stored are not stored twice.
        self._stored = {_key(entry) for entry in instance.all_logs(run_id)} if found_again else set()
        self._ending: dg.EventLogEntry | None = None

    @property
    def ending(self) -> DagsterEvent | None:
        """The event that ends the step, when it has come."""
        return self._ending.get_dagster_event() if self._ending else None

    @property
    def report(self) -> StepReport:
        """What the step said of its own end, so far."""
        if self.ending is None:
            return "none"
        if self.ending.is_step_success:
            return "success"
        return "retry" if self.ending.is_step_up_for_retry else "failure"

    @property
    def error(self) -> str:
        """The message of the step's own failure; empty without one."""
        failure = self.ending.step_failure_data if self.ending and self.ending.is_step_failure else None
        error = failure.error if failure else None
        return ((error.cause or error).message if error else "").strip()

    def forward(self) -> Iterator[DagsterEvent]:
        """Stores what has come, and yields the step's events. Raises ScratchError."""
        for entry in self._reader.read_new():
            if entry.is_dagster_event and _ends_step(entry.get_dagster_event()):
                self._ending = entry
            else:
                yield from self._store(entry)

    def forward_ending(self) -> Iterator[DagsterEvent]:
        """Stores and yields the event that ends the step."""
        if self._ending:
            yield from self._store(self._ending)

    def _store(self, entry: dg.EventLogEntry) -> Iterator[DagsterEvent]:
        if _key(entry) not in self._stored:
            self._instance.handle_new_event(entry)
        if entry.is_dagster_event:
            yield entry.get_dagster_event()


def _ends_step(event: DagsterEvent) -> bool:
    return event.is_step_success or event.is_step_failure or event.is_step_up_for_retry


def _key(entry: dg.EventLogEntry) -> _Key:
    kind = entry.dagster_event.event_type_value if entry.dagster_event else None
    return (entry.timestamp, entry.step_key, kind, entry.user_message)
